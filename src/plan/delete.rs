//! Lets a resource go whose remote object goes with it: after a list has shown that it is gone.

use std::ops::ControlFlow;

use k8s_openapi::jiff::SignedDuration;

use crate::api::reason;
use crate::graph::verdict::{Certainty, Disposition, Verdict};

use super::conditions::Summary;
use super::create::Absence;
use super::event::Event;
use super::planner::{Next, Planner};
use super::{
    Action, Container, DeletionMemory, Fetched, Planned, Read, ResourceStep, SharedStatus, View,
    resource,
};

/// When to list again while it is not certain that the object is gone.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// The way out of a deletion that waits.
const LET_GO: &str =
    "To let go of it without deleting it, set the annotation industrydata.dev/abandon to \"true\"";

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

impl<K: Planned> Planner<'_, K> {
    /// Deletes the remote object, then lets the resource go.
    ///
    /// `noun` is what people call the object; `trace` looks for it where a create is unresolved; `change` deletes it.
    pub(super) fn delete(
        &mut self,
        noun: &str,
        trace: impl FnOnce(&Self, &View<K::Item>) -> Trace,
        change: impl FnOnce(String) -> K::Change,
    ) -> Next<K::Change> {
        let id = match self.unresolved() {
            None => self.status.id().map(str::to_owned),
            Some(_) => match self.resolve(noun, trace) {
                ControlFlow::Continue(id) => id,
                ControlFlow::Break(decision) => return decision,
            },
        };
        let Some(id) = id else {
            return release();
        };
        if let Err(blocked) = &self.input.target {
            return stuck(noun, &blocked.cause.message).within_a_minute();
        }
        if let Some(verdict) = self.failure_of(Action::Delete)
            && verdict.certainty == Certainty::NotSent
        {
            return blocked(noun, &verdict).after(self.wait());
        }
        self.note_deletion(&id);
        match self.memory.deletion.clone().filter(|sent| sent.id == id) {
            Some(sent) => self.verify(noun, &sent, change),
            None => self.send(&id, change),
        }
    }

    fn send(&mut self, id: &str, change: impl FnOnce(String) -> K::Change) -> Next<K::Change> {
        if let Some(wait) = self.wait() {
            return Next::stand(Summary::Unchanged).after(Some(wait));
        }
        self.memory.absent_since = None;
        Next::change(change(id.to_owned()))
    }

    /// Remembers that a request to delete has left, and how it was answered.
    fn note_deletion(&mut self, id: &str) {
        let failure = self.failure_of(Action::Delete);
        if failure.is_none() && !self.just_did(Action::Delete) {
            return;
        }
        let before = self.memory.deletion.as_ref().filter(|sent| sent.id == id);
        let times = before.map_or(0, |sent| sent.times).saturating_add(1);
        self.memory.deletion = Some(DeletionMemory {
            id: id.to_owned(),
            at: self.input.now,
            times,
            failure,
        });
    }

    /// Lets the resource go if a list that is newer than the request lacks the object. The answer to the request proves
    /// nothing: gateways answer for the service, and one of its replicas may not know the object yet.
    fn verify(
        &mut self,
        noun: &str,
        sent: &DeletionMemory,
        change: impl FnOnce(String) -> K::Change,
    ) -> Next<K::Change> {
        let view = match &self.input.collection {
            // The poller may list rarely, and what it listed last says no more each time.
            Some(Read::Known(view)) if view.fresh => view,
            Some(Read::Unknown(unreadable)) => {
                return blocked(noun, &unreadable.verdict).after(Some(SOON));
            }
            _ => return Next::look(),
        };
        let mut ids = view.listing.items.iter().map(K::id_of);
        if ids.any(|listed| listed.eq_ignore_ascii_case(&sent.id)) {
            return self.delete_again(noun, sent, change);
        }
        if view.listing.unread > 0 {
            // An item that could not be read may be the object.
            match &self.input.effects.fetched {
                None => return Next::fetch(),
                Some(Fetched::Absent) => {}
                Some(Fetched::Present) => return self.delete_again(noun, sent, change),
                Some(Fetched::Unknown(verdict)) => {
                    return blocked(noun, verdict).after(Some(SOON));
                }
            }
        }
        let first = *self.memory.absent_since.get_or_insert(view.uptime);
        let absence = if self.is_settled(view) {
            Absence::Believed
        } else {
            self.absent_for_the_window(view, first)
        };
        match absence {
            Absence::Believed => {
                let event = Event::normal("Deleted", format!("deleted the remote {noun}"));
                self.events.push(event);
                release()
            }
            Absence::Unproved(left) => Next::stand(deleting(noun)).after(Some(left.min(SOON))),
        }
    }

    /// The object is still listed.
    fn delete_again(
        &mut self,
        noun: &str,
        sent: &DeletionMemory,
        change: impl FnOnce(String) -> K::Change,
    ) -> Next<K::Change> {
        self.memory.absent_since = None;
        let age = self.input.now.duration_since(sent.at);
        let (summary, left) = match &sent.failure {
            Some(verdict) => (blocked_standing(noun, verdict), self.wait()),
            // It may be a replica that does not know yet.
            None => (deleting(noun), Some(self.patience(sent.times) - age)),
        };
        match left.filter(SignedDuration::is_positive) {
            Some(left) => Next::stand(summary).after(Some(left)),
            None => self.send(&sent.id, change).summary(summary),
        }
    }

    /// Whether the object was made longer ago than lists may lag, so that one list proves as much as several.
    fn is_settled(&self, view: &View<K::Item>) -> bool {
        let attempt = resource::attempt(&*self.input.resource).map(|attempt| attempt.time);
        let made = attempt.max(self.status.made_at());
        let age = made.map(|made| view.listing.date.duration_since(made));
        view.container == Container::Exists
            && age.is_some_and(|age| age >= self.input.limits.visibility_window)
    }

    /// A create may have taken effect unseen: nothing goes before it is certain what there is to delete.
    fn resolve(
        &mut self,
        noun: &str,
        trace: impl FnOnce(&Self, &View<K::Item>) -> Trace,
    ) -> ControlFlow<Next<K::Change>, Option<String>> {
        if let Err(blocked) = &self.input.target {
            return ControlFlow::Break(stuck(noun, &blocked.cause.message).within_a_minute());
        }
        let view = match &self.input.collection {
            Some(Read::Known(view)) if view.fresh => view,
            Some(Read::Unknown(unreadable)) => {
                return ControlFlow::Break(blocked(noun, &unreadable.verdict).within_a_minute());
            }
            _ => return ControlFlow::Break(Next::look()),
        };
        match trace(self, view) {
            Trace::Ours { id, .. } if self.records(&id) => ControlFlow::Continue(Some(id)),
            Trace::Ours { id, created } => {
                // From an old picture of a resource that is gone, the object of another would be taken for ours. So what
                // is found is written down, under precondition, before it is touched.
                self.status.set_object(id, created);
                self.resolve_attempt();
                ControlFlow::Break(
                    Next::write(ResourceStep::WriteStatus(None)).summary(deleting(noun)),
                )
            }
            Trace::Unclear(why) => ControlFlow::Break(stuck(noun, why).within_a_minute()),
            Trace::Absent => match self.absence(view) {
                Absence::Believed => ControlFlow::Continue(None),
                Absence::Unproved(wait) => {
                    ControlFlow::Break(Next::stand(deleting(noun)).after(Some(wait)))
                }
            },
        }
    }
}

