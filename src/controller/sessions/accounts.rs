//! Accounts of connections, their limits, and what is observed of their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use crate::api::{GraphConnection, reason};
use crate::controller::access::{AccessLog, AccessNews};
use crate::controller::index::namespace;
use crate::graph::{Account, DEFAULT_MAX_WAIT, Observation, Observer, RateLimits, Tenant};
use crate::plan::Blocked;
use crate::plan::connection::THROTTLE_MEMORY;

use super::Sessions;

/// Namespace and name of the connection, and tenant and client id in lower case.
pub(super) type AccountKey = [String; 4];

impl Sessions {
    /// Returns the account of a connection.
    pub(super) fn account(&self, connection: &GraphConnection) -> Result<Account, Blocked> {
        let spec = &connection.spec;
        let tenant = Tenant::new(&spec.tenant_id).map_err(|error| {
            Blocked::person(
                reason::INVALID_TENANT,
                format!("spec.tenantId is invalid: {error}; create another GraphConnection with the correct tenant"),
            )
        })?;
        let mut accounts = self.accounts();
        let account = accounts.entry(account_key(connection));
        let account =
            account.or_insert_with(|| Account::new(tenant, &spec.client_id, limits(connection)));
        Ok(account.clone())
    }

    /// Returns an observer that also records what the credential may do, and reports a change of that, and when the service
    /// begins or ceases to throttle.
    pub(super) fn observer(
        &self,
        connection: &GraphConnection,
        access: &Arc<AccessLog>,
        account: Account,
    ) -> Observer {
        let (observer, access) = (self.observer.clone(), access.clone());
        let (triggers, own) = (self.triggers.clone(), ObjectRef::from_obj(connection));
        let was_throttled = AtomicBool::new(false);
        Arc::new(move |observation| {
            observer(observation);
            let Observation::Finished {
                operation, outcome, ..
            } = observation
            else {
                return;
            };
            let throttled = account.budget().throttled_ago();
            let is_throttled = throttled.is_some_and(|ago| ago < THROTTLE_MEMORY.unsigned_abs());
            let is_news = was_throttled.swap(is_throttled, Ordering::Relaxed) != is_throttled;
            match access.record(operation, outcome, Instant::now()) {
                Some(AccessNews::Granted) => triggers.access_granted(&own),
                Some(AccessNews::Shown) => triggers.access_changed(&own),
                None if is_news => triggers.access_changed(&own),
                None => {}
            }
        })
    }
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
