//! Creates a remote object, never twice.
//!
//! 1. A fresh, complete list lacks the object.
//! 2. The intent is written to the resource, under precondition ([`ResourceStep::Claim`]).
//! 3. The request is sent, by the very run that wrote the intent.
//! 4. Refused for certain: the intent is taken back. Anything but a clear answer: the intent stays, and whoever comes
//!    next starts at 1, where absence is only believed after the visibility window.

use k8s_openapi::jiff::SignedDuration;

use crate::api::{DriftPolicy, reason};
use crate::graph::verdict::{Certainty, Reason, Verdict};

use super::conditions::Standing;
use super::draft::{Decision, Draft};
use super::{Action, Attempt, Kind, Obstacle, Permit, ResourceStep, SharedStatus, View, resource};

/// How sure it is that the remote object does not exist.
pub(super) enum Absence {
    /// It can be acted on.
    Believed,
    /// Look again after this time.
    Unproved(SignedDuration),
}

/// What a kind says of an object that is not there.
pub(super) struct Missing<'a> {
    /// What is missing where: `the set has no flow of this type`.
    pub(super) what: &'static str,
    /// Whether the operator may write to the service for the resource.
    pub(super) managed: bool,
    /// What is to happen where the object was there before.
    pub(super) drift: DriftPolicy,
    /// The id that the user told us to adopt.
    pub(super) wanted: Option<&'a str>,
    /// What it is to be called, if its name is all that it is found by.
    pub(super) name: Option<&'a str>,
    /// What else a create needs and is not there.
    pub(super) obstacle: Option<&'a Obstacle>,
}

impl Missing<'_> {
    /// Why nothing is created, although nothing is there.
    fn forbids(&self, was_there: bool) -> Option<Standing> {
        let what = self.what;
        if !self.managed {
            let message =
                format!("{what} to observe: create it, or set spec.managementPolicy to Manage");
            return Some(Standing::stalled(reason::NOT_FOUND, message));
        }
        if was_there {
            return (self.drift == DriftPolicy::Report).then(|| {
                Standing::stalled(
                    reason::NOT_FOUND,
                    "the remote object is gone: set spec.driftPolicy to Correct to have it made anew",
                )
            });
        }
        let id = self.wanted?;
        let message = format!(
            "{what} and the id {id} that the annotation industrydata.dev/remote-id names: correct the id or remove the annotation"
        );
        Some(Standing::stalled(reason::REMOTE_ID_NOT_FOUND, message))
    }
}

impl<K: Kind> Draft<'_, K> {
    /// Creates the object that `view` lacks, if and when that is right. `change` says what to send.
    pub(super) fn create(
        &mut self,
        view: &View<K::Item>,
        missing: &Missing,
        change: impl FnOnce(Attempt) -> Option<K::Change>,
    ) -> Decision<K::Change> {
        if let Some(verdict) = self.failure_of(Action::Create) {
            return self.create_failed(&verdict);
        }
        if let Some(standing) = missing.forbids(self.status.id().is_some()) {
            return Decision::stand(standing);
        }
        if let Some(obstacle) = missing.obstacle {
            return self.obstructed(obstacle);
        }
        if self.may(Permit::Create) {
            self.memory.absent_since = None;
            let change = resource::attempt(&*self.observed.resource).and_then(change);
            return change.map_or_else(Decision::look, Decision::change);
        }
        if let Some(wait) = self.wait() {
            return Decision::stand(Standing::Unchanged).after(Some(wait));
        }
        if !view.fresh {
            return Decision::look();
        }
        match self.absence(view) {
            Absence::Believed => {
                Decision::write(ResourceStep::Claim(self.attempt(view, missing.name)))
            }
            Absence::Unproved(wait) => self.wait_for_proof(wait),
        }
    }

    /// The intent to create whose outcome nobody has seen.
    pub(super) fn unresolved(&self) -> Option<Attempt> {
        let status = &self.status;
        resource::unresolved_attempt(&*self.observed.resource, status.id(), status.made_at())
    }

    /// What a list without the object is worth.
    ///
    /// One list is enough for an object that was never there. Where it was, or a create may still be on its way, all
    /// lists over the visibility window have to agree.
    pub(super) fn absence(&mut self, view: &View<K::Item>) -> Absence {
        let date = view.listing.date;
        let first = *self.memory.absent_since.get_or_insert(date);
        let attempt = self.unresolved();
        if attempt.is_none() && self.status.id().is_none() {
            return Absence::Believed;
        }
        let since = attempt.map_or(first, |attempt| first.max(attempt.time));
        let left = self.observed.limits.visibility_window - date.duration_since(since);
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
            id: self.observed.uuid,
            name: name.map(str::to_owned),
        }
    }

    /// What follows a create that failed: a refusal takes the intent back; anything else has to be looked into.
    ///
    /// Where an earlier attempt is unresolved, a refusal of this one says nothing about that one, so the intent stays.
    pub(super) fn create_failed(&self, verdict: &Verdict) -> Decision<K::Change> {
        let date = self.view().map(|view| view.listing.date);
        let repeated = self
            .unresolved()
            .is_some_and(|attempt| Some(attempt.time) < date);
        match verdict.certainty {
            Certainty::NotSent | Certainty::Refused if !repeated => {
                Decision::write(ResourceStep::Unclaim).standing(Standing::failed(verdict))
            }
            Certainty::Refused if verdict.reason != Reason::Conflict => {
                Decision::stand(Standing::failed(verdict)).after(self.wait())
            }
            _ => self.wait_for_proof(SignedDuration::from_secs(1)),
        }
    }

    pub(super) fn wait_for_proof(&self, wait: SignedDuration) -> Decision<K::Change> {
        let standing = if self.unresolved().is_some() {
            Standing::reconciling(
                reason::CREATE_UNRESOLVED,
                "a create was sent and its answer was lost: the service is watched until its outcome is certain",
            )
        } else {
            Standing::reconciling(
                reason::CREATING,
                "the remote object is gone: the service is watched until that is certain, then it is made anew",
            )
        };
        let soon = wait.min(SignedDuration::from_secs(10));
        Decision::stand(standing).after(Some(soon))
    }
}
