//! Correction of drift: when an update may be sent, and when an accepted update counts as ineffective.

use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::SignedDuration;

use crate::api::event::Occurrence;
use crate::api::{DriftPolicy, reason};

use super::conditions::Summary;
use super::planner::{Control, Next, Planner};
use super::{Action, Event, Planned, SharedStatus, UpdateMemory, resource};

/// The summary of remaining drift, or `None` if there is no known drift.
pub(super) type Drifted = Option<Summary>;

impl<K: Planned> Planner<'_, K> {
    /// Ends planning after a failed update.
    pub(super) fn update_failed(&mut self) -> Control<K> {
        match self.failure_of(Action::Update) {
            Some(verdict) => Break(self.wait_for_retry(Summary::in_doubt(&verdict))),
            None => Continue(()),
        }
    }

    /// Records that this reconcile created or updated the object: the service has just accepted the declared state.
    pub(super) fn written(&mut self, id: &str) -> Drifted {
        if self.just_did(Action::Update) {
            self.note_update();
            let message = format!("updated {} {id}", K::NOUN);
            self.events.push(Event::of(Occurrence::Updated, message));
        }
        if self.memory.update.is_some() {
            self.requeue_after(self.input.limits.visibility_window);
        }
        if self.doubts_updates() {
            return Some(Summary::Unchanged);
        }
        self.status.set_drift(Vec::new());
        None
    }

    /// Handles a list in which the object is as declared.
    pub(super) fn as_declared(&mut self) -> Control<K, Drifted> {
        if self.is_overtaken() {
            return Break(Next::refresh());
        }
        self.note_shown();
        Continue(None)
    }

    /// Handles drift: corrects it with `change`, or only reports it.
    pub(super) fn differs(
        &mut self,
        change: impl FnOnce(&Self) -> Next<K::Change>,
    ) -> Control<K, Drifted> {
        let resource = &*self.input.resource;
        if resource.is_managed() && resource.policies().drift == DriftPolicy::Correct {
            return self.correct(change);
        }
        Continue(Some(Summary::stalled(
            reason::DRIFTED,
            format!(
                "the remote {} differs from the spec (see status.drift), and the policies do not allow a change: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
                K::NOUN
            ),
        )))
    }

    fn correct(&mut self, change: impl FnOnce(&Self) -> Next<K::Change>) -> Control<K, Drifted> {
        self.back_off()?;
        let Some(update) = self.memory.update else {
            return Break(change(self));
        };
        let left = self.patience(update.times) - self.input.now.duration_since(update.at);
        if update.generation == self.generation() && left.is_positive() {
            self.requeue_after(left);
            return Continue(self.not_shown_yet(update.times));
        }
        // A list that is older than the last update proves nothing about its effect.
        Break(if self.reflects(update) {
            change(self)
        } else {
            Next::refresh()
        })
    }

    /// Handles an accepted update without visible effect. After the first one, the drift is not reported yet.
    fn not_shown_yet(&mut self, times: u32) -> Drifted {
        if times <= 1 {
            self.status.set_drift(Vec::new());
            return None;
        }
        Some(Summary::stalled(
            reason::DRIFTED,
            "the service accepted an update but still returns other values (see status.drift): declare the values that it returns, or set spec.driftPolicy to Report",
        ))
    }

    /// Returns whether the list is older than an update to an earlier spec: then it proves nothing, even if the object
    /// in it is as declared now.
    fn is_overtaken(&self) -> bool {
        let overtaken =
            |update: UpdateMemory| update.generation != self.generation() && !self.reflects(update);
        self.memory.update.is_some_and(overtaken)
    }

    /// Records that the object in the list is as declared.
    ///
    /// The update is remembered until the window ends: another replica of the service may return the old values for a
    /// while, which must not cause another update.
    fn note_shown(&mut self) {
        let window = self.input.limits.visibility_window;
        let recent = |update: &UpdateMemory| self.input.now.duration_since(update.at) < window;
        let update = self.memory.update.filter(recent);
        self.memory.update = update.map(|update| UpdateMemory { times: 0, ..update });
    }

    /// Records that an update was accepted; its effect is checked at the end of the visibility window.
    fn note_update(&mut self) {
        let generation = self.generation();
        let same = self
            .memory
            .update
            .filter(|update| update.generation == generation);
        self.memory.update = Some(UpdateMemory {
            at: self.input.now,
            generation,
            times: same.map_or(0, |update| update.times).saturating_add(1),
        });
    }

    /// Returns whether accepted updates had no visible effect: then the acceptance of another one proves nothing.
    fn doubts_updates(&self) -> bool {
        self.memory.update.is_some_and(|update| update.times > 1)
    }

    fn reflects(&self, update: UpdateMemory) -> bool {
        self.view()
            .is_some_and(|view| view.fresh || view.began > update.at)
    }

    fn generation(&self) -> i64 {
        resource::generation(&*self.input.resource)
    }

    /// Returns how long an accepted change may take to become visible: the visibility window, doubled after each
    /// further change without visible effect.
    pub(super) fn patience(&self, times: u32) -> SignedDuration {
        let doublings = times.saturating_sub(1).min(6);
        self.input.limits.visibility_window * (1 << doublings)
    }
}
