//! Ownership of remote objects.

use k8s_openapi::jiff::Timestamp;

use crate::api::event::Occurrence;

use super::planner::Planner;
use super::{Attempt, Event, Planned, SharedStatus};

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
    /// Records that another resource manages the object, if it does.
    pub(super) fn yield_to(&mut self, is_foreign: bool) {
        if is_foreign {
            self.status.set_owned(false);
        }
    }

    /// Returns whether the unresolved intent proves that an object created at `created` is ours.
    ///
    /// An intent of the resource itself proves it, as the list before it lacked the object. The intent of another resource
    /// is that of a backup, or of a manifest that was copied: it proves nothing for an object that was there before.
    pub(super) fn proves(&self, attempt: &Attempt, created: Option<Timestamp>) -> bool {
        attempt.is_of(&*self.input.resource) || attempt.could_have_made(created)
    }

    /// Adds an event for an object that is ours from now on.
    pub(super) fn owned(&mut self, ownership: Ownership, id: &str) {
        let (occurrence, done) = match ownership {
            Ownership::Recorded => return,
            Ownership::Attempt => (Occurrence::Created, "created"),
            Ownership::Permission => (Occurrence::Adopted, "adopted"),
            Ownership::Observation => (Occurrence::Found, "found"),
        };
        let message = format!("{done} {} {id}", K::NOUN);
        self.events.push(Event::of(occurrence, message));
    }
}
