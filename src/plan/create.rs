//! Creates a remote object, never twice.
//!
//! 1. A fresh, complete list lacks the object. An object that was there before is also read by its id, as a list that is
//!    empty for a minute must not make the operator rebuild a tenant.
//! 2. The intent is written to the resource, under precondition ([`ResourceStep::WriteIntent`]).
//! 3. The request is sent, by the very process that wrote the intent, while it knows that none has left for it
//!    ([`Permit::Create`]).
//! 4. Refused for certain, or never sent: the intent is taken back. Anything but a clear answer: the intent stays, and
//!    the next run starts at 1, where absence is only believed after the visibility window.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::SignedDuration;

use crate::api::{DriftPolicy, reason};
use crate::graph::verdict::{Certainty, Verdict};

use super::conditions::{Cause, Summary};
use super::planner::{Control, Next, Planner};
use super::{
    Action, Attempt, Blocked, Fetched, Permit, Planned, ResourceStep, SharedStatus, View, resource,
};

/// When to list again while absence is not proved. Each such list may end the wait.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// How sure it is that the remote object does not exist.
pub(super) enum Absence {
    /// It can be acted on.
    Believed,
    /// Look again after this time.
    Unproved(SignedDuration),
}

/// An object that is not there.
pub(super) struct Missing<'a> {
    /// What is missing where: `the set has no flow of this type`.
    pub(super) what: &'static str,
    /// The display name to create it with, if that is all that it is found by.
    pub(super) name: Option<&'a str>,
    /// What else a create needs and is not there.
    pub(super) blocked: Option<&'a Blocked>,
}

