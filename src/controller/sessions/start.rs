//! The start of a session: its client, and the task of its poller.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{field, info_span};

use crate::api::GraphConnection;
use crate::controller::access::AccessLog;
use crate::controller::credentials::ReadCredential;
use crate::controller::error::Unavailable;
use crate::controller::index::namespace;
use crate::controller::interest::LatestInterest;
use crate::controller::remote::RemoteCounter;
use crate::controller::session::{Identity, Session, client_id};
use crate::graph::{Account, Client};
use crate::poll::Poller;
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
        let Opened {
            client,
            identity,
            access,
            expiry,
            account,
        } = opened;
        let reference = ObjectRef::from_obj(connection);
        let (index, notify) = (self.triggers.index.clone(), self.triggers.clone());
        let (own, changed) = (reference.clone(), reference);
        let (credentials, seen) = (
            self.credentials.clone(),
            Arc::new(Mutex::new(Instant::now())),
        );
        let (last_seen, latest) = (seen.clone(), LatestInterest::default());
        // Without its credential in the cluster, nothing is polled, and so no token is obtained.
        let interest = move || match credentials.confirmed(&own) {
            Some(moment) => {
                *last_seen.lock().unwrap_or_else(PoisonError::into_inner) = moment;
                latest.current(&index, &own)
            }
            None => Arc::default(),
        };
        let (place, name) = (namespace(connection), connection.name_any());
        // Not in the span of the reconcile that starts the poller, which would last as long.
        let span = move || {
            with_trace_id(info_span!(
                parent: None,
                "poll",
                namespace = place,
                connection = name,
                trace_id = field::Empty,
            ))
        };
        let poller = Arc::new(Poller::new(client.clone(), span, interest, move |news| {
            notify.tell(&changed, &news);
        }));
        let stop = CancellationToken::new();
        let (running, stopped) = (poller.clone(), stop.clone());
        (self.spawn)(Box::pin(async move { running.run(stopped).await }));
        let session = Arc::new(Session {
            client,
            poller,
            identity,
            access,
            expiry,
            number,
            seen,
            account,
            counter: RemoteCounter::default(),
            _stop: stop.drop_guard(),
        });
        self.latest.set(connection, &session);
        session
    }
}
