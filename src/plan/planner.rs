//! The planner: a plan under construction, with the steps that all kinds share.

use std::ops::ControlFlow::{self, Break, Continue};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::condition::{READY, STALLED};
use crate::api::{annotation, reason};
use crate::graph::verdict::{Disposition, Verdict};

use super::blocked::BlockedOn;
use super::conditions::{self, Cause, Progress, Readiness, Summary};
use super::{
    Action, Blocked, Event, Input, Memory, Outcome, Plan, Planned, REPORTED_FAILURES, Read,
    ResourceStep, SharedStatus, Step, Target, Unreadable, View, resource,
    retry::{self, fingerprint},
};

/// Pause for an immediate requeue, which must not be zero.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(100);

/// How long a dependency may be missing before the resource is `Stalled`: manifests and Secrets of one release arrive
/// in any order, from several tools, and a pipeline that waits for the result fails as soon as a resource is `Stalled`.
/// 5 min is also the default timeout of `helm --wait`.
const PATIENCE_FOR_DEPENDENCIES: SignedDuration = SignedDuration::from_mins(5);

/// The result of one part of a plan: it either ends planning with what to do now, or returns a value for the next part.
pub(super) type Control<K, T = ()> = ControlFlow<Next<<K as Planned>::Change>, T>;

/// What to do now, and the summary of the resource until then.
pub(super) struct Next<Change> {
    step: Option<Step<Change>>,
    summary: Summary,
}

/// A plan under construction.
pub(super) struct Planner<'a, K: Planned> {
    pub(super) input: &'a Input<K>,
    pub(super) status: K::Status,
    pub(super) memory: Memory,
    pub(super) events: Vec<Event>,
    failure: Option<(Action, Verdict)>,
    inputs: String,
    requeue_after: Option<SignedDuration>,
    /// The dependency that was missing in the previous reconcile, and since when.
    was_missing: Option<(&'static str, Timestamp)>,
}

impl<Change> Next<Change> {
    pub(super) fn refresh() -> Self {
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

    /// Ends planning without a step: the resource keeps this summary until something changes.
    pub(super) fn wait(summary: Summary) -> Self {
        Self {
            step: None,
            summary,
        }
    }

    /// Replaces the summary.
    pub(super) fn summarized(mut self, summary: Summary) -> Self {
        self.summary = summary;
        self
    }

    /// Replaces the summary if there is no step.
    pub(super) fn step_or_wait(self, summary: Summary) -> Self {
        if self.step.is_some() {
            self
        } else {
            Self::wait(summary)
        }
    }

    fn step(step: Step<Change>) -> Self {
        Self {
            step: Some(step),
            summary: Summary::Unchanged,
        }
    }
}

impl<'a, K: Planned> Planner<'a, K> {
    pub(super) fn new(input: &'a Input<K>) -> Self {
        let mut planner = Self {
            input,
            status: input.status.clone(),
            memory: input.memory.clone(),
            events: Vec::new(),
            failure: None,
            inputs: inputs(input),
            requeue_after: None,
            was_missing: input.memory.missing,
        };
        planner.memory.missing = None;
        planner.fold_outcome();
        planner
    }

    /// Returns the failure of the last step, if the step was `action` and failed.
    pub(super) fn failure_of(&self, action: Action) -> Option<Verdict> {
        let (failed, verdict) = self.failure.as_ref()?;
        (*failed == action).then(|| verdict.clone())
    }

    /// Returns whether `action` was the last step and succeeded.
    pub(super) fn just_did(&self, action: Action) -> bool {
        self.input.effects.outcome == Some(Outcome::Done(action))
    }

    /// Returns how long the backoff after failures still forbids changes at the service, or `None` if they are allowed.
    pub(super) fn backoff(&self) -> Option<SignedDuration> {
        retry::wait(self.status.retry(), &self.inputs, self.input.now)
    }

    /// Requeues the resource after at most `pause`.
    pub(super) fn requeue_after(&mut self, pause: SignedDuration) {
        let requeue = self.requeue_after.get_or_insert(pause);
        *requeue = pause.min(*requeue);
    }

    /// Waits with this summary for at most `pause`.
    pub(super) fn wait_for(&mut self, summary: Summary, pause: SignedDuration) -> Next<K::Change> {
        self.requeue_after(pause);
        Next::wait(summary)
    }

