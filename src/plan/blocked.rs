//! What keeps a resource from being worked on at all.

use super::conditions::{Cause, Summary};

/// Something that has to change elsewhere first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// On whom it waits.
    pub kind: BlockedOn,
    /// What it is, and what to do about it.
    pub cause: Cause,
}

/// On whom an [`Blocked`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedOn {
    /// On another resource that is on its way.
    Progress,
    /// On something that somebody has yet to apply: soon it is a person who is needed.
    Missing,
    /// On a person.
    Person,
    /// On nobody: a user asked for it.
    Suspension,
}

impl Blocked {
    /// Another resource is on its way.
    pub fn progress(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Progress, reason, message)
    }

    /// Something that the resource refers to does not exist yet.
    pub fn missing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Missing, reason, message)
    }

    /// A person is needed.
    pub fn person(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Person, reason, message)
    }

    /// A user asked for it.
    pub fn suspension(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(BlockedOn::Suspension, reason, message)
    }

    /// What a resource in front of this obstacle says, once it is told.
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