impl<K: Planned> Planner<'_, K> {
    /// Creates the object that `view` lacks, if and when that is right. `change` returns what to send.
    pub(super) fn create(
        &mut self,
        view: &View<K::Item>,
        missing: &Missing,
        change: impl FnOnce(Attempt) -> Option<K::Change>,
    ) -> Control<K, Infallible> {
        if let Some(verdict) = self.failure_of(Action::Create) {
            return Break(self.create_failed(&verdict));
        }
        self.may_create(missing.what)?;
        if let Some(blocked) = missing.blocked {
            return Break(self.blocked_by(blocked));
        }
        self.back_off()?;
        if !view.fresh {
            return Break(Next::refresh());
        }
        if let Some(attempt) = self.unsent() {
            self.memory.absent_since = None;
            return Break(change(attempt).map_or_else(Next::refresh, Next::change));
        }
        self.absent(view)?;
        if self.status.id().is_some() {
            self.gone()?;
        }
        Break(Next::write(ResourceStep::WriteIntent {
            attempt: self.attempt(view, missing.name),
            repeated: self.unresolved().is_some(),
        }))
    }

    /// Ends planning if nothing is to be created although nothing is there.
    fn may_create(&self, what: &str) -> Control<K> {
        let resource = &*self.input.resource;
        let (reason, message) = if !resource.is_managed() {
            let message =
                format!("{what} to observe: create it, or set spec.managementPolicy to Manage");
            (reason::NOT_FOUND, message)
        } else if self.status.id().is_some() {
            if resource.policies().drift == DriftPolicy::Correct {
                return Continue(());
            }
            let message = "the remote object no longer exists: set spec.driftPolicy to Correct to recreate it";
            (reason::NOT_FOUND, message.to_owned())
        } else if let Some(id) = resource::adopted_id(resource) {
            let message = format!(
                "{what} and the id {id} that the annotation industrydata.dev/remote-id names: correct the id or remove the annotation"
            );
            (reason::REMOTE_ID_NOT_FOUND, message)
        } else {
            return Continue(());
        };
        Break(Next::wait(Summary::stalled(reason, message)))
    }

    /// Ends planning unless the service answers for the recorded id that the object is gone, whatever its lists show.
    fn gone(&mut self) -> Control<K> {
        let summary = match &self.input.effects.fetched {
            None => return Break(Next::fetch()),
            Some(Fetched::Absent) => return Continue(()),
            Some(Fetched::Unknown(verdict)) => Summary::in_doubt(verdict),
            Some(Fetched::Present) => Summary::Unknown(Cause::new(
                reason::UNLISTED,
                "the service has the remote object but leaves it out of its lists: it is neither changed nor recreated until they show it",
            )),
        };
        Break(self.wait_for(summary, SOON))
    }

    /// The intent to create for which this process knows that no request has left.
    fn unsent(&self) -> Option<Attempt> {
        let attempt = resource::attempt(&*self.input.resource)?;
        let permit = self.memory.permit.as_ref();
        let allows = |permit: &Permit| matches!(permit, Permit::Create { attempt: allowed, .. } if *allowed == attempt.id);
        permit.is_some_and(allows).then_some(attempt)
    }

    /// The intent to create whose outcome is not known.
    pub(super) fn unresolved(&self) -> Option<Attempt> {
        resource::unresolved_attempt(
            &*self.input.resource,
            self.status.resolved_attempt(),
            self.memory.permit.as_ref(),
        )
    }

    /// Notes that the outcome of the last intent to create is known.
    pub(super) fn resolve_attempt(&mut self) {
        let attempt = resource::attempt(&*self.input.resource);
        let id = attempt.map(|attempt| attempt.id);
        if id.is_some() {
            self.status.set_resolved_attempt(id);
        }
    }

    /// Ends planning while it is not certain that the object of which `view` shows nothing does not exist.
    pub(super) fn absent(&mut self, view: &View<K::Item>) -> Control<K> {
        match self.absence(view) {
            Absence::Believed => Continue(()),
            Absence::Unproved(wait) => Break(self.wait_for_proof(wait)),
        }
    }

    /// What a list without the object is worth.
    ///
    /// One list is enough for an object that was never there. Where it was, or a create may still be on its way, all
    /// lists over the visibility window have to agree.
    pub(super) fn absence(&mut self, view: &View<K::Item>) -> Absence {
        let first = *self.memory.absent_since.get_or_insert(view.uptime);
        if self.unresolved().is_none() && self.status.id().is_none() {
            return Absence::Believed;
        }
        self.absent_for_the_window(view, first)
    }

    /// What it is worth that all lists since `first` lack the object.
    pub(super) fn absent_for_the_window(
        &self,
        view: &View<K::Item>,
        first: SignedDuration,
    ) -> Absence {
        // An item that could not be read may be what the last attempt has made.
        if view.listing.unread > 0 && self.unresolved().is_some() {
            return Absence::Unproved(SOON);
        }
        let left = self.input.limits.visibility_window - (view.uptime - first);
        if left.is_positive() {
            Absence::Unproved(left)
        } else {
            Absence::Believed
        }
    }

    /// The intent to create, now that `view` has proved the object absent. It keeps the time of an unresolved one, so
    /// that an object that shows up late is still known as ours.
    pub(super) fn attempt(&self, view: &View<K::Item>, name: Option<&str>) -> Attempt {
        Attempt {
            time: self
                .unresolved()
                .map_or(view.listing.date, |earlier| earlier.time),
            id: self.input.uuid,
            name: name.map(str::to_owned),
        }
    }

    /// What follows a create that failed: a refusal takes the intent back; anything else has to be looked into.
    ///
    /// Where an earlier attempt is unresolved, a refusal of this one says nothing about that one, so the intent stays.
    fn create_failed(&mut self, verdict: &Verdict) -> Next<K::Change> {
        match verdict.certainty {
            Certainty::NotSent | Certainty::Refused if self.is_only_attempt() => {
                Next::write(ResourceStep::ClearIntent).summarized(Summary::failed(verdict))
            }
            Certainty::NotSent | Certainty::Refused => {
                self.wait_for_retry(Summary::failed(verdict))
            }
            Certainty::Throttled | Certainty::Unknown => {
                self.wait_for_proof(SignedDuration::from_secs(1))
            }
        }
    }

    /// Whether the intent that the resource carries is that of this very request, and none before it is unresolved.
    fn is_only_attempt(&self) -> bool {
        let used = self.input.effects.used.as_ref();
        let permit = used.or(self.memory.permit.as_ref());
        let attempt = resource::attempt(&*self.input.resource).map(|attempt| attempt.id);
        matches!(permit, Some(Permit::Create { attempt: own, repeated: false }) if Some(*own) == attempt)
    }

    fn wait_for_proof(&mut self, wait: SignedDuration) -> Next<K::Change> {
        let summary = if self.unresolved().is_some() {
            Summary::reconciling(
                reason::CREATE_UNRESOLVED,
                "a create was sent and its answer was lost: the service's lists are watched until its outcome is certain",
            )
        } else {
            Summary::Unknown(Cause::new(
                reason::CREATING,
                "the service's lists lack the remote object: it is recreated once all lists over the visibility window agree",
            ))
        };
        self.wait_for(summary, wait.min(SOON))
    }
}
