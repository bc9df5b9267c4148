//! The ways to list the flows of several sets at once, and whether the service supports them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::failure_log::FailureLog;
use crate::graph::Error;
use crate::graph::verdict::Certainty;
use crate::plan::poll::Support;

/// A way to list the flows of several sets at once.
pub(super) struct SharedLists {
    /// Name of the way in logs.
    way: &'static str,
    state: Mutex<State>,
    log: Mutex<FailureLog>,
}

#[derive(Default)]
struct State {
    support: Support,
    /// When the last attempt began, whatever became of it.
    began: Option<Instant>,
}

/// Result of an attempt.
pub(super) enum Attempted {
    /// It took this number of requests.
    Done(usize),
    /// The service does not support it; the reason.
    Unsupported(&'static str),
    /// It failed, or cannot be believed; the reason.
    Failed(&'static str),
    /// The request was not sent.
    NotSent,
}

impl Attempted {
    pub(super) fn failed(error: &Error) -> Self {
        let verdict = error.verdict();
        let reason = verdict.reason.as_str();
        if verdict.certainty == Certainty::NotSent {
            Self::NotSent
        } else if error.is_unsupported() {
            Self::Unsupported(reason)
        } else {
            Self::Failed(reason)
        }
    }
}

impl SharedLists {
    pub(super) fn new(way: &'static str) -> Self {
        Self {
            way,
            state: Mutex::default(),
            log: Mutex::default(),
        }
    }

    /// Returns the support, or `None` during the pause after a failure.
    pub(super) fn support(&self) -> Option<Support> {
        let State { support, began } = *self.state();
        let is_over = began.is_none_or(|began| began.elapsed() >= support.pause());
        is_over.then_some(support)
    }

    /// Returns whether no attempt has ended yet.
    pub(super) fn is_untried(&self) -> bool {
        self.state().began.is_none()
    }

    /// Returns whether the last attempt began after `moment`, whatever became of it.
    pub(super) fn began_since(&self, moment: Instant) -> bool {
        self.state().began.is_some_and(|began| began >= moment)
    }

    /// Records an attempt.
    pub(super) fn record(&self, began: Instant, attempted: &Attempted) {
        {
            let mut state = self.state();
            state.began = Some(began);
            state.support = match attempted {
                Attempted::Done(requests) => Support::Works {
                    requests: *requests,
                },
                Attempted::Unsupported(_) => Support::Missing,
                Attempted::Failed(_) => state.support.failed(),
                Attempted::NotSent => state.support,
            };
        }
        self.log(attempted);
    }

    /// Logs that the way is not available when that begins, changes, lasts or ends. It is no reason to warn, because there
    /// is another way.
    fn log(&self, attempted: &Attempted) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let way = self.way;
        match attempted {
            Attempted::Done(_) if log.succeeded() => {
                tracing::info!(way, "the flows of several sets can be listed at once again");
            }
            Attempted::Done(_) | Attempted::NotSent => {}
            Attempted::Unsupported(reason) | Attempted::Failed(reason) => {
                if let Some(count) = log.failed(reason) {
                    tracing::info!(
                        way,
                        reason,
                        count,
                        "the flows of several sets cannot be listed at once; another way is used"
                    );
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
