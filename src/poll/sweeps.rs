//! Sweeps of a connection: whether the service supports them, what they cost, and how requests share one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::failure_log::FailureLog;
use crate::graph::Error;
use crate::plan::poll::{SweepHistory, sweep_pause, sweep_pays};

/// The history of the sweeps of a connection.
#[derive(Default)]
pub(super) struct Sweeps {
    /// Held during a sweep, so that concurrent requests wait for it and share it.
    pub(super) turn: tokio::sync::Mutex<()>,
    state: Mutex<SweepState>,
    /// Number of sets whose flows a reconcile is waiting for.
    waiting: AtomicUsize,
    log: Mutex<FailureLog>,
}

#[derive(Default)]
struct SweepState {
    history: SweepHistory,
    /// When the last sweep began, whatever became of it.
    began: Option<Instant>,
}

/// A set whose flows a reconcile is waiting for.
pub(super) struct Waiting<'a>(&'a Sweeps);

/// Result of a sweep.
pub(super) enum SweepOutcome {
    /// It yielded lists, in this number of pages.
    Done(usize),
    /// The service does not support it; the reason.
    Unsupported(&'static str),
    /// It failed, or cannot be believed; the reason.
    Failed(&'static str),
}

impl SweepOutcome {
    pub(super) fn of(error: &Error) -> Self {
        let reason = error.verdict().reason.as_str();
        if error.is_unsupported() {
            Self::Unsupported(reason)
        } else {
            Self::Failed(reason)
        }
    }
}

impl Sweeps {
    /// Registers a set whose flows a reconcile is waiting for.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Returns whether a sweep is the cheapest way to list the flows of the sets that reconciles are waiting for.
    pub(super) fn pays_for_waiting(&self, sets: usize) -> bool {
        self.pays(self.waiting.load(Ordering::Relaxed), sets)
    }

    /// Returns whether a sweep is the cheapest way to list the flows of `due` of about `sets` sets.
    pub(super) fn pays(&self, due: usize, sets: usize) -> bool {
        let state = self.state();
        let pause = sweep_pause(state.history);
        let is_over = state.began.is_none_or(|began| began.elapsed() >= pause);
        is_over && sweep_pays(due, state.history.pages_of(sets))
    }

    /// Returns whether the last sweep began after `moment`, whatever became of it.
    pub(super) fn began_since(&self, moment: Instant) -> bool {
        self.state().began.is_some_and(|began| began >= moment)
    }

    /// Records a sweep.
    pub(super) fn record(&self, began: Instant, outcome: &SweepOutcome) {
        {
            let mut state = self.state();
            state.began = Some(began);
            state.history = match outcome {
                SweepOutcome::Done(pages) => SweepHistory::Done { pages: *pages },
                SweepOutcome::Unsupported(_) => SweepHistory::Unsupported,
                SweepOutcome::Failed(_) => state.history.failed(),
            };
        }
        self.log(outcome);
    }

    /// Logs that sweeps are not possible when that begins, changes, lasts or ends. It is no reason to warn, because the
    /// flows of each set are listed instead.
    fn log(&self, outcome: &SweepOutcome) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            SweepOutcome::Done(_) if log.succeeded() => {
                tracing::info!("sets and flows are listed together again");
            }
            SweepOutcome::Done(_) => {}
            SweepOutcome::Unsupported(reason) | SweepOutcome::Failed(reason) => {
                if let Some(count) = log.failed(reason) {
                    tracing::info!(
                        reason,
                        count,
                        "sets and flows cannot be listed together; the flows of each set are listed instead"
                    );
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, SweepState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
