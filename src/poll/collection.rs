//! The last list of a collection of the service, and requests for the next one.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::failure_log::FailureLog;
use crate::graph::Error;
use crate::graph::model::{FlowSetId, Listing};
use crate::graph::verdict::Verdict;
use crate::plan::Container;
use crate::plan::poll::{Cadence, History, pause};

/// The result of one list.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    /// When the list was requested, on the monotonic clock.
    pub began: Instant,
    /// The same moment, in local time.
    pub began_at: Timestamp,
    /// The complete list, or why it could not be read.
    pub outcome: Result<Arc<Listing<T>>, Verdict>,
    /// Whether the object that contains the collection exists.
    pub container: Container,
    /// Number of consecutive failed lists, including this one.
    pub failures: u32,
}

/// The last list of a collection, and the history of its polls.
pub(super) struct Collection<T> {
    state: RwLock<CollectionState<T>>,
    /// Held while a list is in progress, so that concurrent requests wait for it and share it.
    turn: tokio::sync::Mutex<()>,
    failures: Mutex<FailureLog>,
}

struct CollectionState<T> {
    latest: Option<Arc<Snapshot<T>>>,
    history: History,
    /// Whether the next poll is due now because something was changed.
    nudged: bool,
    /// When this process last changed something in the collection.
    changed: Option<Instant>,
    /// Random number from 0 to 1 that spreads the next poll.
    spread: f64,
    /// When the last complete list was requested, on both clocks.
    complete: Option<(Instant, Timestamp)>,
}

/// What a sweep means for one of the collections in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// It is as good as a list of the collection.
    Accepted,
    /// The collection was listed or changed after the sweep began.
    Outdated,
    /// It lacks an object of the last list, so a list of the collection has to confirm that the object is gone.
    Contradicted,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self {
            state: RwLock::new(CollectionState {
                latest: None,
                history: History::default(),
                nudged: false,
                changed: None,
                spread: 0.5,
                complete: None,
            }),
            turn: tokio::sync::Mutex::default(),
            failures: Mutex::default(),
        }
    }
}

impl<T: Clone> Collection<T> {
    pub(super) fn latest(&self) -> Option<Arc<Snapshot<T>>> {
        self.read().latest.clone()
    }

    /// Returns when the last complete list was requested, on the monotonic clock and in local time, or `None` if there is
    /// none yet.
    pub(super) fn last_complete(&self) -> Option<(Instant, Timestamp)> {
        self.read().complete
    }

    /// Returns when the latest list was requested, or `None` if it failed or there is none.
    pub(super) fn read_at(&self) -> Option<Timestamp> {
        let state = self.read();
        let latest = state.latest.as_ref()?;
        latest.outcome.is_ok().then_some(latest.began_at)
    }

    /// Returns a snapshot that began after `moment`: the latest one, one that is already in progress, or a new one from
    /// `list`.
    pub(super) async fn since(
        &self,
        moment: Instant,
        list: impl AsyncFnOnce() -> Arc<Snapshot<T>>,
    ) -> Arc<Snapshot<T>> {
        if let Some(snapshot) = self.newer_than(moment) {
            return snapshot;
        }
        let _turn = self.turn.lock().await;
        if let Some(snapshot) = self.newer_than(moment) {
            return snapshot;
        }
        list().await
    }

    /// Stores a new list, and returns the previous one with it. The caller compares them, and calls
    /// [`compared`](Self::compared). `spread`, from 0 to 1, is that of the next poll.
    ///
    /// A list that began before the latest one changes nothing.
    pub(super) fn replace(
        &self,
        mut snapshot: Snapshot<T>,
        spread: f64,
    ) -> (Option<Arc<Snapshot<T>>>, Arc<Snapshot<T>>) {
        let mut state = self.write();
        if let Some(latest) = &state.latest
            && latest.began > snapshot.began
        {
            return (Some(latest.clone()), latest.clone());
        }
        state.nudged = false;
        state.spread = spread;
        state.history.failures = match snapshot.outcome {
            Ok(_) => 0,
            Err(_) => state.history.failures.saturating_add(1),
        };
        if snapshot.outcome.is_ok() {
            state.complete = Some((snapshot.began, snapshot.began_at));
        }
        let refused = snapshot.outcome.as_ref().err();
        state.history.is_refused = refused.is_some_and(|verdict| verdict.reason.is_of_credential());
        snapshot.failures = state.history.failures;
        let now = Arc::new(snapshot);
        let before = state.latest.replace(now.clone());
        (before, now)
    }

