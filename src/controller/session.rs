//! A session: a client with the credential of a connection, and a poller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use crate::api::{GraphConnection, RemoteCount};
use crate::graph::{Account, Client};
use crate::metrics::Link;
use crate::plan::credential::ObservedAccess;
use crate::plan::{resource, retry};
use crate::poll::Poller;

use super::access::AccessLog;
use super::credentials::{Confirmed, HeldCredential};
use super::index::{Index, Name};
use super::remote::RemoteCounter;

/// A client and a poller for one application and credential.
pub struct Session {
    /// Client of the service.
    pub client: Client,
    /// Poller of the service.
    pub poller: Arc<Poller>,
    pub(super) identity: Identity,
    pub(super) access: Arc<AccessLog>,
    /// When its credential expires, if its content shows that.
    pub(super) expiry: Option<Timestamp>,
    /// Number of this session among those of its connection in this process.
    pub(super) number: u32,
    /// When its credential was last seen in the cluster.
    pub(super) seen: Arc<Mutex<Instant>>,
    pub(super) account: Account,
    pub(super) counter: RemoteCounter,
    pub(super) _stop: DropGuard,
}

/// Identity of a session. A change of the Secret's labels or of the poll interval does not change it.
pub(super) struct Identity {
    pub(super) client_id: String,
    pub(super) credential: HeldCredential,
}

/// A session, and the fingerprint of its connection and credential, whose change resets backoffs.
pub type Route = (Arc<Session>, String);

impl Identity {
    /// Returns whether a session with this identity is that of the connection and the credential in the cluster.
    pub(super) fn is(&self, connection: &GraphConnection, confirmed: &Confirmed) -> bool {
        self.client_id == client_id(connection) && self.credential.is(confirmed)
    }
}

pub(super) fn client_id(connection: &GraphConnection) -> String {
    connection.spec.client_id.to_ascii_lowercase()
}

impl Session {
    /// Returns what its credential may do, as responses have shown, or else as its token shows.
    pub fn access(&self) -> ObservedAccess {
        self.access.observed(self.client.granted(), self.number > 0)
    }

    /// Returns how long a resource waits whose change was just refused for lack of a permission.
    pub fn retry_after_refusal(&self) -> Duration {
        self.access.retry_after(Instant::now())
    }

    /// Returns how long ago the service last throttled a request, or `None` if it never has.
    pub fn throttled_ago(&self) -> Option<Duration> {
        self.account.budget().throttled_ago()
    }

    /// Returns the numbers of remote objects, or `None` if a list is missing.
    pub fn remote(&self, index: &Index, connection: &GraphConnection) -> Option<RemoteCount> {
        self.counter.count(&self.poller, index, connection)
    }

    /// Returns the traffic of its connection, for metrics.
    pub(super) fn link(&self, name: Name) -> Link {
        let budget = self.client.budget();
        Link {
            namespace: name.namespace,
            name: name.name,
            polled: self.poller.polled(),
            throttled: budget.throttled_requests(),
            rate: budget.rate(),
        }
    }

    /// Returns how long ago its credential was last seen in the cluster.
    pub(super) fn unseen_for(&self) -> Duration {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    /// Returns how long ago a poll began for which the authority refused the credential, or `None` if the last one had a
    /// token.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        let latest = self.poller.latest_sets()?;
        let verdict = latest.outcome.as_ref().err()?;
        verdict
            .reason
            .is_of_credential()
            .then(|| latest.began.elapsed())
    }
}

/// Returns the session with its fingerprint, which is persisted in statuses. The number of the session represents the
/// credential, because a digest of the credential must not be persisted, and that of the grants its permissions.
pub(super) fn revision(connection: &GraphConnection, session: &Arc<Session>) -> Route {
    let uid = connection.uid().unwrap_or_default();
    let generation = resource::generation(connection).to_string();
    let (number, grants) = (
        session.number.to_string(),
        session.access.grants().to_string(),
    );
    let parts = [&uid, &generation, &number, &grants];
    let fingerprint = retry::fingerprint(parts.map(String::as_str));
    (session.clone(), fingerprint)
}
