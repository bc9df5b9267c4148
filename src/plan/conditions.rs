//! From what is known to a resource's conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::api::ConditionStatus;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::api::reason;
use crate::graph::verdict::{Disposition, Verdict};

/// What a resource says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
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
    /// Nothing is done because a user said so. `Ready` stays what it was.
    Suspended(Statement),
}

/// Whether things move, and on whom they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to wait for.
    Settled,
    /// Something is under way; no person is needed.
    Reconciling(Statement),
    /// A person is needed.
    Stalled(Statement),
}

/// A reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
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
    pub statement: Statement,
    /// What there is to wait for.
    pub progress: Progress,
}

impl Statement {
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
            statement: Statement::new(reason::READY, message),
            progress: Progress::Settled,
        }
    }
}

impl Progress {
    /// Something is under way.
    pub fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Reconciling(Statement::new(reason, message))
    }

    /// A person is needed.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Stalled(Statement::new(reason, message))
    }

    /// Waiting for what a failure waits for.
    #[must_use]
    pub fn after(verdict: &Verdict) -> Self {
        let statement = Statement::new(verdict.reason.as_str(), verdict.message.clone());
        match verdict.disposition {
            Disposition::Retry | Disposition::Throttled { .. } => Self::Reconciling(statement),
            Disposition::User | Disposition::Bug => Self::Stalled(statement),
        }
    }
}

impl Standing {
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
}

/// The conditions for a standing. `lastTransitionTime` moves only where a status flips.
#[must_use]
pub fn render(
    standing: Standing,
    readiness: &Readiness,
    old: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let scribe = Scribe {
        old,
        generation,
        now,
    };
    match standing {
        Standing::Unchanged => old.to_vec(),
        Standing::Suspended(statement) => scribe.suspended(&statement),
        Standing::Synced { progress } => scribe.synced(readiness, progress),
        Standing::NotSynced { progress } => scribe.not_synced(&progress),
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

struct Scribe<'a> {
    old: &'a [Condition],
    generation: i64,
    now: Timestamp,
}

impl Scribe<'_> {
    fn synced(&self, readiness: &Readiness, progress: Progress) -> Vec<Condition> {
        let synced = Statement::new(reason::SYNCED, "the remote object is as declared");
        let progress = match progress {
            Progress::Settled => readiness.progress.clone(),
            other => other,
        };
        self.all([
            Some(self.condition(READY, readiness.status, &readiness.statement)),
            Some(self.condition(SYNCED, ConditionStatus::True, &synced)),
            self.progress(&progress),
        ])
    }

    fn not_synced(&self, progress: &Progress) -> Vec<Condition> {
        let unsaid = Statement::new(reason::CREATING, "nothing is known yet");
        let statement = match progress {
            Progress::Settled => &unsaid,
            Progress::Reconciling(statement) | Progress::Stalled(statement) => statement,
        };
        self.all([
            Some(self.condition(READY, ConditionStatus::False, statement)),
            Some(self.condition(SYNCED, ConditionStatus::False, statement)),
            self.progress(progress),
        ])
    }

    fn suspended(&self, statement: &Statement) -> Vec<Condition> {
        self.all([
            find(self.old, READY).cloned(),
            Some(self.condition(SYNCED, ConditionStatus::False, statement)),
            None,
        ])
    }

    fn progress(&self, progress: &Progress) -> Option<Condition> {
        match progress {
            Progress::Settled => None,
            Progress::Reconciling(statement) => {
                Some(self.condition(RECONCILING, ConditionStatus::True, statement))
            }
            Progress::Stalled(statement) => {
                Some(self.condition(STALLED, ConditionStatus::True, statement))
            }
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

    fn condition(&self, type_: &str, status: ConditionStatus, statement: &Statement) -> Condition {
        let unflipped = find(self.old, type_).filter(|old| old.status == status.as_str());
        Condition {
            type_: type_.to_owned(),
            status: status.as_str().to_owned(),
            reason: statement.reason.to_owned(),
            message: statement.message.clone(),
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

    fn ready() -> Readiness {
        Readiness::of_existence("it is there")
    }

    fn standings() -> Vec<Standing> {
        vec![
            Standing::Synced {
                progress: Progress::Settled,
            },
            Standing::Synced {
                progress: Progress::stalled("ResetUnknown", "give a new token"),
            },
            Standing::reconciling("Creating", "wait"),
            Standing::stalled("Forbidden", "grant it"),
            Standing::Suspended(Statement::new("Suspended", "off")),
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
            ["True/Ready", "True/Synced", "", "True/ResetUnknown"],
            ["False/Creating", "False/Creating", "True/Creating", ""],
            ["False/Forbidden", "False/Forbidden", "", "True/Forbidden"],
            ["", "False/Suspended", "", ""],
        ];
        for (standing, expected) in standings().into_iter().zip(expected) {
            let conditions = render(standing, &ready(), &[], 4, start());
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
                let old = render(before.clone(), &ready(), &[], 1, start());
                let new = render(after.clone(), &ready(), &old, 2, at(60));
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
            }
        }
    }

    #[test]
    fn what_others_wrote_stays_at_the_end() {
        let mut foreign = render(Standing::stalled("Odd", "odd"), &ready(), &[], 1, start());
        foreign.truncate(1);
        foreign[0].type_ = "Theirs".to_owned();
        for standing in standings() {
            let conditions = render(standing, &ready(), &foreign, 1, start());
            assert_eq!(types(&conditions).last(), Some(&"Theirs"));
        }
    }

    #[test]
    fn a_suspended_resource_keeps_what_it_said_of_readiness() {
        let old = render(
            Standing::stalled("Failed", "look"),
            &ready(),
            &[],
            1,
            start(),
        );
        let suspended = Standing::Suspended(Statement::new("Suspended", "off"));
        let new = render(suspended, &ready(), &old, 2, at(60));
        assert_eq!(find(&new, READY), find(&old, READY));
        assert_eq!(types(&new), [READY, SYNCED]);
        assert_eq!(render(Standing::Unchanged, &ready(), &new, 3, at(90)), new);
    }
}
