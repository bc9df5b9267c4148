//! The possible fates of a step.

use crate::graph::verdict::{Reason, Verdict};
use crate::plan::testing::{conflicting, not_sent, refused, throttled, unavailable};
use crate::plan::{Action, Step};

use super::Explored;

/// The fate of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The step succeeds.
    Works,
    /// The step succeeds, and the process ends before it receives the response.
    ThenCrash,
    /// The step succeeds, and the response is lost.
    AnswerLost,
    /// The step never takes place, and the outcome is unknown.
    RequestLost,
    /// The step takes place later, and the outcome is unknown.
    Late,
    /// The request is refused.
    Refused,
    /// The connection fails.
    NotSent,
    /// The response is 429, and the step does not take place.
    Throttled,
    /// The response is 429, and the step takes place.
    ThrottledAfter,
    /// The response is 409, and the step takes place.
    ConflictAfter,
    /// The response is a success, and the step does not take place.
    Pretended,
    /// The reconcile ends before the request is sent.
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
            // A throttled reset does not take place: this much is assumed about the service.
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
