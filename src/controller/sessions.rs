//! The sessions of all connections: opened, renewed after a change of the credential, and closed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::GraphConnection;
use crate::graph::verdict::Verdict;
use crate::graph::{Account, Observer, Transport};
use crate::metrics::Link;
use crate::plan::secret;

use super::credentials::{Confirmed, Credentials};
use super::error::Unavailable;
use super::session::{Route, Session, revision};
use super::triggers::Triggers;
use super::turns::Turn;

mod accounts;
mod latest;
mod start;

use accounts::{AccountKey, account_key, limits};
use latest::LatestValues;

/// A session, and why a new credential cannot be used yet, if there is one.
pub struct Renewed {
    /// The session and its fingerprint.
    pub revision: Route,
    /// Why the authority did not issue a token for the new credential, or `None` if there is no such credential.
    pub refused: Option<Verdict>,
    /// When the credential expires, as far as the spec, the Secret or its content states it.
    pub expiry: Option<Timestamp>,
}

/// Spawner of tasks that end with the operator.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// The sessions of all connections, and the accounts that outlive them.
pub struct Sessions {
    credentials: Arc<Credentials>,
    triggers: Triggers,
    transport: Transport,
    observer: Observer,
    spawn: Spawn,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// Budgets, tokens and pauses belong to the application and tenant of a connection, not to the resource: they
    /// survive if the connection is deleted and applied again. Each connection has its own, because each has its own
    /// limits.
    accounts: Mutex<HashMap<AccountKey, Account>>,
    /// For metrics: a slot may be locked for long.
    latest: LatestValues<Session>,
}

type Slot = tokio::sync::Mutex<Option<Arc<Session>>>;

impl Sessions {
    /// Creates a store without sessions.
    pub fn new(
        credentials: Arc<Credentials>,
        triggers: Triggers,
        transport: Transport,
        observer: Observer,
        spawn: Spawn,
    ) -> Self {
        Self {
            credentials,
            triggers,
            transport,
            observer,
            spawn,
            slots: Mutex::default(),
            accounts: Mutex::default(),
            latest: LatestValues::default(),
        }
    }

    /// Returns the existing session of a connection, or opens one, if its credential was in the cluster at most `max_age`
    /// ago. Only [`renew`](Self::renew) replaces a session after a change of the credential.
    ///
    /// # Errors
    ///
    /// If the request for the Secret failed, or if a person must fix something.
    pub async fn open(
        &self,
        connection: &GraphConnection,
        max_age: Duration,
        turn: &Turn,
    ) -> Result<Route, Unavailable> {
        self.confirm(connection, max_age).await?;
        let slot = self.slot(connection);
        let mut session = turn.pause(slot.lock()).await;
        if let Some(open) = session.as_ref() {
            return Ok(revision(connection, open));
        }
        let opened = self.connect(connection).await?;
        let opened = self.start(connection, opened, 0);
        *session = Some(opened.clone());
        Ok(revision(connection, &opened))
    }

    /// Returns the session of a connection, for its own reconcile. A new credential replaces the previous one as soon
    /// as the authority issues a token for it; until then, the previous session stays in use, if it works.
    ///
    /// # Errors
    ///
    /// If the request for the Secret failed, or if a person must fix something.
    pub async fn renew(
        &self,
        connection: &GraphConnection,
        max_age: Duration,
        turn: &Turn,
    ) -> Result<Renewed, Unavailable> {
        let (session, known) = self.open(connection, max_age, turn).await?;
        self.limit(connection);
        // If the authority has refused the credential since it was read, a person may have replaced it.
        let interval = secret::interval(connection.spec.poll_interval.into());
        let max_age = session.refused_for().unwrap_or(interval);
        let current = self.confirm(connection, max_age).await?;
        let unchanged = |refused| Renewed {
            revision: (session.clone(), known.clone()),
            refused,
            expiry: current.expiry.or(session.expiry),
        };
        if session.identity.is(connection, &current) {
            return Ok(unchanged(None));
        }
        let opened = self.connect(connection).await?;
        let obtained = turn.pause(Box::pin(opened.client.obtain_token())).await;
        if let Err(error) = obtained
            && session.refused_for().is_none()
        {
            return Ok(unchanged(Some(error.verdict())));
        }
        let renewed = self.start(connection, opened, session.number + 1);
        *self.slot(connection).lock().await = Some(renewed.clone());
        self.triggers.wake_users(connection);
        Ok(Renewed {
            revision: revision(connection, &renewed),
            refused: None,
            expiry: current.expiry.or(renewed.expiry),
        })
    }

    /// Returns the last session of a connection whose credential cannot be used any more, for a deletion. After a while
    /// it is ended, and the credential forgotten.
    pub async fn last(&self, connection: &GraphConnection) -> Option<Route> {
        let slot = self.slot(connection);
        let mut session = slot.lock().await;
        if !secret::is_usable_for_deletion(session.as_ref()?.unseen_for()) {
            *session = None;
            if let Some(account) = self.accounts().get(&account_key(connection)) {
                account.forget_credentials();
            }
        }
        Some(revision(connection, session.as_ref()?))
    }

    /// Returns the traffic of the connections that have a session, for metrics.
    pub fn links(&self) -> Vec<Link> {
        let sessions = self.latest.all().into_iter();
        sessions.map(|(name, session)| session.link(name)).collect()
    }

    /// Ends the session of a removed connection. A pause that the service has requested is kept, because the connection
    /// may be applied again immediately.
    pub fn close(&self, connection: &GraphConnection) {
        let key = account_key(connection);
        self.retain_accounts(|other| *other != key);

        let uid = connection.uid().unwrap_or_default();
        self.slots().remove(&uid);
    }

    /// Ends the sessions of all connections that a complete list lacks.
    pub fn sweep(&self, listed: &[Arc<GraphConnection>]) {
        let keys: HashSet<_> = listed.iter().map(|one| account_key(one)).collect();
        self.retain_accounts(|key| keys.contains(key));

        let uids: HashSet<_> = listed.iter().filter_map(|one| one.uid()).collect();
        self.slots().retain(|uid, _| uids.contains(uid));
    }

    /// Drops the accounts of other connections, unless the service has requested a pause: the connection may be applied
    /// again immediately.
    fn retain_accounts(&self, is_used: impl Fn(&AccountKey) -> bool) {
        self.accounts().retain(|key, account| {
            if is_used(key) {
                return true;
            }
            account.forget_credentials();
            !account.budget().closed_for().is_zero()
        });
    }

    /// Returns what is in the cluster of the credential, which was read at most `max_age` ago.
    async fn confirm(
        &self,
        connection: &GraphConnection,
        max_age: Duration,
    ) -> Result<Confirmed, Unavailable> {
        let confirmed = self.credentials.confirm(connection, max_age).await;
        if let Err(Unavailable::Blocked(_)) = &confirmed {
            // Ends the session, if its time is over.
            self.last(connection).await;
        }
        confirmed
    }

    /// Returns when the last complete poll through a connection began, or `None` if this process has made none, or is just
    /// opening the session.
    pub fn last_poll(&self, connection: &GraphConnection) -> Option<Timestamp> {
        let slot = self.slot(connection);
        let session = slot.try_lock().ok()?;
        session.as_ref()?.poller.last_complete()
    }

    /// Applies the limits of a connection, whose spec may have changed.
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
        self.slots().entry(uid).or_default().clone()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
