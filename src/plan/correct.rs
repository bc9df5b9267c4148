//! When a difference may be corrected, and when an update that was accepted counts as without effect.

use k8s_openapi::jiff::SignedDuration;

use super::planner::Planner;
use super::{Planned, UpdateMemory, resource};

/// What to do about a difference that is to be corrected.
pub(super) enum CorrectionDecision {
    /// Send an update.
    Send,
    /// An update was accepted moments ago and may not show yet: there is no difference for now.
    Pending,
    /// Updates are accepted and do not show.
    Ineffective,
    /// The list is older than the last update.
    Look,
    /// Failures keep us from it for this long.
    Wait(SignedDuration),
}

impl<K: Planned> Planner<'_, K> {
    pub(super) fn correction(&mut self) -> CorrectionDecision {
        if let Some(wait) = self.wait() {
            return CorrectionDecision::Wait(wait);
        }
        let Some(update) = self.memory.update else {
            return CorrectionDecision::Send;
        };
        let left = self.patience(update.times) - self.input.now.duration_since(update.at);
        if update.generation == self.generation() && left.is_positive() {
            self.wake_in(Some(left));
            return if update.times > 1 {
                CorrectionDecision::Ineffective
            } else {
                CorrectionDecision::Pending
            };
        }
        if self.shows(update) {
            CorrectionDecision::Send
        } else {
            CorrectionDecision::Look
        }
    }

    /// Whether the list is older than an update to what was declared before: then even a list that shows what is declared
    /// now says nothing.
    pub(super) fn is_overtaken(&self) -> bool {
        let overtaken =
            |update: UpdateMemory| update.generation != self.generation() && !self.shows(update);
        self.memory.update.is_some_and(overtaken)
    }

    /// The list shows what is declared.
    ///
    /// The update is remembered until the window is over: another replica of the service may show the old values for a
    /// while, which is no reason to send it once more.
    pub(super) fn note_shown(&mut self) {
        let window = self.input.limits.visibility_window;
        let recent = |update: &UpdateMemory| self.input.now.duration_since(update.at) < window;
        let update = self.memory.update.filter(recent);
        self.memory.update = update.map(|update| UpdateMemory { times: 0, ..update });
    }

    /// An update was just accepted; it is looked for once the visibility window is over.
    pub(super) fn note_update(&mut self) {
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
    pub(super) fn doubts_updates(&self) -> bool {
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
