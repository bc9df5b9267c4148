//! The start of a session: its client, and the task of its poller.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Span, field, info_span};

use crate::api::GraphConnection;
use crate::controller::access::AccessLog;
use crate::controller::credentials::ReadCredential;
use crate::controller::error::Unavailable;
use crate::controller::index::namespace;
use crate::controller::interest::LatestInterest;
use crate::controller::remote::RemoteCounter;
use crate::controller::session::{Identity, Session, client_id};
use crate::graph::{Account, Client};
use crate::poll::{Interest, Poller};
use crate::traces::with_trace_id;

use super::Sessions;

/// What a session consists of, before it is started.
pub(super) struct Opened {
    pub(super) client: Client,
    account: Account,
    identity: Identity,
    access: Arc<AccessLog>,
    expiry: Option<Timestamp>,
}

impl Sessions {
    /// Creates a client with the current credential in the cluster.
    pub(super) async fn connect(
        &self,
        connection: &GraphConnection,
    ) -> Result<Opened, Unavailable> {
        let ReadCredential {
            credential,
            identity,
            expiry,
        } = self.credentials.read(connection).await?;
        let access = Arc::new(AccessLog::default());
        let account = self.account(connection)?;
        let observer = self.observer(connection, &access, account.clone());
        Ok(Opened {
            client: Client::new(
                self.transport.clone(),
                account.clone(),
                credential,
                observer,
            ),
            account,
            identity: Identity {
                client_id: client_id(connection),
                credential: identity,
            },
            access,
            expiry,
        })
    }

    /// Starts the poller of a new session.
    pub(super) fn start(
        &self,
        connection: &GraphConnection,
        opened: Opened,
        number: u32,
    ) -> Arc<Session> {
        let seen = Arc::new(Mutex::new(Instant::now()));
        let poller = self.poller(connection, opened.client.clone(), seen.clone());
        let stop = CancellationToken::new();
        let (running, stopped) = (poller.clone(), stop.clone());
        (self.spawn)(Box::pin(async move { running.run(stopped).await }));
        let session = Arc::new(Session {
            client: opened.client,
            poller,
            identity: opened.identity,
            access: opened.access,
            expiry: opened.expiry,
            number,
            seen,
            account: opened.account,
            counter: RemoteCounter::default(),
            _stop: stop.drop_guard(),
        });
        self.latest.set(connection, &session);
        session
    }

    fn poller(
        &self,
        connection: &GraphConnection,
        client: Client,
        seen: Arc<Mutex<Instant>>,
    ) -> Arc<Poller> {
        let own = ObjectRef::from_obj(connection);
        let interest = self.interest(own.clone(), seen);
        let triggers = self.triggers.clone();
        let tell = move |news| triggers.tell(&own, &news);
        Arc::new(Poller::new(client, span(connection), interest, tell))
    }

    /// Returns what is to be polled, and notes when the credential was last seen. Without its credential in the cluster,
    /// nothing is polled, and so no token is obtained.
    fn interest(
        &self,
        own: ObjectRef<GraphConnection>,
        seen: Arc<Mutex<Instant>>,
    ) -> impl Fn() -> Arc<Interest> + Send + Sync + 'static + use<> {
        let (credentials, index) = (self.credentials.clone(), self.triggers.index.clone());
        let latest = LatestInterest::default();
        move || match credentials.confirmed(&own) {
            Some(moment) => {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = moment;
                latest.current(&index, &own)
            }
            None => Arc::default(),
        }
    }
}

/// Returns the span of each poll. It is not in that of the reconcile that starts the poller, which would last as long.
fn span(connection: &GraphConnection) -> impl Fn() -> Span + Send + Sync + 'static + use<> {
    let (place, name) = (namespace(connection), connection.name_any());
    move || {
        with_trace_id(info_span!(
            parent: None,
            "poll",
            namespace = place,
            connection = name,
            trace_id = field::Empty,
        ))
    }
}
