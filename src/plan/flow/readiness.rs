//! Interpretation of the readiness that the service reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::condition::{RECONCILING, STALLED};
use crate::api::{
    ConditionStatus, ProvisioningFlow, ProvisioningFlowStatus, ReadinessEntry, reason,
};
use crate::graph::model::Flow;
use crate::plan::conditions::{Cause, Progress, Readiness, find};

const MAX_HISTORY: usize = 10;

const FAILED: &str = "the service reports that the flow failed: check the activities of the run in the School Data Sync portal, then reset the flow";
const EXPIRED: &str = "the service reports that the flow has expired: check the school year and the inbound flow in the School Data Sync portal";
const UNKNOWN: &str = "the readiness of the flow is unknown: status.readinessStatus is absent or not recognized by this version";

/// The values of `readinessStatus` that [`judge`] recognizes.
const KNOWN: [&str; 5] = ["notReady", "ready", "failed", "disabled", "expired"];

/// Returns whether a value is recognized, in any letter case.
pub(super) fn knows(value: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(value))
}

/// Mirrors the properties of the flow in the status.
pub(super) fn mirror(status: &mut ProvisioningFlowStatus, flow: &Flow, now: Timestamp) {
    status.id = Some(flow.id.to_string());
    status.created_date_time.clone_from(&flow.created);
    status
        .last_modified_date_time
        .clone_from(&flow.last_modified);
    status.readiness_status.clone_from(&flow.readiness);
    let Some(word) = &flow.readiness else { return };
    let history = &mut status.readiness_history;
    if history.last().is_some_and(|entry| entry.status == *word) {
        return;
    }
    history.push(ReadinessEntry {
        status: word.clone(),
        since: Time(now),
    });
    let surplus = history.len().saturating_sub(MAX_HISTORY);
    history.drain(..surplus);
}

/// Returns the readiness of the resource, and the time until it changes without an event.
pub(super) fn judge(
    status: &ProvisioningFlowStatus,
    flow: &ProvisioningFlow,
    now: Timestamp,
) -> (Readiness, Option<SignedDuration>) {
    let word = status.readiness_status.as_deref().unwrap_or_default();
    let pending = match word.to_ascii_lowercase().as_str() {
        "ready" => return (Readiness::of_existence("the flow is ready"), None),
        "failed" => return (stuck(reason::FAILED, FAILED), None),
        "expired" => return (stuck(reason::EXPIRED, EXPIRED), None),
        "disabled" => waiting(
            ConditionStatus::False,
            reason::DISABLED,
            "the service reports that the flow is disabled",
        ),
        "notready" => waiting(
            ConditionStatus::False,
            reason::NOT_READY,
            "the service is still preparing the flow",
        ),
        // The API is a beta version: an unrecognized value is passed on and does not count as a failure.
        _ => waiting(ConditionStatus::Unknown, reason::READINESS_UNKNOWN, UNKNOWN),
    };
    match time_left(status, flow, now) {
        Some(left) => (pending, Some(left)),
        None => (overdue(&pending.cause.message), None),
    }
}

fn waiting(status: ConditionStatus, reason: &'static str, message: &str) -> Readiness {
    Readiness {
        status,
        cause: Cause::new(reason, message),
        progress: Progress::reconciling(reason, message),
    }
}

fn overdue(message: &str) -> Readiness {
    let message = format!(
        "{message}, for longer than spec.progressDeadline: check the inbound flow and the last run in the School Data Sync portal"
    );
    stuck(reason::PROGRESS_DEADLINE_EXCEEDED, &message)
}

fn stuck(reason: &'static str, message: &str) -> Readiness {
    Readiness {
        status: ConditionStatus::False,
        cause: Cause::new(reason, message),
        progress: Progress::stalled(reason, message),
    }
}

/// Returns how much longer the flow may stay not ready, or `None` if the deadline has passed.
fn time_left(
    status: &ProvisioningFlowStatus,
    flow: &ProvisioningFlow,
    now: Timestamp,
) -> Option<SignedDuration> {
    let pending = |entry: &&ReadinessEntry| {
        let settled = ["ready", "failed", "expired"];
        !settled
            .iter()
            .any(|word| word.eq_ignore_ascii_case(&entry.status))
    };
    let unready = status.readiness_history.iter().rev().take_while(pending);
    let since = match unready.last() {
        Some(entry) => entry.since.0,
        // `Reconciling` is as old as the absence of any word, for which the history has no entry. It ends with the
        // deadline, which then stays exceeded until a word comes or the spec changes.
        None if is_exceeded(status, flow) => return None,
        None => find(&status.conditions, RECONCILING)
            .map_or(now, |reconciling| reconciling.last_transition_time.0),
    };
    let deadline = std::time::Duration::from(flow.spec.progress_deadline);
    let left = SignedDuration::try_from(deadline).ok()? - now.duration_since(since);
    left.is_positive().then_some(left)
}

/// Returns whether the deadline was exceeded while the spec was the same as now.
fn is_exceeded(status: &ProvisioningFlowStatus, flow: &ProvisioningFlow) -> bool {
    find(&status.conditions, STALLED).is_some_and(|stalled| {
        stalled.reason == reason::PROGRESS_DEADLINE_EXCEEDED
            && stalled.observed_generation == flow.metadata.generation
    })
}
