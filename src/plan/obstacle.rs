//! What keeps a resource from being worked on at all.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

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

    /// A person is needed.
    pub fn person(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Person, reason, message)
    }

    /// A user asked for it.
    pub fn suspension(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ObstacleKind::Suspension, reason, message)
    }

    /// What a resource in front of this obstacle says, and when to look again.
    ///
    /// `unseen_since`: creation of a resource that has never said anything. It stays silent for the grace time.
    #[must_use]
    pub fn standing(
        &self,
        unseen_since: Option<Timestamp>,
        grace: SignedDuration,
        now: Timestamp,
    ) -> (Standing, Option<SignedDuration>) {
        let left = unseen_since.map_or(SignedDuration::ZERO, |since| {
            grace - now.duration_since(since)
        });
        if left.is_positive() {
            return (Standing::Unchanged, Some(left));
        }
        let Statement { reason, message } = &self.statement;
        let standing = match self.kind {
            ObstacleKind::Progress => Standing::reconciling(reason, message.clone()),
            ObstacleKind::Person => Standing::stalled(reason, message.clone()),
            ObstacleKind::Suspension => Standing::Suspended(self.statement.clone()),
        };
        (standing, None)
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
    use crate::plan::testing::{at, start};

    #[test]
    fn a_new_resource_is_silent_for_the_grace_time() {
        let obstacle = Obstacle::progress("Wait", "wait");
        let grace = SignedDuration::from_secs(5);
        let told = Standing::reconciling("Wait", "wait");
        let cases = [
            (Some(start()), 0, (Standing::Unchanged, Some(5))),
            (Some(start()), 4, (Standing::Unchanged, Some(1))),
            (Some(start()), 5, (told.clone(), None)),
            (Some(start()), 3600, (told.clone(), None)),
            (None, 0, (told, None)),
        ];
        for (unseen_since, seconds, (standing, left)) in cases {
            let expected = (standing, left.map(SignedDuration::from_secs));
            assert_eq!(
                obstacle.standing(unseen_since, grace, at(seconds)),
                expected
            );
        }
    }

    #[test]
    fn each_kind_waits_for_somebody_else() {
        let standing =
            |obstacle: &Obstacle| obstacle.standing(None, SignedDuration::ZERO, start()).0;
        let person = Obstacle::person("Mend", "mend it");
        assert_eq!(standing(&person), Standing::stalled("Mend", "mend it"));
        let suspension = Obstacle::suspension("Off", "switched off");
        let statement = Statement::new("Off", "switched off");
        assert_eq!(standing(&suspension), Standing::Suspended(statement));
    }
}