    /// Waits under this summary for a change that no watch event announces.
    pub(super) fn wait_a_minute(&mut self, summary: Summary) -> Next<K::Change> {
        self.wait_for(summary, SignedDuration::from_mins(1))
    }

    /// Waits under this summary until a failed request may be repeated.
    pub(super) fn wait_for_retry(&mut self, summary: Summary) -> Next<K::Change> {
        if let Some(pause) = self.backoff() {
            self.requeue_after(pause);
        }
        Next::wait(summary)
    }

    /// Ends planning while past failures keep the operator from changing anything at the service.
    pub(super) fn back_off(&mut self) -> Control<K> {
        match self.backoff() {
            Some(pause) => Break(self.wait_for(Summary::Unchanged, pause)),
            None => Continue(()),
        }
    }

    /// Ends planning if the resource is suspended.
    pub(super) fn suspended(&mut self, suspend: bool) -> Control<K> {
        if !suspend {
            return Continue(());
        }
        let message = format!(
            "spec.suspend is true: the remote {} is neither changed nor polled; set it to false to resume",
            K::NOUN
        );
        Break(self.blocked_by(&Blocked::suspension(reason::SUSPENDED, message)))
    }

    /// Returns the target, or ends planning if the resource is blocked.
    pub(super) fn target(&mut self) -> Control<K, &'a Target> {
        match &self.input.target {
            Ok(target) => Continue(target),
            Err(blocked) => Break(self.blocked_by(blocked)),
        }
    }

    /// Lists the collection again if the user requested a reconciliation.
    pub(super) fn requested_refresh(&self) -> Control<K> {
        let pending = self.status.pending_request(&*self.input.resource);
        let stale = self.view().is_some_and(|view| !view.fresh);
        if stale && pending.is_some() {
            return Break(Next::refresh());
        }
        Continue(())
    }

