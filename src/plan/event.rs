//! What happened, for `kubectl describe` and `kubectl events`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::condition::{RECONCILING, STALLED, SYNCED};
use crate::api::reason;

use super::conditions::find;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether a person should care.
    pub severity: Severity,
    /// What happened, in one word.
    pub reason: &'static str,
    /// What happened, in a sentence.
    pub message: String,
}

/// Whether a person should care about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It went as it should.
    Normal,
    /// Something is wrong.
    Warning,
}

impl Event {
    /// An event about something that went as it should.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Normal,
            reason,
            message: message.into(),
        }
    }

    /// An event about something that is wrong.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            reason,
            message: message.into(),
        }
    }
}

/// A change of conditions that is worth an event: something went wrong, or is right again.
///
/// The conditions' own reason and message are repeated, so that an event says no more than the status.
#[must_use]
pub fn of_transition(old: &[Condition], new: &[Condition]) -> Option<(Severity, String, String)> {
    let was = trouble(old);
    match (was, trouble(new)) {
        (None, None) => None,
        (Some(was), Some(is)) if was.reason == is.reason => None,
        (_, Some(is)) => Some((Severity::Warning, is.reason.clone(), is.message.clone())),
        (Some(_), None) => find(new, SYNCED)
            .filter(|synced| synced.status == "True")
            .map(|synced| (Severity::Normal, "Recovered".to_owned(), synced.message.clone())),
    }
}

/// The condition that tells of trouble, if any: `Stalled`, or `Reconciling` for any reason that is not plain progress.
fn trouble(conditions: &[Condition]) -> Option<&Condition> {
    const PROGRESS: [&str; 8] = [
        reason::CREATING,
        reason::DELETING,
        reason::DISABLED,
        reason::FLOW_SET_NOT_READY,
        reason::IN_USE,
        reason::NOT_READY,
        reason::READINESS_UNKNOWN,
        reason::SYNCED,
    ];
    let retrying = find(conditions, RECONCILING)
        .filter(|condition| !PROGRESS.contains(&condition.reason.as_str()));
    find(conditions, STALLED).or(retrying)
}