    /// Records whether the last list differed from the one before, which determines when the next poll is due.
    pub(super) fn compared(&self, is_news: bool) {
        let quiet = &mut self.write().history.quiet;
        *quiet = if is_news { 0 } else { quiet.saturating_add(1) };
    }

    /// Logs that `what` cannot be listed when that begins, changes, lasts or ends.
    pub(super) fn log(
        &self,
        listed: &Result<Listing<T>, Error>,
        what: &'static str,
        set: Option<&FlowSetId>,
    ) {
        let mut log = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let set = set.map(tracing::field::display);
        match listed {
            Ok(_) if log.succeeded() => tracing::info!(what, set, "list is available again"),
            Ok(_) => {}
            Err(error) => {
                let reason = error.verdict().reason.as_str();
                if let Some(count) = log.failed(reason) {
                    tracing::warn!(what, set, reason, %error, count, "failed to list");
                }
            }
        }
    }

    /// Makes the next poll due, and adds an object that this process has just created to the latest list, unless it is
    /// already there: a list may have completed between the creation and its response.
    pub(super) fn amend(&self, created: Option<T>, is_same: impl Fn(&T, &T) -> bool) {
        let mut state = self.write();
        state.nudged = true;
        state.changed = Some(Instant::now());
        state.history.quiet = 0;
        let (Some(snapshot), Some(created)) = (state.latest.as_ref(), created) else {
            return;
        };
        let Ok(listing) = &snapshot.outcome else {
            return;
        };
        if listing.items.iter().any(|item| is_same(item, &created)) {
            return;
        }
        let mut listing = Listing::clone(listing);
        listing.items.push(created);
        state.latest = Some(Arc::new(Snapshot {
            outcome: Ok(Arc::new(listing)),
            ..Snapshot::clone(snapshot)
        }));
    }

    /// Returns the time until the next poll is due.
    pub(super) fn due_in(&self, cadence: Cadence) -> Duration {
        let state = self.read();
        match &state.latest {
            Some(latest) if !state.nudged => {
                let pause = pause(cadence, state.history, state.spread);
                pause.saturating_sub(latest.began.elapsed())
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns whether the container did not exist according to the latest list.
    pub(super) fn is_gone(&self) -> bool {
        let state = self.read();
        let latest = state.latest.as_ref();
        latest.is_some_and(|latest| latest.container == Container::Gone)
    }

    /// Returns what a sweep that began at `began` and found `items` means for this collection.
    pub(super) fn reception<Id: Eq + Hash>(
        &self,
        began: Instant,
        items: &[T],
        id: fn(&T) -> &Id,
    ) -> Reception {
        let state = self.read();
        let listed = state.latest.as_ref().map(|latest| latest.began);
        if listed.max(state.changed).is_some_and(|last| last >= began) {
            return Reception::Outdated;
        }
        let known = state.latest.as_ref().map(|latest| &latest.outcome);
        let Some(Ok(known)) = known else {
            return Reception::Accepted;
        };
        let found: HashSet<&Id> = items.iter().map(id).collect();
        if known.items.iter().all(|item| found.contains(id(item))) {
            Reception::Accepted
        } else {
            Reception::Contradicted
        }
    }

    pub(super) fn newer_than(&self, moment: Instant) -> Option<Arc<Snapshot<T>>> {
        self.latest().filter(|latest| latest.began >= moment)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, CollectionState<T>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, CollectionState<T>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
