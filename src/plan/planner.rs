//! A plan while it is being made: what all kinds do alike.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::condition::{READY, STALLED};
use crate::api::reason;
use crate::graph::verdict::{Disposition, Verdict};

use super::blocked::BlockedOn;
use super::conditions::{self, Cause, Readiness, Summary};
use super::{
    Action, Blocked, Event, Input, Memory, Outcome, Plan, Planned, REPORTED_FAILURES, Read,
    ResourceStep, SharedStatus, Step, Unreadable, View, resource, retry,
};

/// A pause must not be zero.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(100);

/// How long a dependency may be missing before a person is needed: manifests and Secrets of one release arrive in any
/// order, from several tools, and a pipeline that waits for the result gives up at once on what is `Stalled`.
const PATIENCE_FOR_DEPENDENCIES: SignedDuration = SignedDuration::from_mins(5);

/// What is to happen next, and how the resource stands until then.
pub(super) struct Next<Change> {
    step: Option<Step<Change>>,
    summary: Summary,
    again: Option<SignedDuration>,
}

/// A plan while it is being made.
pub(super) struct Planner<'a, K: Planned> {
    pub(super) input: &'a Input<K>,
    pub(super) status: K::Status,
    pub(super) memory: Memory,
    pub(super) events: Vec<Event>,
    failure: Option<(Action, Verdict)>,
    inputs: String,
    again: Option<SignedDuration>,
    /// The dependency that was missing in the run before, and since when.
    was_missing: Option<(&'static str, Timestamp)>,
}

impl<Change> Next<Change> {
    pub(super) fn look() -> Self {
        Self::step(Step::Refresh)
    }

    pub(super) fn fetch() -> Self {
        Self::step(Step::Fetch)
    }

    pub(super) fn write(step: ResourceStep) -> Self {
        Self::step(Step::Resource(step))
    }

    pub(super) fn change(change: Change) -> Self {
        Self::step(Step::Remote(change))
    }

    pub(super) fn stand(summary: Summary) -> Self {
        Self {
            step: None,
            summary,
            again: None,
        }
    }

    /// The same, and the resource stands like this from now on.
    pub(super) fn summary(mut self, summary: Summary) -> Self {
        self.summary = summary;
        self
    }

    pub(super) fn after(mut self, pause: Option<SignedDuration>) -> Self {
        self.again = pause;
        self
    }

    /// The same, if it has a step; else how the resource stands for a weightier reason.
    pub(super) fn unless_told(self, weightier: Self) -> Self {
        if self.step.is_some() {
            return self;
        }
        let again = earlier(self.again, weightier.again);
        weightier.after(again)
    }

    /// The same, and looked at again within this time.
    pub(super) fn sooner(mut self, pause: SignedDuration) -> Self {
        self.again = earlier(self.again, Some(pause));
        self
    }

    /// For what is decided elsewhere and nothing tells us of.
    pub(super) fn within_a_minute(self) -> Self {
        self.after(Some(SignedDuration::from_mins(1)))
    }

    fn step(step: Step<Change>) -> Self {
        Self {
            step: Some(step),
            ..Self::stand(Summary::Unchanged)
        }
    }
}

impl<'a, K: Planned> Planner<'a, K> {
    /// `inputs` changes when a person changes something that could mend a failure.
    pub(super) fn new(input: &'a Input<K>, inputs: String) -> Self {
        let mut planner = Self {
            input,
            status: input.status.clone(),
            memory: input.memory.clone(),
            events: Vec::new(),
            failure: None,
            inputs,
            again: None,
            was_missing: input.memory.missing,
        };
        planner.memory.missing = None;
        planner.fold_outcome();
        planner
    }

    /// The failure of `action`, if that is what the last step ended with.
    pub(super) fn failure_of(&self, action: Action) -> Option<Verdict> {
        let (failed, verdict) = self.failure.as_ref()?;
        (*failed == action).then(|| verdict.clone())
    }

    /// Whether `action` was the last step, and done.
    pub(super) fn just_did(&self, action: Action) -> bool {
        self.input.effects.outcome == Some(Outcome::Done(action))
    }

    /// How long past failures keep us from changing anything at the service.
    pub(super) fn wait(&self) -> Option<SignedDuration> {
        retry::wait(self.status.retry(), &self.inputs, self.input.now)
    }

    /// Looks again after `pause` at the latest, whatever is decided.
    pub(super) fn wake_in(&mut self, pause: Option<SignedDuration>) {
        self.again = earlier(self.again, pause);
    }

