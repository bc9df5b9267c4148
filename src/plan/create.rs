//! Creation of a remote object, at most once.
//!
//! 1. A fresh, complete list lacks the object. An object that existed before is also read by its id, as a list that is
//!    empty for a minute must not make the operator rebuild a tenant.
//! 2. The intent is written to the resource, under precondition ([`ResourceStep::WriteIntent`]).
//! 3. The request is sent by the process that wrote the intent, while it is certain that none was sent for it
//!    ([`Permit::Create`]).
//! 4. If the request was certainly refused or never sent, the intent is removed. After any other failure it stays, and
//!    the next reconcile starts at 1, where absence is accepted only after the visibility window.

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

/// Interval between lists while absence is not proved. Each list may end the wait.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// Certainty that the remote object does not exist.
pub(super) enum Absence {
    /// Certain enough to create the object.
    Believed,
    /// Not proved yet; list again after this time.
    Unproved(SignedDuration),
}

/// An object that does not exist.
pub(super) struct Missing<'a> {
    /// What is missing, for messages: `the set has no flow of this type`.
    pub(super) what: &'static str,
    /// The display name to create it with, if the object can only be found by name.
    pub(super) name: Option<&'a str>,
    /// A missing dependency of the create request, if there is one.
    pub(super) blocked: Option<&'a Blocked>,
}

impl<K: Planned> Planner<'_, K> {
    /// Creates the object that is missing from `view`, once its absence is certain and the policies allow it. `change`
    /// returns the request.
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

    /// Ends planning if the policies or annotations do not allow the missing object to be created.
    fn may_create(&self, what: &str) -> Control<K> {
        let resource = &*self.input.resource;
        let (reason, message) = if !resource.is_managed() {
            let message = format!(
                "{what} to observe: create it at the service, or set spec.managementPolicy to Manage"
            );
            (reason::NOT_FOUND, message)
        } else if self.status.id().is_some() {
            if resource.policies().drift == DriftPolicy::Correct {
                return Continue(());
            }
            let message = "the remote object no longer exists: set spec.driftPolicy to Correct to recreate it";
            (reason::NOT_FOUND, message.to_owned())
        } else if let Some(id) = resource::adopted_id(resource) {
            let message = format!(
                "{what} and the id {id} in the annotation industrydata.dev/remote-id: correct the id or remove the annotation"
            );
            (reason::REMOTE_ID_NOT_FOUND, message)
        } else {
            return Continue(());
        };
        Break(Next::wait(Summary::stalled(reason, message)))
    }

    /// Ends planning unless the service responds for the recorded id that the object does not exist, whatever its lists
    /// contain.
    fn gone(&mut self) -> Control<K> {
        let summary = match &self.input.effects.fetched {
            None => return Break(Next::fetch()),
            Some(Fetched::Absent) => return Continue(()),
            Some(Fetched::Unknown(verdict)) => Summary::in_doubt(verdict),
            Some(Fetched::Present) => Summary::Unknown(Cause::new(
                reason::UNLISTED,
                "the service has the remote object but omits it from its lists: it is neither changed nor recreated until the lists contain it",
            )),
        };
        Break(self.wait_for(summary, SOON))
    }

    /// Returns the intent to create for which this process is certain that no request was sent.
    fn unsent(&self) -> Option<Attempt> {
        let attempt = resource::attempt(&*self.input.resource)?;
        let permit = self.memory.permit.as_ref();
        let allows = |permit: &Permit| matches!(permit, Permit::Create { attempt: allowed, .. } if *allowed == attempt.id);
        permit.is_some_and(allows).then_some(attempt)
    }

    /// Returns the intent to create whose outcome is unknown, or `None` if there is none.
    pub(super) fn unresolved(&self) -> Option<Attempt> {
        resource::unresolved_attempt(
            &*self.input.resource,
            self.status.resolved_attempt(),
            self.memory.permit.as_ref(),
        )
    }

    /// Records that the outcome of the last intent to create is known.
    pub(super) fn resolve_attempt(&mut self) {
        let attempt = resource::attempt(&*self.input.resource);
        let id = attempt.map(|attempt| attempt.id);
        if id.is_some() {
            self.status.set_resolved_attempt(id);
        }
    }

    /// Ends planning while it is not certain that the object missing from `view` does not exist.
    pub(super) fn absent(&mut self, view: &View<K::Item>) -> Control<K> {
        match self.absence(view) {
            Absence::Believed => Continue(()),
            Absence::Unproved(wait) => Break(self.wait_for_proof(wait)),
        }
    }

    /// Determines how certain the absence is after a list without the object.
    ///
    /// One list is enough for an object that never existed. If it did, or if a create may still be in flight, all lists
    /// within the visibility window must agree.
    pub(super) fn absence(&mut self, view: &View<K::Item>) -> Absence {
        let first = *self.memory.absent_since.get_or_insert(view.uptime);
        if self.unresolved().is_none() && self.status.id().is_none() {
            return Absence::Believed;
        }
        self.absent_for_the_window(view, first)
    }

    /// Determines how certain the absence is if all lists since `first` lack the object.
    pub(super) fn absent_for_the_window(
        &self,
        view: &View<K::Item>,
        first: SignedDuration,
    ) -> Absence {
        // An item that could not be parsed may be the outcome of the last attempt.
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

    /// Returns a new intent to create, after `view` has proved the object absent. It keeps the time of an unresolved
    /// intent, so that an object that appears late is still recognized as ours.
    pub(super) fn attempt(&self, view: &View<K::Item>, name: Option<&str>) -> Attempt {
        Attempt {
            time: self
                .unresolved()
                .map_or(view.listing.date, |earlier| earlier.time),
            id: self.input.uuid,
            uid: self.input.resource.uid().unwrap_or_default(),
            name: name.map(str::to_owned),
        }
    }

    /// Handles a failed create: a refusal removes the intent; any other outcome must be determined from lists.
    ///
    /// If an earlier attempt is unresolved, the refusal of this one proves nothing about the earlier one, so the intent
    /// stays.
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

    /// Returns whether the intent in the resource is that of this request, with no earlier one unresolved.
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
                "a create was sent but its response was lost: the service is polled until the outcome is certain",
            )
        } else {
            Summary::Unknown(Cause::new(
                reason::CREATING,
                "the remote object is missing from the service's lists: it is recreated once it has been missing for the visibility window",
            ))
        };
        self.wait_for(summary, wait.min(SOON))
    }
}
