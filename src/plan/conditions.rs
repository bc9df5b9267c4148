//! From what is known to a resource's conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::api::ConditionStatus;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::api::reason;
use crate::graph::verdict::{Disposition, Verdict};

/// What a resource says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// What it said before still holds.
    Unchanged,
    /// The remote object is as declared; how ready it is remains to be said.
    Synced {
        /// What is under way or wrong all the same.
        progress: Progress,
    },
    /// The remote object is not as declared, or nobody can tell.
    NotSynced {
        /// Why.
        progress: Progress,
    },
    /// Whether the remote object is as declared is not known: it cannot be read, or an edit has not reached it yet.
    Unknown(Cause),
    /// Nothing is done because a user said so. The status of `Ready` stays what it was.
    Suspended(Cause),
}

/// Whether things move, and on whom they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to wait for.
    Settled,
    /// Something is under way; no person is needed.
    Reconciling(Cause),
    /// A person is needed.
    Stalled(Cause),
}

/// A reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One word.
    pub reason: &'static str,
    /// What is so, and what to do about it. Stable: the same state gives the same text.
    pub message: String,
}

/// Whether the remote object is ready to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// `Ready`'s status.
    pub status: ConditionStatus,
    /// `Ready`'s reason and message.
    pub cause: Cause,
    /// What there is to wait for.
    pub progress: Progress,
}

impl Cause {
    /// A reason and a sentence.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl Readiness {
    /// An object of which nothing more is expected than to exist.
    #[must_use]
    pub fn of_existence(message: &str) -> Self {
        Self {
            status: ConditionStatus::True,
            cause: Cause::new(reason::READY, message),
            progress: Progress::Settled,
        }
    }
}

impl Progress {
    /// Something is under way.
    pub fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Reconciling(Cause::new(reason, message))
    }

    /// A person is needed.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Stalled(Cause::new(reason, message))
    }

    /// Waiting for what a failure waits for.
    #[must_use]
    pub fn after(verdict: &Verdict) -> Self {
        let cause = Cause::new(verdict.reason.as_str(), verdict.message.clone());
        match verdict.disposition {
            Disposition::Retry | Disposition::Throttled { .. } => Self::Reconciling(cause),
            Disposition::User | Disposition::Bug => Self::Stalled(cause),
        }
    }
}

impl Summary {
    /// Not synced, and something is under way.
    pub fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::NotSynced {
            progress: Progress::reconciling(reason, message),
        }
    }

    /// Not synced, and a person is needed.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::NotSynced {
            progress: Progress::stalled(reason, message),
        }
    }

    /// Not synced because of a failure.
    #[must_use]
    pub fn failed(verdict: &Verdict) -> Self {
        Self::NotSynced {
            progress: Progress::after(verdict),
        }
    }

    /// What a failure means for an object that exists: unknown while it is retried, not synced once a person is needed.
    #[must_use]
    pub fn in_doubt(verdict: &Verdict) -> Self {
        match Progress::after(verdict) {
            Progress::Reconciling(cause) => Self::Unknown(cause),
            progress => Self::NotSynced { progress },
        }
    }
}

/// The conditions for a standing. `lastTransitionTime` moves only where a status flips.
#[must_use]
pub fn render(
    summary: Summary,
    readiness: &Readiness,
    old: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let writer = ConditionWriter {
        old,
        generation,
        now,
    };
    match summary {
        Summary::Unchanged => old.to_vec(),
        Summary::Suspended(cause) => writer.suspended(&cause),
        Summary::Synced { progress } => writer.synced(readiness, progress),
        Summary::NotSynced { progress } => writer.not_synced(&progress),
        Summary::Unknown(cause) => writer.unknown(cause),
    }
}

/// The condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of a type is there and True.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

struct ConditionWriter<'a> {
    old: &'a [Condition],
    generation: i64,
    now: Timestamp,
}