    /// The complete list of the collection, if there is one.
    pub(super) fn view(&self) -> Option<&'a View<K::Item>> {
        match &self.input.collection {
            Some(Read::Known(view)) => Some(view),
            _ => None,
        }
    }

    /// Whether the list is one that this run asked for. What it shows of others may be gone from an older one.
    pub(super) fn has_looked(&self) -> bool {
        self.view().is_some_and(|view| view.fresh)
    }

    /// Whether the cluster knows that the resource stands for the object of this id.
    pub(super) fn records(&self, id: &str) -> bool {
        let recorded = self.input.resource.status().and_then(SharedStatus::id);
        recorded == Some(id)
    }

    /// Whether the user asked for a look and this run has not looked yet.
    pub(super) fn wants_look(&self) -> bool {
        let pending = self.status.pending_request(&*self.input.resource);
        let stale = self.view().is_some_and(|view| !view.fresh);
        stale && pending.is_some()
    }

    pub(super) fn blocked_by(&mut self, blocked: &Blocked) -> Next<K::Change> {
        let unseen = self.status.conditions().is_empty();
        let since = resource::created(&*self.input.resource).filter(|_| unseen);
        let grace = self.input.limits.dependency_grace;
        let left = since.map_or(SignedDuration::ZERO, |since| {
            grace - self.input.now.duration_since(since)
        });
        if left.is_positive() {
            return Next::stand(Summary::Unchanged).after(Some(left));
        }
        if blocked.kind == BlockedOn::Missing
            && let Some(left) = self.patience_for(blocked.cause.reason)
        {
            let Cause { reason, message } = &blocked.cause;
            return Next::stand(Summary::reconciling(reason, message.clone())).after(Some(left));
        }
        Next::stand(blocked.summary())
    }

    /// How much longer a missing dependency is waited for; `None` if a person is needed.
    fn patience_for(&mut self, reason: &'static str) -> Option<SignedDuration> {
        let now = self.input.now;
        let since = self.was_missing.filter(|(was, _)| *was == reason);
        let since = since.map_or(now, |(_, since)| since);
        self.memory.missing = Some((reason, since));
        // A restart is no reason to wait once more.
        let stalled = conditions::find(self.status.conditions(), STALLED);
        let left = PATIENCE_FOR_DEPENDENCIES - now.duration_since(since);
        (stalled.is_none_or(|stalled| stalled.reason != reason) && left.is_positive())
            .then_some(left)
    }

    /// The collection could not be listed. What is known of a `settled` object stays true for a while, unless a person has
    /// to act or the spec has changed since.
    pub(super) fn unreadable(&self, unreadable: &Unreadable, settled: bool) -> Next<K::Change> {
        let Unreadable { verdict, failures } = unreadable;
        let passes = match verdict.disposition {
            Disposition::Retry | Disposition::Throttled { .. } => true,
            Disposition::User | Disposition::Bug => false,
        };
        let summary = if !settled {
            Summary::failed(verdict)
        } else if passes && *failures < REPORTED_FAILURES && !self.is_edited() {
            Summary::Unchanged
        } else {
            Summary::in_doubt(verdict)
        };
        Next::stand(summary)
    }

    /// Whether the conditions speak of an earlier spec.
    fn is_edited(&self) -> bool {
        let generation = resource::generation(&*self.input.resource);
        self.status.observed_generation() < generation
    }

    pub(super) fn finish(mut self, decision: Next<K::Change>, readiness: &Readiness) -> Plan<K> {
        let summary = self.unless_outdated(decision.summary, decision.step.is_some());
        if summary != Summary::Unchanged {
            self.stand(summary, readiness);
        }
        Plan {
            again: earlier(decision.again, self.again),
            step: decision.step,
            status: self.status,
            memory: self.memory,
            events: self.events,
        }
    }

    /// An edit that has not reached the service must not be reported as ready, whatever keeps it from being sent.
    fn unless_outdated(&self, summary: Summary, goes_on: bool) -> Summary {
        let ready = conditions::is_true(self.status.conditions(), READY);
        if summary != Summary::Unchanged || goes_on || !ready || !self.is_edited() {
            return summary;
        }
        Summary::Unknown(Cause::new(
            reason::UPDATING,
            "the last change of the spec has not reached the service yet",
        ))
    }

    /// Writes down how the resource stands, and that a wish for a look has led there.
    fn stand(&mut self, summary: Summary, readiness: &Readiness) {
        let resource = &*self.input.resource;
        let original = resource.status().map_or(&[][..], SharedStatus::conditions);
        let generation = resource::generation(resource);
        let now = self.input.now;
        let conditions = conditions::render(summary, readiness, original, generation, now);
        self.status.set_conditions(conditions, generation);
        if let Some(request) = self.status.pending_request(resource) {
            self.status.set_handled(request);
            // With two new values each is echoed once.
            let more = self.status.pending_request(resource).is_some();
            self.wake_in(more.then_some(AT_ONCE));
        }
    }

    /// Counts the last step's failure, or forgets those before.
    fn fold_outcome(&mut self) {
        match &self.input.effects.outcome {
            None => {}
            Some(Outcome::Done(_)) => self.status.set_retry(None),
            Some(Outcome::Failed(action, verdict)) => {
                let past = self.status.retry();
                let retry = retry::after_failure(past, verdict, &self.inputs, self.input.now);
                self.status.set_retry(Some(retry));
                self.failure = Some((*action, verdict.clone()));
            }
        }
    }
}

/// The earlier of two times from now.
pub(super) fn earlier(
    one: Option<SignedDuration>,
    other: Option<SignedDuration>,
) -> Option<SignedDuration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
