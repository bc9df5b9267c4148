//! The way to the service for each connection: a client with its credential, and a poller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use crate::api::{GraphConnection, SecretKeyReference, reason};
use crate::graph::verdict::Verdict;
use crate::graph::{Account, Client, DEFAULT_MAX_WAIT, Observer, RateLimits, Tenant, Transport};
use crate::plan::{Blocked, Digest, resource, retry};
use crate::poll::Poller;

use super::error::Error;
use super::index::namespace;
use super::secrets::Secrets;
use super::triggers::Triggers;

/// A client and a poller for one application and credential.
pub struct Session {
    /// Talks to the service.
    pub client: Client,
    /// Looks at the service.
    pub poller: Arc<Poller>,
    identity: Identity,
    /// Counts the sessions of a connection in this process.
    number: u32,
    _stop: DropGuard,
}

/// What a session stands for. Neither another label on the Secret nor another poll interval makes it another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    client_id: String,
    credential: Digest,
}

/// A session and the fingerprint of everything that leads to it, which changes when a failure may be over.
pub type Route = (Arc<Session>, String);

/// A session, and why the credential that is to replace it cannot be used yet, if there is one.
pub struct Renewed {
    /// The session.
    pub revision: Route,
    /// What the authority, or the way to it, answers to the new credential.
    pub refused: Option<Verdict>,
}

/// Starts a task that ends with the operator.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// The sessions of all connections, and what outlives them.
pub struct Sessions {
    secrets: Arc<Secrets>,
    triggers: Triggers,
    transport: Transport,
    observer: Observer,
    spawn: Spawn,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// Budget, tokens and pauses belong to the application in the tenant that a connection names, not to one resource: they
    /// survive a connection that is deleted and applied again. Each connection has its own, as each has its own limits.
    accounts: Mutex<HashMap<AccountKey, Account>>,
}

type Slot = tokio::sync::Mutex<Option<Arc<Session>>>;

/// Namespace and name of the connection; tenant and client id, in lower case.
type AccountKey = [String; 4];

impl Sessions {
    /// No session yet.
    pub fn new(
        secrets: Arc<Secrets>,
        triggers: Triggers,
        transport: Transport,
        observer: Observer,
        spawn: Spawn,
    ) -> Self {
        Self {
            secrets,
            triggers,
            transport,
            observer,
            spawn,
            slots: Mutex::default(),
            accounts: Mutex::default(),
        }
    }

    /// The session of a connection: the one there is, or a new one. Another credential takes its place by
    /// [`renew`](Self::renew) only.
    ///
    /// # Errors
    ///
    /// If the cluster could not be asked for the Secret. What a person has to correct is an [`Blocked`] instead.
    pub async fn open(
        &self,
        connection: &GraphConnection,
    ) -> Result<Result<Route, Blocked>, Error> {
        let reference = match secret_reference(connection) {
            Ok(reference) => reference,
            Err(blocked) => return Ok(Err(blocked)),
        };
        let namespace = namespace(connection);
        if let Err(blocked) = self.secrets.value(&namespace, reference).await? {
            return Ok(Err(blocked));
        }
        let slot = self.slot(connection);
        let mut session = slot.lock().await;
        if let Some(open) = session.as_ref() {
            return Ok(Ok(revision(connection, open)));
        }
        let (client, identity) = match self.connect(connection, reference).await? {
            Ok(connected) => connected,
            Err(blocked) => return Ok(Err(blocked)),
        };
        let opened = self.start(connection, client, identity, 0);
        *session = Some(opened.clone());
        Ok(Ok(revision(connection, &opened)))
    }

    /// The session of a connection whose run this is: here a new credential takes the place of the one before, as soon as
    /// the authority gives a token for it. Until then the session before goes on.
    ///
    /// # Errors
    ///
    /// If the cluster could not be asked for the Secret. What a person has to correct is an [`Blocked`] instead.
    pub async fn renew(
        &self,
        connection: &GraphConnection,
    ) -> Result<Result<Renewed, Blocked>, Error> {
        let (session, known) = match self.open(connection).await? {
            Ok(revision) => revision,
            Err(blocked) => return Ok(Err(blocked)),
        };
        self.limit(connection);
        let unchanged = |refused| Renewed {
            revision: (session.clone(), known.clone()),
            refused,
        };
        let reference = match secret_reference(connection) {
            Ok(reference) => reference,
            Err(blocked) => return Ok(Err(blocked)),
        };
        let namespace = namespace(connection);
        let value = match self.secrets.value(&namespace, reference).await? {
            Ok(value) => value,
            Err(blocked) => return Ok(Err(blocked)),
        };
        if session.identity == identity(connection, value.digest) {
            return Ok(Ok(unchanged(None)));
        }
        let (client, identity) = match self.connect(connection, reference).await? {
            Ok(connected) => connected,
            Err(blocked) => return Ok(Err(blocked)),
        };
        if let Err(error) = client.obtain_token().await {
            return Ok(Ok(unchanged(Some(error.verdict()))));
        }
        let renewed = self.start(connection, client, identity, session.number + 1);
        *self.slot(connection).lock().await = Some(renewed.clone());
        self.triggers.wake_users(connection);
        Ok(Ok(Renewed {
            revision: revision(connection, &renewed),
            refused: None,
        }))
    }

