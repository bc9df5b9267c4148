//! Lets a resource go whose remote object goes with it.

use std::ops::ControlFlow;

use crate::api::reason;
use crate::graph::verdict::{Disposition, Verdict};

use super::conditions::Standing;
use super::creation::Absence;
use super::draft::{Decision, Draft};
use super::event::Event;
use super::{Action, Kind, Read, ResourceStep, SharedStatus, View};

/// What a complete list shows of the outcome of a create that nobody has seen.
pub(super) enum Trace {
    /// The object with this id is ours.
    Ours {
        id: String,
        /// When the service says that it made it.
        created: Option<String>,
    },
    /// There are objects, and it is not certain that one is ours.
    Unclear(&'static str),
    /// There is none.
    Absent,
}

impl<K: Kind> Draft<'_, K> {
    /// Deletes the remote object, then lets the resource go.
    ///
    /// `noun` is what people call the object; `trace` looks for it where a create is unresolved; `change` deletes it.
    pub(super) fn delete(
        &mut self,
        noun: &str,
        trace: impl FnOnce(&Self, &View<K::Item>) -> Trace,
        change: impl FnOnce(String) -> K::Change,
    ) -> Decision<K::Change> {
        if self.just_did(Action::Delete) {
            let event = Event::normal("Deleted", format!("deleted the remote {noun}"));
            self.events.push(event);
            return release();
        }
        if let Some(verdict) = self.failure_of(Action::Delete) {
            return blocked(noun, &verdict).after(self.wait());
        }
        if let Some(wait) = self.wait() {
            return Decision::stand(Standing::Unchanged).after(Some(wait));
        }
        let id = match self.unresolved() {
            None => self.status.id().map(str::to_owned),
            Some(_) => match self.resolve(noun, trace) {
                ControlFlow::Continue(id) => id,
                ControlFlow::Break(decision) => return decision,
            },
        };
        match (id, &self.observed.place) {
            (None, _) => release(),
            (Some(_), Err(obstacle)) => stuck(noun, &obstacle.statement.message).within_a_minute(),
            (Some(id), Ok(_)) => Decision::change(change(id)),
        }
    }

    /// A create may have taken effect unseen: nothing goes before it is certain what there is to delete.
    fn resolve(
        &mut self,
        noun: &str,
        trace: impl FnOnce(&Self, &View<K::Item>) -> Trace,
    ) -> ControlFlow<Decision<K::Change>, Option<String>> {
        if let Err(obstacle) = &self.observed.place {
            return ControlFlow::Break(stuck(noun, &obstacle.statement.message).within_a_minute());
        }
        let view = match &self.observed.collection {
            Some(Read::Known(view)) if view.fresh => view,
            Some(Read::Unknown(verdict)) => {
                return ControlFlow::Break(blocked(noun, verdict).within_a_minute());
            }
            _ => return ControlFlow::Break(Decision::look()),
        };
        match trace(self, view) {
            Trace::Ours { id, .. } if self.records(&id) => ControlFlow::Continue(Some(id)),
            Trace::Ours { id, created } => {
                // From an old picture of a resource that is gone, the object of another would be taken for ours. So what
                // is found is written down, under precondition, before it is touched.
                self.status.set_object(id, created);
                ControlFlow::Break(Decision::write(ResourceStep::Record).standing(deleting(noun)))
            }
            Trace::Unclear(why) => ControlFlow::Break(stuck(noun, why).within_a_minute()),
            Trace::Absent => match self.absence(view) {
                Absence::Believed => ControlFlow::Continue(None),
                Absence::Unproved(wait) => {
                    ControlFlow::Break(Decision::stand(deleting(noun)).after(Some(wait)))
                }
            },
        }
    }
}

/// Lets the resource go.
pub(super) fn release<Change>() -> Decision<Change> {
    Decision::write(ResourceStep::Release)
}

fn deleting(noun: &str) -> Standing {
    Standing::reconciling(
        reason::DELETING,
        format!("the remote {noun} is being deleted"),
    )
}

fn blocked<Change>(noun: &str, verdict: &Verdict) -> Decision<Change> {
    match verdict.disposition {
        Disposition::Retry | Disposition::Throttled { .. } => Decision::stand(deleting(noun)),
        Disposition::User | Disposition::Bug => stuck(noun, &verdict.message),
    }
}

fn stuck<Change>(noun: &str, why: &str) -> Decision<Change> {
    let message = format!(
        "the remote {noun} cannot be deleted: {why}. To let go of it instead, set the annotation industrydata.dev/abandon to \"true\""
    );
    Decision::stand(Standing::stalled(reason::DELETION_BLOCKED, message))
}
