//! What can become of a step.

use crate::graph::verdict::{Reason, Verdict};
use crate::plan::testing::{conflicting, not_sent, refused, throttled, unavailable};
use crate::plan::{Action, Step};

use super::Explored;

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works.
    Works,
    /// It works, and the process ends before it hears of it.
    ThenCrash,
    /// It works, and the answer is lost.
    AnswerLost,
    /// It never takes place, and nobody can tell.
    RequestLost,
    /// It takes place later, and nobody can tell.
    Late,
    /// A clear no.
    Refused,
    /// No connection.
    NotSent,
    /// 429, and it does not take place.
    Throttled,
    /// 429, and it takes place.
    ThrottledAfter,
    /// 409, and it takes place.
    ConflictAfter,
    /// A success is answered, and it does not take place.
    Pretended,
    /// The run ends before the request leaves.
    HeldBack,
}

impl Fate {
    /// What can become of a step; the first is the good one.
    pub(super) fn of<K: Explored>(step: Option<&Step<K::Change>>) -> Vec<Self> {
        let change = match step {
            Some(Step::Refresh | Step::Fetch) => return vec![Self::Works, Self::RequestLost],
            Some(Step::Remote(change)) => K::action(change),
            Some(Step::Resource(_)) | None => {
                return vec![
                    Self::Works,
                    Self::ThenCrash,
                    Self::AnswerLost,
                    Self::RequestLost,
                ];
            }
        };
        let mut fates = vec![
            Self::Works,
            Self::ThenCrash,
            Self::AnswerLost,
            Self::RequestLost,
            Self::Late,
            Self::Refused,
            Self::NotSent,
            Self::HeldBack,
            Self::Throttled,
        ];
        match change {
            // A reset that is throttled is one that was not carried out: that much is assumed of the service.
            Action::Reset => {}
            Action::Create => fates.extend([Self::ThrottledAfter, Self::ConflictAfter]),
            Action::Update => fates.push(Self::ThrottledAfter),
            Action::Delete => fates.extend([Self::ThrottledAfter, Self::Pretended]),
        }
        fates
    }

    pub(super) fn takes_place(self) -> bool {
        matches!(
            self,
            Self::Works
                | Self::ThenCrash
                | Self::AnswerLost
                | Self::ThrottledAfter
                | Self::ConflictAfter
        )
    }

    pub(super) fn answer(self) -> Option<Verdict> {
        match self {
            Self::Works | Self::ThenCrash | Self::Pretended | Self::HeldBack => None,
            Self::ConflictAfter => Some(conflicting()),
            Self::AnswerLost | Self::RequestLost | Self::Late => Some(unavailable()),
            Self::Refused => Some(refused(Reason::Forbidden)),
            Self::NotSent => Some(not_sent()),
            Self::Throttled | Self::ThrottledAfter => Some(throttled(1)),
        }
    }
}
