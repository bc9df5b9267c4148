//! What identifies a session and an account, and the limits of an account.

use kube::ResourceExt;

use crate::api::GraphConnection;
use crate::controller::credentials::{Confirmed, HeldCredential};
use crate::controller::index::namespace;
use crate::graph::{DEFAULT_MAX_WAIT, RateLimits};

/// Identity of a session. A change of the Secret's labels or of the poll interval does not change it.
pub(super) struct Identity {
    pub(super) client_id: String,
    pub(super) credential: HeldCredential,
}

/// Namespace and name of the connection, and tenant and client id in lower case.
pub(super) type AccountKey = [String; 4];

impl Identity {
    /// Returns whether a session with this identity is that of the connection and the credential in the cluster.
    pub(super) fn is(&self, connection: &GraphConnection, confirmed: &Confirmed) -> bool {
        self.client_id == client_id(connection) && self.credential.is(confirmed)
    }
}

pub(super) fn client_id(connection: &GraphConnection) -> String {
    connection.spec.client_id.to_ascii_lowercase()
}

pub(super) fn account_key(connection: &GraphConnection) -> AccountKey {
    let spec = &connection.spec;
    [
        namespace(connection),
        connection.name_any(),
        spec.tenant_id.to_ascii_lowercase(),
        spec.client_id.to_ascii_lowercase(),
    ]
}

pub(super) fn limits(connection: &GraphConnection) -> RateLimits {
    let budget = &connection.spec.request_budget;
    RateLimits {
        per_second: f64::from(budget.per_second),
        burst: u32::try_from(budget.burst).unwrap_or(1),
        max_wait: DEFAULT_MAX_WAIT,
    }
}
