//! How often the flows of a set are polled.

use std::time::Duration;

use crate::api::ProvisioningFlow;
use crate::api::condition::RECONCILING;
use crate::plan::conditions::is_true;
use crate::plan::poll::Cadence;
use crate::plan::resource::{generation, is_deleting};

/// Returns the schedule of the set that a flow is in, as far as the flow is concerned.
pub(super) fn cadence(flow: &ProvisioningFlow, interval: Duration) -> Cadence {
    let own = flow.spec.poll_interval.map(Duration::from);
    Cadence {
        interval: own.unwrap_or(interval),
        settled: is_settled(flow),
    }
}

/// Returns whether the service is not expected to change the flow.
fn is_settled(flow: &ProvisioningFlow) -> bool {
    let settled = flow.status.as_ref().is_some_and(|status| {
        status.observed_generation == generation(flow)
            && status.id.is_some()
            && !is_true(&status.conditions, RECONCILING)
    });
    settled && !is_deleting(flow)
}

/// Returns the schedule that satisfies both.
pub(super) fn sooner(one: Cadence, other: Cadence) -> Cadence {
    Cadence {
        interval: one.interval.min(other.interval),
        settled: one.settled && other.settled,
    }
}
