//! Health of the watches: whether they deliver the events of the cluster.
//!
//! A silent watch is healthy, because without changes there are no events. A watch is unhealthy if it has not delivered
//! its initial list some time after its start, or if it keeps failing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

/// How long a watch may take to deliver its initial list, or may keep failing, before it is reported as unhealthy. A
/// restart of the API server takes less.
const GRACE: Duration = Duration::from_mins(1);

/// A watch that has not failed for this long has recovered, even if there were no events. A watch that keeps failing
/// fails more often: every 90 s at most, as it is retried after at most 30 s and each attempt takes at most 60 s.
const CALM: Duration = Duration::from_mins(2);

/// All watches of the process. Cheap to clone; clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Watches(Arc<Mutex<Vec<Weak<Mutex<WatchState>>>>>);

/// One watch. Dropping it removes the watch from the health report.
#[derive(Debug)]
pub struct Watch(Arc<Mutex<WatchState>>);

#[derive(Debug)]
struct WatchState {
    kind: &'static str,
    /// When it started, or `None` once it has delivered its initial list.
    began: Option<Instant>,
    /// First and last of the consecutive failures.
    failures: Option<(Instant, Instant)>,
}

impl Watches {
    /// Registers a watch that starts now.
    #[must_use]
    pub fn begin(&self, kind: &'static str) -> Watch {
        let state = WatchState {
            kind,
            began: Some(Instant::now()),
            failures: None,
        };
        let state = Arc::new(Mutex::new(state));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|watch| watch.strong_count() > 0);
        all.push(Arc::downgrade(&state));
        Watch(state)
    }

    /// Returns the watched kinds, each with whether all its watches are healthy.
    #[must_use]
    pub fn health(&self) -> BTreeMap<&'static str, bool> {
        let now = Instant::now();
        let mut health = BTreeMap::new();
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in all.iter().filter_map(Weak::upgrade) {
            let state = watch.lock().unwrap_or_else(PoisonError::into_inner);
            *health.entry(state.kind).or_insert(true) &= state.is_healthy(now);
        }
        health
    }
}

impl Watch {
    /// Records that the watch has delivered an event or its initial list.
    pub fn delivered(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.began = None;
        state.failures = None;
    }

    /// Records that the watch has failed. The caller restarts it.
    pub fn failed(&self) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_a_row = state
            .failures
            .filter(|(_, last)| now.duration_since(*last) <= CALM);
        state.failures = Some((in_a_row.map_or(now, |(first, _)| first), now));
    }
}

impl WatchState {
    fn is_healthy(&self, now: Instant) -> bool {
        let is_late = self
            .began
            .is_some_and(|began| now.duration_since(began) > GRACE);
        let keeps_failing = self.failures.is_some_and(|(first, last)| {
            now.duration_since(last) <= CALM && last.duration_since(first) > GRACE
        });
        !is_late && !keeps_failing
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn healthy(watches: &Watches) -> Vec<bool> {
        watches.health().into_values().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_shows_nothing_for_a_minute_is_in_trouble_until_it_does() {
        let watches = Watches::default();
        let (watch, other) = (
            watches.begin("ProvisioningFlow"),
            watches.begin("ProvisioningFlow"),
        );
        other.delivered();
        advance(GRACE).await;
        assert_eq!(healthy(&watches), [true]);

        advance(SECOND).await;
        assert_eq!(healthy(&watches), [false]);

        watch.delivered();
        advance(GRACE * 60).await;
        assert_eq!(healthy(&watches), [true], "silence is no trouble");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_keeps_failing_is_in_trouble_until_it_is_calm() {
        let watches = Watches::default();
        let watch = watches.begin("ProvisioningFlow");
        watch.delivered();
        for _ in 0..3 {
            watch.failed();
            assert_eq!(healthy(&watches), [true]);
            advance(SECOND * 30).await;
        }
        watch.failed();
        assert_eq!(healthy(&watches), [false]);

        advance(CALM + SECOND).await;
        assert_eq!(healthy(&watches), [true]);
        watch.failed();
        assert_eq!(healthy(&watches), [true], "one failure is none in a row");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_has_ended_is_forgotten() {
        let watches = Watches::default();
        drop(watches.begin("ProvisioningFlow"));
        advance(GRACE * 2).await;
        assert!(watches.health().is_empty());
    }
}
