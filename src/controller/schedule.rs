//! Schedule of the reconciles of one kind: which object is due when, each at most once at a time. It has no clock.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use tokio::time::Instant;

/// When objects are reconciled next, and which of them are being reconciled.
///
/// Each operation takes logarithmic time, however many objects are due.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    objects: HashMap<T, ObjectState>,
    due: BTreeMap<DueTime, T>,
    /// Number of entries so far, so that objects that are due at the same time are started in order.
    entries: u64,
    running: usize,
}

type DueTime = (Instant, u64);

#[derive(Debug)]
enum ObjectState {
    Due(DueTime),
    /// It is being reconciled, and is due again then.
    Running(Option<Instant>),
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            due: BTreeMap::new(),
            entries: 0,
            running: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Schedule<T> {
    /// Makes an object due at `time`, unless it is due before. An object that is being reconciled is due again after
    /// that, because the reconcile in progress may have missed the reason.
    pub(super) fn request(&mut self, object: T, time: Instant) {
        match self.objects.get_mut(&object) {
            Some(ObjectState::Running(again)) => {
                *again = Some(again.map_or(time, |before| before.min(time)));
            }
            Some(ObjectState::Due((before, _))) if *before <= time => {}
            Some(ObjectState::Due(before)) => {
                self.due.remove(before);
                self.add(object, time);
            }
            None => self.add(object, time),
        }
    }

    /// Returns the time at which the next object is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(time, _)| *time)
    }

    /// Starts an object that is due.
    pub(super) fn start(&mut self, now: Instant) -> Option<T> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let object = first.remove();
        self.running += 1;
        self.objects
            .insert(object.clone(), ObjectState::Running(None));
        Some(object)
    }

    /// Ends a reconcile. The object is due at `next`, or at the time that was requested meanwhile, if that is earlier.
    pub(super) fn end(&mut self, object: &T, next: Option<Instant>) {
        if !matches!(self.objects.get(object), Some(ObjectState::Running(_))) {
            return;
        }
        if let Some((object, ObjectState::Running(again))) = self.objects.remove_entry(object) {
            self.running -= 1;
            if let Some(time) = again.into_iter().chain(next).min() {
                self.add(object, time);
            }
        }
    }

    /// Returns the number of objects that are being reconciled.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    fn add(&mut self, object: T, time: Instant) {
        let due = (time, self.entries);
        self.entries += 1;
        self.objects.insert(object.clone(), ObjectState::Due(due));
        self.due.insert(due, object);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn started(schedule: &mut Schedule<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| schedule.start(now)).collect()
    }

    #[test]
    fn objects_start_when_they_are_due_and_in_order() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        for (object, seconds) in [("late", 2), ("one", 0), ("two", 0), ("soon", 1)] {
            schedule.request(object, now + SECOND * seconds);
        }
        assert_eq!(started(&mut schedule, now), ["one", "two"]);
        assert_eq!(schedule.next(), Some(now + SECOND));
        assert_eq!(started(&mut schedule, now + SECOND * 2), ["soon", "late"]);
        assert_eq!((schedule.running(), schedule.next()), (4, None));
    }

    #[test]
    fn the_earliest_of_several_requests_counts() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        for seconds in [5, 1, 3] {
            schedule.request("flow", now + SECOND * seconds);
        }
        assert_eq!(schedule.next(), Some(now + SECOND));
        assert_eq!(started(&mut schedule, now + SECOND * 9), ["flow"]);
    }

    #[test]
    fn an_object_is_reconciled_once_at_a_time_and_again_afterwards() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.request("flow", now);
        assert_eq!(started(&mut schedule, now), ["flow"]);

        schedule.request("flow", now + SECOND);
        schedule.request("flow", now);
        assert_eq!(started(&mut schedule, now + SECOND), [""; 0]);

        schedule.end(&"flow", Some(now + SECOND * 60));
        assert_eq!(started(&mut schedule, now), ["flow"]);
        schedule.end(&"flow", Some(now + SECOND * 60));
        assert_eq!(schedule.next(), Some(now + SECOND * 60));
    }

    #[test]
    fn an_object_that_waits_for_nothing_is_forgotten() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.request("flow", now);
        assert_eq!(started(&mut schedule, now), ["flow"]);
        schedule.end(&"flow", None);
        schedule.end(&"flow", Some(now));
        assert!(schedule.objects.is_empty() && schedule.due.is_empty());
        assert_eq!(schedule.running(), 0);
    }
}
