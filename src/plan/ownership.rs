//! Ownership of remote objects.

use super::planner::Planner;
use super::{Event, Planned};

/// Why a remote object is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// The status records its id.
    Recorded,
    /// It was created by this reconcile, or after our intent to create it.
    Attempt,
    /// The user selected its id, or allowed adoption.
    Permission,
    /// The resource only observes.
    Observation,
}

impl<K: Planned> Planner<'_, K> {
    /// Adds an event for an object that is ours from now on.
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
