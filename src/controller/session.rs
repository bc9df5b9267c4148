//! The way to the service for each connection: a client with its credential, and a poller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::reflector::ObjectRef;
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api::{GraphConnection, SecretKeyReference, reason};
use crate::graph::{Account, Client, Limits, Observer, Tenant, Transport, USUAL_WAIT};
use crate::plan::{Obstacle, resource, retry};
use crate::poll::Poller;

use super::error::Error;
use super::relations::Relations;
use super::world::namespace;

/// A client and a poller for one connection as it is now.
pub struct Session {
    /// Talks to the service.
    pub client: Client,
    /// Looks at the service.
    pub poller: Arc<Poller>,
    /// Changes when the connection's spec or its credential does.
    pub route: String,
    _stop: DropGuard,
}

/// Starts a task that ends with the operator.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// The sessions of all connections. A session lives as long as its connection and credential stay as they are.
pub struct Sessions {
    cluster: kube::Client,
    relations: Relations,
    transport: Transport,
    observer: Observer,
    spawn: Spawn,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

type Slot = tokio::sync::Mutex<Option<Arc<Session>>>;

impl Sessions {
    /// No session yet.
    pub fn new(
        cluster: kube::Client,
        relations: Relations,
        transport: Transport,
        observer: Observer,
        spawn: Spawn,
    ) -> Self {
        Self {
            cluster,
            relations,
            transport,
            observer,
            spawn,
            slots: Mutex::default(),
        }
    }

    /// The session of a connection: the one there is, unless the connection or its credential has changed.
    ///
    /// # Errors
    ///
    /// If the cluster could not be asked for the Secret. What a person has to mend is an [`Obstacle`] instead.
    pub async fn open(
        &self,
        connection: &GraphConnection,
    ) -> Result<Result<Arc<Session>, Obstacle>, Error> {
        let reference = match secret_reference(connection) {
            Ok(reference) => reference,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let route = match self.route(connection, reference) {
            Ok(route) => route,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let slot = self.slot(connection);
        let mut session = slot.lock().await;
        if let Some(open) = session.as_ref().filter(|open| open.route == route) {
            return Ok(Ok(open.clone()));
        }
        let secret = match read_secret(&self.cluster, &namespace(connection), reference).await? {
            Ok(secret) => secret,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let opened = self.start(connection, secret, route);
        if let Ok(opened) = &opened {
            *session = Some(opened.clone());
        }
        Ok(opened)
    }

    /// The session that a connection had last, even if its credential is gone since: deletions may still work with it.
    pub async fn last(&self, connection: &GraphConnection) -> Option<Arc<Session>> {
        self.slot(connection).lock().await.clone()
    }

    /// Ends the session of a connection that is gone.
    pub fn close(&self, connection: &GraphConnection) {
        let uid = connection.uid().unwrap_or_default();
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&uid);
    }

    fn route(
        &self,
        connection: &GraphConnection,
        reference: &SecretKeyReference,
    ) -> Result<String, Obstacle> {
        let namespace = namespace(connection);
        let secret = self.relations.world.secret(&namespace, &reference.name);
        let secret = secret.ok_or_else(|| secret_missing(reference))?;
        let uid = connection.uid().unwrap_or_default();
        let generation = resource::generation(connection).to_string();
        let parts = [&uid, &generation, &secret.uid, &secret.resource_version];
        Ok(retry::fingerprint(parts.map(String::as_str)))
    }

    fn start(
        &self,
        connection: &GraphConnection,
        secret: SecretString,
        route: String,
    ) -> Result<Arc<Session>, Obstacle> {
        let client = self.client(connection, secret)?;
        let reference = ObjectRef::from_obj(connection);
        let (asked, told) = (self.relations.clone(), self.relations.clone());
        let (about, concerning) = (reference.clone(), reference);
        let poller = Arc::new(Poller::new(
            client.clone(),
            move || asked.world.interest_in(&about),
            move |news| told.tell(&concerning, &news),
        ));
        let stop = CancellationToken::new();
        let (running, stopped) = (poller.clone(), stop.clone());
        (self.spawn)(Box::pin(async move { running.run(stopped).await }));
        Ok(Arc::new(Session {
            client,
            poller,
            route,
            _stop: stop.drop_guard(),
        }))
    }

    fn client(
        &self,
        connection: &GraphConnection,
        secret: SecretString,
    ) -> Result<Client, Obstacle> {
        let spec = &connection.spec;
        let tenant = Tenant::new(&spec.tenant_id).map_err(|error| {
            Obstacle::person(
                reason::INVALID_TENANT,
                format!("spec.tenantId is no tenant: {error}; create another GraphConnection with the right one"),
            )
        })?;
        let limits = Limits {
            per_second: f64::from(spec.request_budget.per_second),
            burst: u32::try_from(spec.request_budget.burst).unwrap_or(1),
            max_wait: USUAL_WAIT,
        };
        let account = Account::new(tenant, &spec.client_id, limits);
        let (transport, observer) = (self.transport.clone(), self.observer.clone());
        Ok(Client::new(transport, account, secret, observer))
    }

    fn slot(&self, connection: &GraphConnection) -> Arc<Slot> {
        let uid = connection.uid().unwrap_or_default();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(uid).or_default().clone()
    }
}

/// Reads one key of a Secret.
///
/// # Errors
///
/// If the cluster could not be asked. What a person has to mend is an [`Obstacle`] instead.
pub async fn read_secret(
    cluster: &kube::Client,
    namespace: &str,
    reference: &SecretKeyReference,
) -> Result<Result<SecretString, Obstacle>, Error> {
    let secrets: Api<Secret> = Api::namespaced(cluster.clone(), namespace);
    let secret = secrets
        .get_opt(&reference.name)
        .await
        .map_err(|source| Error::Cluster {
            operation: "read",
            object: format!("Secret {namespace}/{}", reference.name),
            source: Box::new(source),
        })?;
    let Some(secret) = secret else {
        return Ok(Err(secret_missing(reference)));
    };
    let value = secret
        .data
        .as_ref()
        .and_then(|data| data.get(&reference.key));
    let Some(value) = value.filter(|value| !value.0.is_empty()) else {
        return Ok(Err(key_unusable(reference, "has no key")));
    };
    // A line feed at the end comes from files and `echo`, never from a person's mind.
    Ok(match std::str::from_utf8(&value.0) {
        Ok(text) => Ok(SecretString::from(text.trim_end_matches(['\r', '\n']))),
        Err(_) => Err(key_unusable(reference, "has no text under the key")),
    })
}

/// What is said when a Secret does not exist.
#[must_use]
pub fn secret_missing(reference: &SecretKeyReference) -> Obstacle {
    Obstacle::person(
        reason::SECRET_NOT_FOUND,
        format!(
            "the Secret {} does not exist: create it, with the key {}",
            reference.name, reference.key
        ),
    )
}

fn key_unusable(reference: &SecretKeyReference, how: &str) -> Obstacle {
    Obstacle::person(
        reason::SECRET_NOT_FOUND,
        format!(
            "the Secret {} {how} {}: add it",
            reference.name, reference.key
        ),
    )
}

fn secret_reference(connection: &GraphConnection) -> Result<&SecretKeyReference, Obstacle> {
    let secret = connection.spec.credential.client_secret.as_ref();
    secret.map(|secret| &secret.secret_key_ref).ok_or_else(|| {
        Obstacle::person(
            reason::SECRET_NOT_FOUND,
            "spec.credential names no credential: give spec.credential.clientSecret",
        )
    })
}
