//! Deletion of a resource and its remote object: the finalizer is removed once a list proves that the object is gone.

use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::SignedDuration;

use crate::api::event::Occurrence;
use crate::api::{DeletionPolicy, reason};
use crate::graph::verdict::{Certainty, Disposition, Verdict};

use super::conditions::Summary;
use super::create::Absence;
use super::event::Event;
use super::planner::{Control, Next, Planner};
use super::{
    Action, Container, DeletionMemory, Fetched, Planned, Read, ResourceStep, SharedStatus, View,
    invalid_id, resource,
};

/// Interval between lists while it is not certain that the object is gone.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// The remedy for a deletion that waits.
const ABANDON: &str =
    "To release it without deleting it, set the annotation industrydata.dev/abandon to \"true\"";

/// The outcome of an unresolved create, according to a complete list.
pub(super) enum CreateOutcome {
    /// The object with this id is ours.
    Ours {
        id: String,
        /// When the object was created, as the service reports it.
        created: Option<String>,
    },
    /// Candidates exist, and it is not certain which one is ours.
    Unclear(&'static str),
    /// The list does not contain a candidate.
    Absent,
}

impl<'a, K: Planned> Planner<'a, K> {
    /// Ends planning if the resource is being deleted: deletes the remote object unless it is retained, then removes
    /// the finalizer.
    ///
    /// `in_use` reports what must be deleted first; `is_foreign`, whether another resource manages the object, which is then
    /// left alone; `find` searches for the object if a create is unresolved; `change`
    /// deletes it.
    pub(super) fn deleted(
        &mut self,
        in_use: Option<Summary>,
        is_foreign: bool,
        find: impl FnOnce(&Self, &View<K::Item>) -> CreateOutcome,
        change: impl FnOnce(K::Id) -> K::Change,
    ) -> Control<K> {
        let resource = &*self.input.resource;
        if !resource::is_deleting(resource) {
            return Continue(());
        }
        if !resource::is_held(resource) {
            return Break(Next::wait(Summary::Unchanged));
        }
        let retained = resource.policies().deletion == DeletionPolicy::Retain
            || !resource.is_managed()
            || is_foreign;
        if !resource::is_abandoned(resource) {
            if let Some(in_use) = in_use {
                return Break(self.wait_a_minute(in_use));
            }
            if !retained {
                self.delete_remote(find, change)?;
            }
        }
        Break(Next::write(ResourceStep::RemoveFinalizer))
    }

    /// Ends planning until the remote object is gone.
    fn delete_remote(
        &mut self,
        find: impl FnOnce(&Self, &View<K::Item>) -> CreateOutcome,
        change: impl FnOnce(K::Id) -> K::Change,
    ) -> Control<K> {
        let id = match self.unresolved() {
            None => self.status.id().map(str::to_owned),
            Some(_) => self.resolve(find)?,
        };
        let Some(id) = id else {
            return Continue(());
        };
        if let Err(blocked) = &self.input.target {
            return Break(self.stuck(&blocked.cause.message));
        }
        if let Some(verdict) = self.failure_of(Action::Delete)
            && verdict.certainty == Certainty::NotSent
        {
            return Break(self.wait_for_retry(failed::<K>(&verdict)));
        }
        self.note_deletion(&id);
        match self.memory.deletion.clone().filter(|sent| sent.id == id) {
            Some(sent) => self.verify(&sent, change),
            None => self.send(&id, change, Summary::Unchanged),
        }
    }

    fn send(
        &mut self,
        id: &str,
        change: impl FnOnce(K::Id) -> K::Change,
        summary: Summary,
    ) -> Control<K> {
        self.back_off()?;
        self.memory.absent_since = None;
        Break(match id.parse() {
            Ok(id) => Next::change(change(id)).summarized(summary),
            Err(invalid) => self.stuck(&invalid_id(invalid).message),
        })
    }

    /// Remembers that a delete request was sent, and its response.
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

    /// Ends planning until a list that is newer than the request lacks the object. The response to the request proves
    /// nothing: it may come from a gateway, or from a replica that does not have the object yet.
    fn verify(
        &mut self,
        sent: &DeletionMemory,
        change: impl FnOnce(K::Id) -> K::Change,
    ) -> Control<K> {
        let view = self.fresh_list(SOON)?;
        let mut ids = view.listing.items.iter().map(K::id_of);
        if ids.any(|listed| listed.eq_ignore_ascii_case(&sent.id)) {
            return self.delete_again(sent, change);
        }
        if view.listing.unread > 0 {
            // An item that could not be parsed may be the object.
            match &self.input.effects.fetched {
                None => return Break(Next::fetch()),
                Some(Fetched::Absent) => {}
                Some(Fetched::Present) => return self.delete_again(sent, change),
                Some(Fetched::Unknown(verdict)) => {
                    return Break(self.wait_for(failed::<K>(verdict), SOON));
                }
            }
        }
        let first = *self.memory.absent_since.get_or_insert(view.uptime);
        if !self.is_settled(view)
            && let Absence::Unproved(left) = self.absent_for_the_window(view, first)
        {
            return Break(self.wait_for(deleting::<K>(), left.min(SOON)));
        }
        let message = format!("deleted the remote {}", K::NOUN);
        self.events.push(Event::of(Occurrence::Deleted, message));
        Continue(())
    }