impl ConditionWriter<'_> {
    fn synced(&self, readiness: &Readiness, progress: Progress) -> Vec<Condition> {
        let synced = Cause::new(reason::SYNCED, "the remote object is as declared");
        let (status, progress) = match progress {
            Progress::Settled => (readiness.status, readiness.progress.clone()),
            // What was known of its readiness may be about to change.
            Progress::Reconciling(_) => (ConditionStatus::Unknown, progress),
            Progress::Stalled(_) => (ConditionStatus::False, progress),
        };
        let headline = match &progress {
            Progress::Settled => &readiness.cause,
            Progress::Reconciling(cause) | Progress::Stalled(cause) => cause,
        };
        self.all([
            Some(self.condition(READY, status, headline)),
            Some(self.condition(SYNCED, ConditionStatus::True, &synced)),
            self.progress(&progress),
        ])
    }

    fn not_synced(&self, progress: &Progress) -> Vec<Condition> {
        let unsaid = Cause::new(reason::CREATING, "nothing is known yet");
        let cause = match progress {
            Progress::Settled => &unsaid,
            Progress::Reconciling(cause) | Progress::Stalled(cause) => cause,
        };
        self.all([
            Some(self.condition(READY, ConditionStatus::False, cause)),
            Some(self.condition(SYNCED, ConditionStatus::False, cause)),
            self.progress(progress),
        ])
    }

    fn unknown(&self, cause: Cause) -> Vec<Condition> {
        self.all([
            Some(self.condition(READY, ConditionStatus::Unknown, &cause)),
            Some(self.condition(SYNCED, ConditionStatus::Unknown, &cause)),
            self.progress(&Progress::Reconciling(cause)),
        ])
    }

    /// A suspended resource without `Ready` would pass for finished with tools that follow kstatus.
    fn suspended(&self, cause: &Cause) -> Vec<Condition> {
        let old = find(self.old, READY).map(|ready| ready.status.as_str());
        let ready = [ConditionStatus::True, ConditionStatus::False]
            .into_iter()
            .find(|status| old == Some(status.as_str()));
        self.all([
            Some(self.condition(READY, ready.unwrap_or(ConditionStatus::Unknown), cause)),
            Some(self.condition(SYNCED, ConditionStatus::False, cause)),
            None,
        ])
    }

    fn progress(&self, progress: &Progress) -> Option<Condition> {
        match progress {
            Progress::Settled => None,
            Progress::Reconciling(cause) => {
                Some(self.condition(RECONCILING, ConditionStatus::True, cause))
            }
            Progress::Stalled(cause) => Some(self.condition(STALLED, ConditionStatus::True, cause)),
        }
    }

    fn all(&self, conditions: [Option<Condition>; 3]) -> Vec<Condition> {
        let foreign = self.old.iter().filter(|condition| {
            ![READY, SYNCED, RECONCILING, STALLED].contains(&condition.type_.as_str())
        });
        conditions
            .into_iter()
            .flatten()
            .chain(foreign.cloned())
            .collect()
    }

    fn condition(&self, type_: &str, status: ConditionStatus, cause: &Cause) -> Condition {
        let unflipped = find(self.old, type_).filter(|old| old.status == status.as_str());
        Condition {
            type_: type_.to_owned(),
            status: status.as_str().to_owned(),
            reason: cause.reason.to_owned(),
            message: cause.message.clone(),
            observed_generation: Some(self.generation),
            last_transition_time: unflipped
                .map_or(Time(self.now), |old| old.last_transition_time.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{at, start, told};

    fn existing() -> Readiness {
        Readiness::of_existence("it is there")
    }

    fn standings() -> Vec<Summary> {
        vec![
            Summary::Synced {
                progress: Progress::Settled,
            },
            Summary::Synced {
                progress: Progress::stalled("ResetUnknown", "give a new token"),
            },
            Summary::reconciling("Creating", "wait"),
            Summary::Synced {
                progress: Progress::reconciling("Resetting", "wait"),
            },
            Summary::stalled("Forbidden", "grant it"),
            Summary::Unknown(Cause::new("TimedOut", "wait")),
            Summary::Suspended(Cause::new("Suspended", "off")),
        ]
    }

    fn types(conditions: &[Condition]) -> Vec<&str> {
        conditions
            .iter()
            .map(|condition| condition.type_.as_str())
            .collect()
    }

    #[test]
    fn each_standing_has_its_conditions() {
        let expected = [
            ["True/Ready", "True/Synced", "", ""],
            ["False/ResetUnknown", "True/Synced", "", "True/ResetUnknown"],
            ["False/Creating", "False/Creating", "True/Creating", ""],
            ["Unknown/Resetting", "True/Synced", "True/Resetting", ""],
            ["False/Forbidden", "False/Forbidden", "", "True/Forbidden"],
            ["Unknown/TimedOut", "Unknown/TimedOut", "True/TimedOut", ""],
            ["Unknown/Suspended", "False/Suspended", "", ""],
        ];
        for (summary, expected) in standings().into_iter().zip(expected) {
            let conditions = render(summary, &existing(), &[], 4, start());
            let said = [READY, SYNCED, RECONCILING, STALLED].map(|type_| told(&conditions, type_));
            assert_eq!(said, expected);
            assert!(
                conditions
                    .iter()
                    .all(|one| one.observed_generation == Some(4))
            );
        }
    }

    #[test]
    fn a_transition_time_moves_only_where_a_status_flips() {
        for before in standings() {
            for after in standings() {
                let old = render(before.clone(), &existing(), &[], 1, start());
                let new = render(after.clone(), &existing(), &old, 2, at(60));
                for condition in &new {
                    let same = find(&old, &condition.type_)
                        .is_some_and(|old| old.status == condition.status);
                    let since = if same { start() } else { at(60) };
                    assert_eq!(
                        condition.last_transition_time.0, since,
                        "{before:?} {after:?}"
                    );
                }
                assert!(!(is_true(&new, RECONCILING) && is_true(&new, STALLED)));
                assert!(!(is_true(&new, READY) && is_true(&new, STALLED)));
                assert!(find(&new, READY).is_some(), "{after:?}");
            }
        }
    }

    #[test]
    fn what_others_wrote_stays_at_the_end() {
        let mut foreign = render(Summary::stalled("Odd", "odd"), &existing(), &[], 1, start());
        foreign.truncate(1);
        foreign[0].type_ = "Theirs".to_owned();
        for summary in standings() {
            let conditions = render(summary, &existing(), &foreign, 1, start());
            assert_eq!(types(&conditions).last(), Some(&"Theirs"));
        }
    }

    #[test]
    fn a_suspended_resource_keeps_the_status_of_ready_and_names_the_suspension() {
        for (before, ready) in [
            (Summary::stalled("Failed", "look"), "False/Suspended"),
            (standings().remove(0), "True/Suspended"),
        ] {
            let old = render(before, &existing(), &[], 1, start());
            let suspended = Summary::Suspended(Cause::new("Suspended", "off"));
            let new = render(suspended, &existing(), &old, 2, at(60));
            assert_eq!(told(&new, READY), ready);
            let since = |conditions| {
                find(conditions, READY).map(|ready| ready.last_transition_time.clone())
            };
            assert_eq!(since(&new), since(&old));
            assert_eq!(types(&new), [READY, SYNCED]);
            assert_eq!(
                render(Summary::Unchanged, &existing(), &new, 3, at(90)),
                new
            );
        }
    }
}
