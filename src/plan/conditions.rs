//! Summaries of a resource, and the conditions that are rendered from them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::ConditionStatus;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::api::reason;
use crate::graph::verdict::{Disposition, Verdict};

use super::text;

/// Summary from which the conditions of a resource are rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summary {
    /// The previous conditions still apply.
    Unchanged,
    /// The remote object is as declared; its readiness is reported separately.
    Synced {
        /// What is in progress or wrong despite that.
        progress: Progress,
    },
    /// The remote object is not as declared.
    NotSynced {
        /// The cause, and whether action by a person is required.
        progress: Progress,
    },
    /// It is unknown whether the remote object is as declared: it cannot be read, or an edit has not reached the
    /// service yet.
    Unknown(Cause),
    /// A user suspended the resource. The status of `Ready` is kept.
    Suspended(Cause),
}

/// Whether work is in progress, and whether action by a person is required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is in progress.
    Settled,
    /// Work is in progress; no action is required.
    Reconciling(Cause),
    /// Action by a person is required.
    Stalled(Cause),
}

/// A reason and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The reason of a condition, in `CamelCase`.
    pub reason: &'static str,
    /// The state, its cause and the remedy. Stable: the same state always gives the same text.
    pub message: String,
}

/// Whether the remote object is ready to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Status of the condition `Ready`.
    pub status: ConditionStatus,
    /// Reason and message of the condition `Ready`.
    pub cause: Cause,
    /// What the readiness waits for.
    pub progress: Progress,
}

impl Cause {
    /// Creates a cause.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl Readiness {
    /// Returns the readiness of an object that is ready as soon as it exists.
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
    /// Creates progress that requires no action.
    pub fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Reconciling(Cause::new(reason, message))
    }

    /// Creates progress that requires action by a person.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Stalled(Cause::new(reason, message))
    }

    /// Returns the progress after a failure: reconciling while it is retried, stalled if action by a person is
    /// required.
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
    /// Creates a summary: not synced, with work in progress.
    pub fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::NotSynced {
            progress: Progress::reconciling(reason, message),
        }
    }

    /// Creates a summary: not synced, with action by a person required.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::NotSynced {
            progress: Progress::stalled(reason, message),
        }
    }

    /// Creates a summary: not synced because of a failure.
    #[must_use]
    pub fn failed(verdict: &Verdict) -> Self {
        Self::NotSynced {
            progress: Progress::after(verdict),
        }
    }

    /// Creates the summary of an existing object after a failure: unknown while it is retried, not synced once action
    /// by a person is required.
    #[must_use]
    pub fn in_doubt(verdict: &Verdict) -> Self {
        match Progress::after(verdict) {
            Progress::Reconciling(cause) => Self::Unknown(cause),
            progress => Self::NotSynced { progress },
        }
    }
}

/// Beginning of the message of a problem that was not resolved in time.
const OVERDUE: &str = "Overdue: ";

/// Returns the summary, or one that requires action by a person if work is in progress and has been for longer than
/// `deadline`, whatever the reasons were. Nothing waits forever without a person being called.
///
/// Once overdue, the resource stays so until the work ends, its reason changes or the spec does.
#[must_use]
pub fn within(
    deadline: SignedDuration,
    summary: Summary,
    old: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Summary {
    let since = find(old, RECONCILING).map(|one| one.last_transition_time.0);
    let is_late = since.is_some_and(|since| now.duration_since(since) >= deadline);
    let was_overdue = |cause: &Cause| {
        find(old, STALLED).is_some_and(|stalled| {
            stalled.reason == cause.reason
                && stalled.message.starts_with(OVERDUE)
                && stalled.observed_generation == Some(generation)
        })
    };
    let is_overdue = |cause: &Cause| is_late || was_overdue(cause);
    let overdue = |cause: Cause| {
        let message = format!("{OVERDUE}{}", cause.message);
        Progress::stalled(cause.reason, message)
    };
    match summary {
        Summary::Unknown(cause)
        | Summary::NotSynced {
            progress: Progress::Reconciling(cause),
        } if is_overdue(&cause) => Summary::NotSynced {
            progress: overdue(cause),
        },
        Summary::Synced {
            progress: Progress::Reconciling(cause),
        } if is_overdue(&cause) => Summary::Synced {
            progress: overdue(cause),
        },
        summary => summary,
    }
}

/// Renders the conditions of a summary. `lastTransitionTime` changes only where a status changes.
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

/// Returns the condition of a type, or `None` if it is absent.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Returns whether the condition of a type is present and True.
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
            // The last observed readiness may be about to change.
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
        let unobserved = Cause::new(
            reason::CREATING,
            "the remote object has not been observed yet",
        );
        let cause = match progress {
            Progress::Settled => &unobserved,
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

    /// Renders a suspension. Tools that follow kstatus would consider a suspended resource without `Ready` finished.
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
            message: text::message(&cause.message),
            observed_generation: Some(self.generation),
            last_transition_time: unflipped
                .map_or(Time(self.now), |old| old.last_transition_time.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
