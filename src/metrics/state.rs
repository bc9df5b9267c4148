//! The state of a resource in one word, and the words of the service that metrics distinguish.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::condition::{READY, RECONCILING, STALLED};
use crate::api::reason;
use crate::graph::verdict::Reason;
use crate::plan::conditions::{find, is_true};

use super::labels::label;

label! {
    /// State of a resource. The first of these that applies, in the order of their documentation.
    ResourceState {
        /// Action by a person is required: the condition `Stalled` is True.
        Stalled = "Stalled",
        /// `spec.suspend` is true, on the resource or on one that it refers to.
        Suspended = "Suspended",
        /// Work is in progress: the condition `Reconciling` is True.
        Reconciling = "Reconciling",
        /// The condition `Ready` is True.
        Ready = "Ready",
        /// None of the above, as before the first reconcile.
        Unknown = "Unknown",
    }
}

label! {
    /// Readiness of a flow, as the service last reported it.
    ReportedReadiness {
        /// The service is preparing the flow.
        NotReady = "notReady",
        /// The flow is ready.
        Ready = "ready",
        /// The flow failed.
        Failed = "failed",
        /// The flow is disabled.
        Disabled = "disabled",
        /// The flow has expired.
        Expired = "expired",
        /// The service has reported none, as for a flow that does not exist yet.
        Absent = "none",
        /// A value that this version does not recognize.
        Other = "other",
    }
}

/// Text for a reason that this version does not recognize, which another client must have written.
const OTHER: &str = "Other";

/// Returns the state of a resource with these conditions, and its reason, which is empty if there is none.
pub(super) fn state(conditions: &[Condition]) -> (ResourceState, &'static str) {
    let reason = |type_| find(conditions, type_).map_or("", |it| known(&it.reason));
    let headline = reason(READY);
    if is_true(conditions, STALLED) {
        (ResourceState::Stalled, reason(STALLED))
    } else if headline == reason::SUSPENDED {
        (ResourceState::Suspended, headline)
    } else if is_true(conditions, RECONCILING) {
        (ResourceState::Reconciling, reason(RECONCILING))
    } else if is_true(conditions, READY) {
        (ResourceState::Ready, headline)
    } else {
        (ResourceState::Unknown, headline)
    }
}

/// Returns the reason itself if this version can have written it. No other text becomes a label.
fn known(text: &str) -> &'static str {
    let own = reason::ALL.iter().map(|(word, _)| *word);
    let mut all = own.chain(Reason::ALL.iter().map(|(reason, _)| reason.as_str()));
    all.find(|word| *word == text).unwrap_or(OTHER)
}

impl ReportedReadiness {
    /// Classifies `status.readinessStatus`, in any letter case.
    pub(super) fn of(word: Option<&str>) -> Self {
        let Some(word) = word else {
            return Self::Absent;
        };
        let known = [
            Self::NotReady,
            Self::Ready,
            Self::Failed,
            Self::Disabled,
            Self::Expired,
        ];
        let mut known = known.into_iter();
        known
            .find(|known| known.as_str().eq_ignore_ascii_case(word))
            .unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::condition::SYNCED;

    fn conditions(all: &[(&str, &str, &str)]) -> Vec<Condition> {
        let condition = |(type_, status, reason): &(&str, &str, &str)| Condition {
            type_: (*type_).to_owned(),
            status: (*status).to_owned(),
            reason: (*reason).to_owned(),
            last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                crate::clock::now(),
            ),
            message: String::new(),
            observed_generation: None,
        };
        all.iter().map(condition).collect()
    }

    #[test]
    fn a_state_is_the_first_that_applies() {
        let ready = (READY, "True", "Ready");
        let cases = [
            (vec![], (ResourceState::Unknown, "")),
            (vec![ready], (ResourceState::Ready, "Ready")),
            (
                vec![(READY, "True", "Suspended"), (SYNCED, "False", "Suspended")],
                (ResourceState::Suspended, "Suspended"),
            ),
            (
                vec![
                    (READY, "False", "NotReady"),
                    (RECONCILING, "True", "NotReady"),
                ],
                (ResourceState::Reconciling, "NotReady"),
            ),
            (
                vec![ready, (STALLED, "True", "DeletionBlocked")],
                (ResourceState::Stalled, "DeletionBlocked"),
            ),
            (
                vec![(READY, "False", "Unreachable")],
                (ResourceState::Unknown, "Unreachable"),
            ),
        ];
        for (all, expected) in cases {
            assert_eq!(state(&conditions(&all)), expected, "{all:?}");
        }
    }

    #[test]
    fn no_text_of_another_client_becomes_a_reason() {
        let foreign = conditions(&[(STALLED, "True", "x\"} 1\nfoo")]);
        assert_eq!(state(&foreign), (ResourceState::Stalled, "Other"));
    }

    #[test]
    fn readiness_that_is_not_known_is_other() {
        use ReportedReadiness::{Absent, Other, Ready};
        let cases = [
            (None, Absent),
            (Some("READY"), Ready),
            (Some("none"), Other),
        ];
        for (word, readiness) in cases {
            assert_eq!(ReportedReadiness::of(word), readiness);
        }
    }
}