/// Lets the resource go.
pub(super) fn release<Change>() -> Next<Change> {
    Next::write(ResourceStep::RemoveFinalizer)
}

fn deleting(noun: &str) -> Summary {
    Summary::reconciling(
        reason::DELETING,
        format!(
            "the remote {noun} is being deleted: this resource goes when the service's lists no longer show it. {LET_GO}"
        ),
    )
}

fn blocked<Change>(noun: &str, verdict: &Verdict) -> Next<Change> {
    Next::stand(blocked_standing(noun, verdict))
}

fn blocked_standing(noun: &str, verdict: &Verdict) -> Summary {
    match verdict.disposition {
        Disposition::Retry | Disposition::Throttled { .. } => {
            let message = &verdict.message;
            let message = format!("the remote {noun} is being deleted. {message} {LET_GO}");
            Summary::reconciling(reason::DELETING, message)
        }
        Disposition::User | Disposition::Bug => stuck_standing(noun, &verdict.message),
    }
}

fn stuck<Change>(noun: &str, why: &str) -> Next<Change> {
    Next::stand(stuck_standing(noun, why))
}

fn stuck_standing(noun: &str, why: &str) -> Summary {
    let why = why.trim_end_matches('.');
    let message = format!("the remote {noun} cannot be deleted: {why}. {LET_GO}");
    Summary::stalled(reason::DELETION_BLOCKED, message)
}
