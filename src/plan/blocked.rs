//! Blockers: conditions outside a resource that prevent work on it.

use super::conditions::{Cause, Summary};

/// Something outside the resource that must change first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What the resource waits for.
    pub kind: BlockedOn,
    /// The blocker and its remedy.
    pub cause: Cause,
}

/// What a [`Blocked`] resource waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedOn {
    /// Another resource that is making progress.
    Progress,
    /// An object that has not been applied yet: after a while, action by a person is required.
    Missing,
    /// Action by a person.
    Person,
    /// The end of a suspension that a user requested.
    Suspension,
}

impl Blocked {
    /// Creates a blocker for a resource that waits for the progress of another one.
    pub fn progress(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Progress, reason, message)
    }

    /// Creates a blocker for a reference to an object that does not exist yet.
    pub fn missing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Missing, reason, message)
    }

    /// Creates a blocker that requires action by a person.
    pub fn person(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Person, reason, message)
    }

    /// Creates a blocker for a suspension that a user requested.
    pub fn suspension(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Suspension, reason, message)
    }

    /// Returns the summary of a resource with this blocker, once the blocker is reported.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let Cause { reason, message } = &self.cause;
        match self.kind {
            BlockedOn::Progress => Summary::reconciling(reason, message.clone()),
            BlockedOn::Missing | BlockedOn::Person => Summary::stalled(reason, message.clone()),
            BlockedOn::Suspension => Summary::Suspended(self.cause.clone()),
        }
    }

    fn new(kind: BlockedOn, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            cause: Cause::new(reason, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_waits_for_somebody_else() {
        let progress = Blocked::progress("Wait", "wait");
        assert_eq!(progress.summary(), Summary::reconciling("Wait", "wait"));
        for blocked in [Blocked::person, Blocked::missing] {
            let summary = blocked("Create", "create it").summary();
            assert_eq!(summary, Summary::stalled("Create", "create it"));
        }
        let suspension = Blocked::suspension("Off", "switched off");
        let cause = Cause::new("Off", "switched off");
        assert_eq!(suspension.summary(), Summary::Suspended(cause));
    }
}
