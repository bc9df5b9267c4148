//! When a difference may be corrected, and when an update that was accepted counts as without effect.

use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::SignedDuration;

use crate::api::{DriftPolicy, reason};

use super::conditions::Summary;
use super::planner::{Control, Next, Planner};
use super::{Action, Event, Planned, SharedStatus, UpdateMemory, resource};

/// What stays different for now, or `None` if the object is as declared as far as anyone can tell.
pub(super) type Drifted = Option<Summary>;

impl<K: Planned> Planner<'_, K> {
    /// Ends planning after an update that failed.
    pub(super) fn update_failed(&mut self) -> Control<K> {
        match self.failure_of(Action::Update) {
            Some(verdict) => Break(self.wait_for_retry(Summary::in_doubt(&verdict))),
            None => Continue(()),
        }
    }

    /// This reconcile created or updated the object: the service has just accepted what is declared.
    pub(super) fn written(&mut self, id: &str) -> Drifted {
        if self.just_did(Action::Update) {
            self.note_update();
            let message = format!("updated {} {id}", K::NOUN);
            self.events.push(Event::normal("Updated", message));
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

    /// The list shows what is declared.
    pub(super) fn as_declared(&mut self) -> Control<K, Drifted> {
        if self.is_overtaken() {
            return Break(Next::refresh());
        }
        self.note_shown();
        Continue(None)
    }

    /// The object differs, which is corrected by `change` or only reported.
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
                "the remote {} differs from the spec in the places that status.drift lists, and is not to be changed: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
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
        // A list that is older than the last update says nothing about what that has done.
        Break(if self.shows(update) {
            change(self)
        } else {
            Next::refresh()
        })
    }

    /// An update was accepted and does not show. After the first one there is no difference for now.
    fn not_shown_yet(&mut self, times: u32) -> Drifted {
        if times <= 1 {
            self.status.set_drift(Vec::new());
            return None;
        }
        Some(Summary::stalled(
            reason::DRIFTED,
            "the service accepted an update and still shows other values in the places that status.drift lists: declare what it shows, or set spec.driftPolicy to Report",
        ))
    }

    /// Whether the list is older than an update to what was declared before: then even a list that shows what is declared
    /// now says nothing.
    fn is_overtaken(&self) -> bool {
        let overtaken =
            |update: UpdateMemory| update.generation != self.generation() && !self.shows(update);
        self.memory.update.is_some_and(overtaken)
    }

    /// The list shows what is declared.
    ///
    /// The update is remembered until the window is over: another replica of the service may show the old values for a
    /// while, which is no reason to send it once more.
    fn note_shown(&mut self) {
        let window = self.input.limits.visibility_window;
        let recent = |update: &UpdateMemory| self.input.now.duration_since(update.at) < window;
        let update = self.memory.update.filter(recent);
        self.memory.update = update.map(|update| UpdateMemory { times: 0, ..update });
    }

    /// An update was just accepted; it is looked for once the visibility window is over.
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

    /// Whether updates that were accepted did not show: then one more that is accepted proves nothing.
    fn doubts_updates(&self) -> bool {
        self.memory.update.is_some_and(|update| update.times > 1)
    }

    fn shows(&self, update: UpdateMemory) -> bool {
        self.view()
            .is_some_and(|view| view.fresh || view.began > update.at)
    }

    fn generation(&self) -> i64 {
        resource::generation(&*self.input.resource)
    }

    /// How long a change that the service has accepted may take to show: the window, and twice as long after each further
    /// one that does not.
    pub(super) fn patience(&self, times: u32) -> SignedDuration {
        let doublings = times.saturating_sub(1).min(6);
        self.input.limits.visibility_window * (1 << doublings)
    }
}