    /// Returns the complete list of the collection, or ends planning if there is none. Without a list, what is known
    /// about a `settled` object remains valid for a while.
    pub(super) fn listed(&self, settled: bool) -> Control<K, &'a View<K::Item>> {
        match &self.input.collection {
            None => Break(Next::refresh()),
            Some(Read::Unknown(unreadable)) => Break(self.unreadable(unreadable, settled)),
            Some(Read::Known(view)) => Continue(view),
        }
    }

    /// Adds the finalizer, which must precede any change at the service: without it, a deleted resource would leave its
    /// remote object behind.
    pub(super) fn finalizer(&self) -> Control<K> {
        let resource = &*self.input.resource;
        if resource.is_managed() && !resource::is_held(resource) {
            return Break(Next::write(ResourceStep::AddFinalizer));
        }
        Continue(())
    }

    /// Returns the complete list of the collection, or `None` if there is none.
    pub(super) fn view(&self) -> Option<&'a View<K::Item>> {
        match &self.input.collection {
            Some(Read::Known(view)) => Some(view),
            _ => None,
        }
    }

    /// Returns whether this reconcile requested the list. The other objects in an older list may no longer exist.
    pub(super) fn is_fresh(&self) -> bool {
        self.view().is_some_and(|view| view.fresh)
    }

    /// Returns whether the status in the cluster records this id.
    pub(super) fn records(&self, id: &str) -> bool {
        let recorded = self.input.resource.status().and_then(SharedStatus::id);
        recorded == Some(id)
    }

    pub(super) fn blocked_by(&mut self, blocked: &Blocked) -> Next<K::Change> {
        let unseen = self.status.conditions().is_empty();
        let since = resource::created(&*self.input.resource).filter(|_| unseen);
        let grace = self.input.limits.dependency_grace;
        let left = since.map_or(SignedDuration::ZERO, |since| {
            grace - self.input.now.duration_since(since)
        });
        if left.is_positive() {
            return self.wait_for(Summary::Unchanged, left);
        }
        if blocked.kind == BlockedOn::Missing
            && let Some(left) = self.patience_for(blocked.cause.reason)
        {
            let Cause { reason, message } = &blocked.cause;
            return self.wait_for(Summary::reconciling(reason, message.clone()), left);
        }
        Next::wait(blocked.summary())
    }

    /// Returns how much longer to wait for a missing dependency, or `None` if action by a person is required.
    fn patience_for(&mut self, reason: &'static str) -> Option<SignedDuration> {
        let now = self.input.now;
        let since = self.was_missing.filter(|(was, _)| *was == reason);
        let since = since.map_or(now, |(_, since)| since);
        self.memory.missing = Some((reason, since));
        // A restart must not begin another wait: a resource that is `Stalled` for this reason stays so.
        let stalled = conditions::find(self.status.conditions(), STALLED);
        let left = PATIENCE_FOR_DEPENDENCIES - now.duration_since(since);
        (stalled.is_none_or(|stalled| stalled.reason != reason) && left.is_positive())
            .then_some(left)
    }

    /// Handles a collection that could not be listed. What is known about a `settled` object remains valid for a while,
    /// unless action by a person is required or the spec has changed since.
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
        Next::wait(summary)
    }

    /// Returns whether the conditions describe an earlier spec.
    fn is_edited(&self) -> bool {
        let generation = resource::generation(&*self.input.resource);
        self.status.observed_generation() < generation
    }

    /// Builds the plan from the result of its parts. If none of them ended planning, the remote object is as declared.
    pub(super) fn finish(mut self, control: Control<K>, readiness: &Readiness) -> Plan<K> {
        let next = match control {
            Break(next) => next,
            Continue(()) => {
                self.status.set_retry(None);
                Next::wait(Summary::Synced {
                    progress: Progress::Settled,
                })
            }
        };
        let summary = self.unless_outdated(next.summary, next.step.is_some());
        if summary != Summary::Unchanged {
            self.summarize(summary, readiness);
        }
        self.status.cut_drift();
        Plan {
            requeue_after: self.requeue_after,
            step: next.step,
            status: self.status,
            memory: self.memory,
            events: self.events,
        }
    }

    /// Replaces the summary if an edit has not reached the service: it must not be reported as ready, whatever the
    /// cause of the delay.
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

    /// Renders the conditions, and records that a request for a reconciliation was handled.
    fn summarize(&mut self, summary: Summary, readiness: &Readiness) {
        let resource = &*self.input.resource;
        let original = resource.status().map_or(&[][..], SharedStatus::conditions);
        let generation = resource::generation(resource);
        let now = self.input.now;
        let deadline = SignedDuration::try_from(resource.deadline());
        let deadline = deadline.unwrap_or(SignedDuration::MAX);
        let summary = conditions::within(deadline, summary, original, generation, now);
        let conditions = conditions::render(summary, readiness, original, generation, now);
        self.status.set_conditions(conditions, generation);
        if let Some(request) = self.status.pending_request(resource) {
            self.status.set_handled(request);
            // With two new values, each must be echoed once, so reconcile again for the other one.
            let more = self.status.pending_request(resource).is_some();
            if more {
                self.requeue_after(AT_ONCE);
            }
        }
    }

    /// Counts the failure of the last step, or resets the count after a success.
    fn fold_outcome(&mut self) {
        match &self.input.effects.outcome {
            None => {}
            Some(Outcome::Done(_)) => self.status.set_retry(None),
            Some(Outcome::Failed(action, verdict)) => {
                let past = self.status.retry();
                let (inputs, now) = (&self.inputs, self.input.now);
                let turn = self.input.effects.turn;
                let retry = retry::after_failure(past, verdict, turn, inputs, now);
                self.status.set_retry(Some(retry));
                self.failure = Some((*action, verdict.clone()));
            }
        }
    }
}

/// Returns a fingerprint that changes when a person changes an input that could resolve a failure.
fn inputs<K: Planned>(input: &Input<K>) -> String {
    let resource = &*input.resource;
    let annotated = [
        annotation::REMOTE_ID,
        annotation::REQUESTED_AT,
        annotation::FLUX_REQUESTED_AT,
        annotation::RESET_REQUESTED_AT,
        annotation::ABANDON,
    ]
    .map(|name| resource::annotated(resource, name).unwrap_or_default());
    let generation = resource::generation(resource).to_string();
    let target = input.target.as_ref();
    let revision = target.map_or("", |target| target.revision.as_str());
    fingerprint([generation.as_str(), revision].into_iter().chain(annotated))
}