    /// The session that a connection had last, even if its credential is gone since: deletions may still work with it.
    pub async fn last(&self, connection: &GraphConnection) -> Option<Route> {
        let session = self.slot(connection).lock().await.clone()?;
        Some(revision(connection, &session))
    }

    /// Ends the session of a connection that is gone. A pause that the service has asked for is kept: the connection may be
    /// applied again at once.
    pub fn close(&self, connection: &GraphConnection) {
        let key = account_key(connection);
        let pauses = |account: &Account| !account.budget().closed_for().is_zero();
        self.accounts()
            .retain(|other, account| *other != key || pauses(account));

        let uid = connection.uid().unwrap_or_default();
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&uid);
    }

    /// A client with the credential that the Secret holds now, and what a session with it stands for.
    async fn connect(
        &self,
        connection: &GraphConnection,
        reference: &SecretKeyReference,
    ) -> Result<Result<(Client, Identity), Blocked>, Error> {
        let read = self.secrets.read(&namespace(connection), reference).await?;
        Ok(read.and_then(|(secret, value)| {
            let client = self.client(connection, secret)?;
            Ok((client, identity(connection, value.digest)))
        }))
    }

    fn start(
        &self,
        connection: &GraphConnection,
        client: Client,
        identity: Identity,
        number: u32,
    ) -> Arc<Session> {
        let reference = ObjectRef::from_obj(connection);
        let (asked, told) = (self.triggers.clone(), self.triggers.clone());
        let (about, concerning) = (reference.clone(), reference);
        let poller = Arc::new(Poller::new(
            client.clone(),
            move || asked.index.interest_in(&about),
            move |news| told.tell(&concerning, &news),
        ));
        let stop = CancellationToken::new();
        let (running, stopped) = (poller.clone(), stop.clone());
        let span = tracing::info_span!(
            "poll",
            namespace = namespace(connection),
            connection = connection.name_any(),
        );
        (self.spawn)(Box::pin(
            async move { running.run(stopped).await }.instrument(span),
        ));
        Arc::new(Session {
            client,
            poller,
            identity,
            number,
            _stop: stop.drop_guard(),
        })
    }

    fn client(
        &self,
        connection: &GraphConnection,
        secret: SecretString,
    ) -> Result<Client, Blocked> {
        let spec = &connection.spec;
        let tenant = Tenant::new(&spec.tenant_id).map_err(|error| {
            Blocked::person(
                reason::INVALID_TENANT,
                format!("spec.tenantId is no tenant: {error}; create another GraphConnection with the right one"),
            )
        })?;
        let mut accounts = self.accounts();
        let account = accounts.entry(account_key(connection));
        let account =
            account.or_insert_with(|| Account::new(tenant, &spec.client_id, limits(connection)));
        let (transport, observer) = (self.transport.clone(), self.observer.clone());
        Ok(Client::new(transport, account.clone(), secret, observer))
    }

    /// Applies the limits of a connection whose spec may have changed.
    fn limit(&self, connection: &GraphConnection) {
        if let Some(account) = self.accounts().get(&account_key(connection)) {
            account.budget().set_limits(limits(connection));
        }
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, HashMap<AccountKey, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, connection: &GraphConnection) -> Arc<Slot> {
        let uid = connection.uid().unwrap_or_default();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(uid).or_default().clone()
    }
}

/// The number stands for the credential: a digest of it must not be written down, and this ends up in a status.
fn revision(connection: &GraphConnection, session: &Arc<Session>) -> Route {
    let uid = connection.uid().unwrap_or_default();
    let generation = resource::generation(connection).to_string();
    let parts = [&uid, &generation, &session.number.to_string()];
    let fingerprint = retry::fingerprint(parts.map(String::as_str));
    (session.clone(), fingerprint)
}

fn identity(connection: &GraphConnection, credential: Digest) -> Identity {
    Identity {
        client_id: connection.spec.client_id.to_ascii_lowercase(),
        credential,
    }
}

fn account_key(connection: &GraphConnection) -> AccountKey {
    let spec = &connection.spec;
    [
        namespace(connection),
        connection.name_any(),
        spec.tenant_id.to_ascii_lowercase(),
        spec.client_id.to_ascii_lowercase(),
    ]
}

fn limits(connection: &GraphConnection) -> RateLimits {
    let budget = &connection.spec.request_budget;
    RateLimits {
        per_second: f64::from(budget.per_second),
        burst: u32::try_from(budget.burst).unwrap_or(1),
        max_wait: DEFAULT_MAX_WAIT,
    }
}

fn secret_reference(connection: &GraphConnection) -> Result<&SecretKeyReference, Blocked> {
    let secret = connection.spec.credential.client_secret.as_ref();
    secret.map(|secret| &secret.secret_key_ref).ok_or_else(|| {
        Blocked::person(
            reason::SECRET_NOT_FOUND,
            "spec.credential names no credential: give spec.credential.clientSecret",
        )
    })
}
