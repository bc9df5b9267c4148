//! What the service's word for readiness means.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::{
    ConditionStatus, ProvisioningFlowSpec, ProvisioningFlowStatus, ReadinessEntry, reason,
};
use crate::graph::model::Flow;
use crate::plan::conditions::{Progress, Readiness, Statement};

const LONGEST_HISTORY: usize = 10;

/// The values of `readinessStatus` that [`judge`] knows the meaning of.
pub(super) const KNOWN: [&str; 5] = ["notReady", "ready", "failed", "disabled", "expired"];

/// Takes over what the service says of the flow.
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
    let surplus = history.len().saturating_sub(LONGEST_HISTORY);
    history.drain(..surplus);
}

/// What the flow's readiness says about the resource, and how long until that changes by itself.
pub(super) fn judge(
    status: &ProvisioningFlowStatus,
    spec: &ProvisioningFlowSpec,
    now: Timestamp,
) -> (Readiness, Option<SignedDuration>) {
    let word = status.readiness_status.as_deref().unwrap_or("");
    let (reason, message) = match word {
        "ready" => return (Readiness::of_existence("the flow is ready"), None),
        "failed" => {
            return (
                stuck(
                    reason::FAILED,
                    "the service says that the flow failed: look at the run's activities in the School Data Sync portal, then reset the flow",
                ),
                None,
            );
        }
        "expired" => {
            return (
                stuck(
                    reason::EXPIRED,
                    "the service says that the flow has expired: look at the school year and the inbound flow in the School Data Sync portal",
                ),
                None,
            );
        }
        "disabled" => (
            reason::DISABLED,
            "the service says that the flow is disabled",
        ),
        "notReady" => (reason::NOT_READY, "the service is still preparing the flow"),
        _ => return (unknown(), None),
    };
    match time_left(status, spec, now) {
        Some(left) => (waiting(reason, message), Some(left)),
        None => (overdue(reason, message), None),
    }
}

fn waiting(reason: &'static str, message: &str) -> Readiness {
    Readiness {
        status: ConditionStatus::False,
        statement: Statement::new(reason, message),
        progress: Progress::reconciling(reason, message),
    }
}

fn overdue(reason: &'static str, message: &str) -> Readiness {
    let told = format!(
        "{message}, for longer than spec.progressDeadline: look at the inbound flow and the last run in the School Data Sync portal"
    );
    Readiness {
        status: ConditionStatus::False,
        statement: Statement::new(reason, message),
        progress: Progress::stalled(reason::PROGRESS_DEADLINE_EXCEEDED, told),
    }
}

fn stuck(reason: &'static str, message: &str) -> Readiness {
    Readiness {
        status: ConditionStatus::False,
        statement: Statement::new(reason, message),
        progress: Progress::stalled(reason, message),
    }
}

/// The service is beta: a word that we do not know is passed on, and no failure.
fn unknown() -> Readiness {
    let message = "the service's word for the flow's readiness, in status.readinessStatus, is none that this version knows";
    Readiness {
        status: ConditionStatus::Unknown,
        statement: Statement::new(reason::READINESS_UNKNOWN, message),
        progress: Progress::reconciling(reason::READINESS_UNKNOWN, message),
    }
}

/// How long the flow may still be not ready; `None`: not at all any more.
fn time_left(
    status: &ProvisioningFlowStatus,
    spec: &ProvisioningFlowSpec,
    now: Timestamp,
) -> Option<SignedDuration> {
    let pending =
        |entry: &&ReadinessEntry| matches!(entry.status.as_str(), "notReady" | "disabled");
    let run = status.readiness_history.iter().rev().take_while(pending);
    let since = run.last().map_or(now, |entry| entry.since.0);
    let deadline = std::time::Duration::from(spec.progress_deadline);
    let left = SignedDuration::try_from(deadline).ok()? - now.duration_since(since);
    left.is_positive().then_some(left)
}
