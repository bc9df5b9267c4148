//! Sweeps of a connection: what they cost, and how requests share one.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plan::poll::pays;

use super::shared_lists::SharedLists;

/// The sweeps of a connection: lists of all sets together with their flows.
pub(super) struct Sweeps {
    /// Whether the service supports them.
    pub(super) lists: SharedLists,
    /// Held during a sweep, so that concurrent requests wait for it and share it.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Number of sets whose flows a reconcile is waiting for.
    waiting: AtomicUsize,
}

/// A set whose flows a reconcile is waiting for.
pub(super) struct Waiting<'a>(&'a Sweeps);

impl Default for Sweeps {
    fn default() -> Self {
        Self {
            lists: SharedLists::new("$expand"),
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::default(),
        }
    }
}

impl Sweeps {
    /// Registers a set whose flows a reconcile is waiting for.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Returns whether the first sweep of this process is in progress.
    pub(super) fn is_first_in_progress(&self) -> bool {
        self.lists.is_untried() && self.turn.try_lock().is_err()
    }

    /// Returns whether a sweep over about `sets` sets is the cheapest way to list the flows of those that reconciles are
    /// waiting for.
    pub(super) fn pays_for_waiting(&self, sets: usize) -> bool {
        self.pays(self.waiting.load(Ordering::Relaxed), sets)
    }

    /// Returns whether a sweep over about `sets` sets is the cheapest way to list the flows of `due` of them.
    pub(super) fn pays(&self, due: usize, sets: usize) -> bool {
        let support = self.lists.support();
        support.is_some_and(|support| pays(due, support.pages(sets)))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
