//! Why a remote object is ours.

use super::planner::Planner;
use super::{Event, Planned};

/// Why a remote object is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Its id stands in the status.
    Recorded,
    /// It was made by this reconcile, or after our intent to create it.
    Attempt,
    /// The user named its id, or allowed adoption.
    Permission,
    /// The resource only observes.
    Observation,
}

impl<K: Planned> Planner<'_, K> {
    /// Publishes that an object is ours from now on.
    pub(super) fn owned(&mut self, ownership: Ownership, id: &str) {
        let (reason, done) = match ownership {
            Ownership::Recorded => return,
            Ownership::Attempt => ("Created", "created"),
            Ownership::Permission => ("Adopted", "adopted"),
            Ownership::Observation => ("Found", "found"),
        };
        let message = format!("{done} {} {id}", K::NOUN);
        self.events.push(Event::normal(reason, message));
    }
}
