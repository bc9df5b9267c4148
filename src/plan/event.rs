//! Events, as printed by `kubectl describe` and `kubectl events`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::condition::{RECONCILING, STALLED, SYNCED};
use crate::api::event::{Occurrence, Severity};
use crate::api::reason;

use super::conditions::find;

/// Reasons of expected progress.
const PROGRESS: [&str; 10] = [
    reason::CREATING,
    reason::DELETING,
    reason::DISABLED,
    reason::FLOW_SET_NOT_READY,
    reason::IN_USE,
    reason::NOT_READY,
    reason::READINESS_UNKNOWN,
    reason::RESETTING,
    reason::SYNCED,
    reason::UPDATING,
];

/// An event of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Severity of the event.
    pub severity: Severity,
    /// Reason of the event.
    pub reason: EventReason,
    /// Message of the event.
    pub message: String,
}

/// Reason of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventReason {
    /// Something happened.
    Occurrence(Occurrence),
    /// A problem began, or changed its reason: that of its condition.
    Problem(String),
}

impl EventReason {
    /// Returns the reason as text, in `CamelCase`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Occurrence(occurrence) => occurrence.as_str(),
            Self::Problem(reason) => reason,
        }
    }
}

impl Event {
    /// Creates an event about something that happened.
    pub fn of(occurrence: Occurrence, message: impl Into<String>) -> Self {
        Self {
            severity: occurrence.severity(),
            reason: EventReason::Occurrence(occurrence),
            message: message.into(),
        }
    }

    /// Creates an event about a problem. It repeats the reason and message of the condition, so that it contains no more
    /// than the status.
    fn of_problem(condition: &Condition) -> Self {
        Self {
            severity: Severity::Warning,
            reason: EventReason::Problem(condition.reason.clone()),
            message: condition.message.clone(),
        }
    }
}

/// Returns the event for a change of conditions, or `None` if the change is not a new problem or a recovery.
#[must_use]
pub fn of_transition(old: &[Condition], new: &[Condition]) -> Option<Event> {
    let was = trouble(old);
    match (was, trouble(new)) {
        (None, None) => None,
        (Some(was), Some(is)) if was.reason == is.reason => None,
        (_, Some(is)) => Some(Event::of_problem(is)),
        (Some(_), None) => find(new, SYNCED)
            .filter(|synced| synced.status == "True")
            .map(|synced| Event::of(Occurrence::Recovered, synced.message.clone())),
    }
}

/// Returns whether a condition with this reason can report a problem. All others are expected progress, the end of it,
/// or a suspension.
#[must_use]
pub fn is_problem(reason: &str) -> bool {
    let is_calm = [reason::READY, reason::SUSPENDED].contains(&reason);
    !is_calm && !PROGRESS.contains(&reason)
}

/// Returns the condition that reports a problem, if any: `Stalled`, or `Reconciling` for any reason that is not
/// expected progress.
#[must_use]
pub fn trouble(conditions: &[Condition]) -> Option<&Condition> {
    let retrying = find(conditions, RECONCILING)
        .filter(|condition| !PROGRESS.contains(&condition.reason.as_str()));
    find(conditions, STALLED).or(retrying)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::plan::conditions::{Progress, Readiness, Summary, render};

    fn conditions(summary: Summary) -> Vec<Condition> {
        let readiness = Readiness::of_existence("ready");
        render(summary, &readiness, &[], 1, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_trouble_and_its_end_are_events() {
        let synced = || {
            conditions(Summary::Synced {
                progress: Progress::Settled,
            })
        };
        let under_way = || conditions(Summary::reconciling(reason::CREATING, "wait"));
        let retrying = || conditions(Summary::reconciling("ServiceUnavailable", "wait"));
        let unresolved = || conditions(Summary::reconciling(reason::CREATE_UNRESOLVED, "wait"));
        let stalled = || conditions(Summary::stalled("Forbidden", "grant it"));
        let other = || conditions(Summary::stalled(reason::DRIFTED, "change it"));
        let cases: [(Vec<Condition>, Vec<Condition>, Option<&str>); 15] = [
            (vec![], synced(), None),
            (vec![], under_way(), None),
            (under_way(), synced(), None),
            (synced(), under_way(), None),
            (vec![], stalled(), Some("Forbidden")),
            (synced(), stalled(), Some("Forbidden")),
            (stalled(), stalled(), None),
            (stalled(), other(), Some("Drifted")),
            (stalled(), synced(), Some("Recovered")),
            (stalled(), under_way(), None),
            (synced(), retrying(), Some("ServiceUnavailable")),
            (retrying(), retrying(), None),
            (retrying(), synced(), Some("Recovered")),
            (under_way(), unresolved(), Some("CreateUnresolved")),
            (unresolved(), synced(), Some("Recovered")),
        ];
        for (old, new, expected) in cases {
            let event = of_transition(&old, &new);
            let reason = event.as_ref().map(|event| event.reason.as_str());
            assert_eq!(reason, expected, "{old:?} {new:?}");
            let normal = event.is_none_or(|event| event.severity == Severity::Normal);
            assert_eq!(normal, matches!(expected, None | Some("Recovered")));
        }
    }
}
