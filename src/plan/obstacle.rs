//! What keeps a resource from being worked on at all.

use super::conditions::{Standing, Statement};

/// Something that has to change elsewhere first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// On whom it waits.
    pub kind: ObstacleKind,
    /// What it is, and what to do about it.
    pub statement: Statement,
}

/// On whom an [`Obstacle`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObstacleKind {
    /// On another resource that is on its way.
    Progress,
    /// On something that somebody has yet to apply: soon it is a person who is needed.
    Missing,
    /// On a person.
    Person,
    /// On nobody: a user asked for it.
    Suspension,
}

impl Obstacle {
    /// Another resource is on its way.
    pub fn progress(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Progress, reason, message)
    }

    /// Something that the resource refers to does not exist yet.
    pub fn missing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Missing, reason, message)
    }

    /// A person is needed.
    pub fn person(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Person, reason, message)
    }

    /// A user asked for it.
    pub fn suspension(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Suspension, reason, message)
    }

    /// What a resource in front of this obstacle says, once it is told.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Statement { reason, message } = &self.statement;
        match self.kind {
            ObstacleKind::Progress => Standing::reconciling(reason, message.clone()),
            ObstacleKind::Missing | ObstacleKind::Person => {
                Standing::stalled(reason, message.clone())
            }
            ObstacleKind::Suspension => Standing::Suspended(self.statement.clone()),
        }
    }

    fn new(kind: ObstacleKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            statement: Statement::new(reason, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_waits_for_somebody_else() {
        let progress = Obstacle::progress("Wait", "wait");
        assert_eq!(progress.standing(), Standing::reconciling("Wait", "wait"));
        for obstacle in [Obstacle::person, Obstacle::missing] {
            let standing = obstacle("Create", "create it").standing();
            assert_eq!(standing, Standing::stalled("Create", "create it"));
        }
        let suspension = Obstacle::suspension("Off", "switched off");
        let statement = Statement::new("Off", "switched off");
        assert_eq!(suspension.standing(), Standing::Suspended(statement));
    }
}