    /// Deletes the object again if it is still listed after the backoff or the visibility window.
    fn delete_again(
        &mut self,
        sent: &DeletionMemory,
        change: impl FnOnce(K::Id) -> K::Change,
    ) -> Control<K> {
        self.memory.absent_since = None;
        let age = self.input.now.duration_since(sent.at);
        let (summary, left) = match &sent.failure {
            Some(verdict) => (failed::<K>(verdict), self.backoff()),
            // The list may come from a replica that has not applied the deletion yet.
            None => (deleting::<K>(), Some(self.patience(sent.times) - age)),
        };
        match left.filter(SignedDuration::is_positive) {
            Some(left) => Break(self.wait_for(summary, left)),
            None => self.send(&sent.id, change, summary),
        }
    }

    /// Returns whether the object was created before the visibility window, so that a single list proves its absence.
    fn is_settled(&self, view: &View<K::Item>) -> bool {
        let attempt = resource::attempt(&*self.input.resource).map(|attempt| attempt.time);
        let made = attempt.max(self.status.made_at());
        let age = made.map(|made| view.listing.date.duration_since(made));
        view.container == Container::Exists
            && age.is_some_and(|age| age >= self.input.limits.visibility_window)
    }

    /// Returns the id of the object that an unresolved create has created, or `None` if it created none. The resource
    /// is kept until this is certain.
    fn resolve(
        &mut self,
        find: impl FnOnce(&Self, &View<K::Item>) -> CreateOutcome,
    ) -> Control<K, Option<String>> {
        if let Err(blocked) = &self.input.target {
            return Break(self.stuck(&blocked.cause.message));
        }
        let view = self.fresh_list(SignedDuration::from_mins(1))?;
        match find(self, view) {
            CreateOutcome::Ours { id, .. } if self.records(&id) => Continue(Some(id)),
            CreateOutcome::Ours { id, created } => {
                // With a stale copy of a resource that no longer exists, the object of another resource could be
                // mistaken for ours. So the id is recorded under a precondition before the object is changed.
                self.status.set_object(id, created);
                self.status.set_owned(true);
                self.resolve_attempt();
                Break(Next::write(ResourceStep::WriteStatus(None)).summarized(deleting::<K>()))
            }
            CreateOutcome::Unclear(why) => Break(self.stuck(why)),
            CreateOutcome::Absent => match self.absence(view) {
                Absence::Believed => Continue(None),
                Absence::Unproved(wait) => Break(self.wait_for(deleting::<K>(), wait)),
            },
        }
    }

    /// Returns a list that this reconcile requested: the poller may list rarely, and its last list proves no more each time.
    /// Ends planning for `pause` if the collection cannot be listed.
    fn fresh_list(&mut self, pause: SignedDuration) -> Control<K, &'a View<K::Item>> {
        match &self.input.collection {
            Some(Read::Known(view)) if view.fresh => Continue(view),
            Some(Read::Unknown(unreadable)) => {
                Break(self.wait_for(failed::<K>(&unreadable.verdict), pause))
            }
            _ => Break(Next::refresh()),
        }
    }

    fn stuck(&mut self, why: &str) -> Next<K::Change> {
        self.wait_a_minute(stuck::<K>(why))
    }
}

fn deleting<K: Planned>() -> Summary {
    let message = format!(
        "the remote {} is being deleted: this resource is removed once the service no longer lists it. {ABANDON}",
        K::NOUN
    );
    Summary::reconciling(reason::DELETING, message)
}

fn failed<K: Planned>(verdict: &Verdict) -> Summary {
    match verdict.disposition {
        Disposition::Retry | Disposition::Throttled { .. } => {
            let message = &verdict.message;
            let message = format!(
                "the remote {} is being deleted. {message} {ABANDON}",
                K::NOUN
            );
            Summary::reconciling(reason::DELETING, message)
        }
        Disposition::User | Disposition::Bug => stuck::<K>(&verdict.message),
    }
}

fn stuck<K: Planned>(why: &str) -> Summary {
    let why = why.trim_end_matches('.');
    let message = format!("the remote {} cannot be deleted: {why}. {ABANDON}", K::NOUN);
    Summary::stalled(reason::DELETION_BLOCKED, message)
}
