//! A plan while it is being made: what all kinds do alike.

use k8s_openapi::jiff::SignedDuration;

use crate::graph::verdict::{Disposition, Verdict};

use super::conditions::{self, Readiness, Standing};
use super::{
    Action, Event, Kind, Memory, Observed, Obstacle, Outcome, Permit, Plan, Read, ResourceStep,
    SharedStatus, Step, View, resource, retry,
};

/// What is to happen next, and how the resource stands until then.
pub(super) struct Decision<Change> {
    step: Option<Step<Change>>,
    standing: Standing,
    again: Option<SignedDuration>,
}

/// A plan while it is being made.
pub(super) struct Draft<'a, K: Kind> {
    pub(super) observed: &'a Observed<K>,
    pub(super) status: K::Status,
    pub(super) memory: Memory,
    pub(super) events: Vec<Event>,
    failure: Option<(Action, Verdict)>,
    inputs: String,
    again: Option<SignedDuration>,
}

impl<Change> Decision<Change> {
    pub(super) fn look() -> Self {
        Self::step(Step::Look)
    }

    pub(super) fn write(step: ResourceStep) -> Self {
        Self::step(Step::Resource(step))
    }

    pub(super) fn change(change: Change) -> Self {
        Self::step(Step::Remote(change))
    }

    pub(super) fn stand(standing: Standing) -> Self {
        Self {
            step: None,
            standing,
            again: None,
        }
    }

    /// The same, and the resource stands like this from now on.
    pub(super) fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
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

    /// For what is decided elsewhere and nothing tells us of.
    pub(super) fn within_a_minute(self) -> Self {
        self.after(Some(SignedDuration::from_mins(1)))
    }

    fn step(step: Step<Change>) -> Self {
        Self {
            step: Some(step),
            ..Self::stand(Standing::Unchanged)
        }
    }
}

impl<'a, K: Kind> Draft<'a, K> {
    /// `inputs` changes when a person changes something that could mend a failure.
    pub(super) fn new(observed: &'a Observed<K>, inputs: String) -> Self {
        let mut draft = Self {
            observed,
            status: observed.status.clone(),
            memory: observed.memory,
            events: Vec::new(),
            failure: None,
            inputs,
            again: None,
        };
        draft.fold_outcome();
        draft
    }

    /// The failure of `action`, if that is what the last step ended with.
    pub(super) fn failure_of(&self, action: Action) -> Option<Verdict> {
        let (failed, verdict) = self.failure.as_ref()?;
        (*failed == action).then(|| verdict.clone())
    }

    /// Whether `action` was the last step, and done.
    pub(super) fn just_did(&self, action: Action) -> bool {
        self.observed.run.outcome == Some(Outcome::Done(action))
    }

    pub(super) fn may(&self, permit: Permit) -> bool {
        self.observed.run.permit == Some(permit)
    }

    /// How long past failures keep us from changing anything at the service.
    pub(super) fn wait(&self) -> Option<SignedDuration> {
        retry::wait(self.status.retry(), &self.inputs, self.observed.now)
    }

    /// Looks again after `pause` at the latest, whatever is decided.
    pub(super) fn wake_in(&mut self, pause: Option<SignedDuration>) {
        self.again = earlier(self.again, pause);
    }

    /// The complete list of the collection, if there is one.
    pub(super) fn view(&self) -> Option<&'a View<K::Item>> {
        match &self.observed.collection {
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
        let recorded = self.observed.resource.status().and_then(SharedStatus::id);
        recorded == Some(id)
    }

    /// Whether the user asked for a look and this run has not looked yet.
    pub(super) fn wants_look(&self) -> bool {
        let wish = resource::requested_at(&*self.observed.resource);
        let stale = self.view().is_some_and(|view| !view.fresh);
        stale && wish.is_some() && wish != self.status.handled()
    }

    pub(super) fn obstructed(&self, obstacle: &Obstacle) -> Decision<K::Change> {
        let unseen = self.status.conditions().is_empty();
        let since = resource::created(&*self.observed.resource).filter(|_| unseen);
        let grace = self.observed.limits.dependency_grace;
        let (standing, again) = obstacle.standing(since, grace, self.observed.now);
        Decision::stand(standing).after(again)
    }

    /// The collection could not be listed. What is known of a `settled` object stays true until the service says
    /// otherwise, unless a person has to act.
    pub(super) fn unreadable(verdict: &Verdict, settled: bool) -> Decision<K::Change> {
        let passes = match verdict.disposition {
            Disposition::Retry | Disposition::Throttled { .. } => true,
            Disposition::User | Disposition::Bug => false,
        };
        let standing = if passes && settled {
            Standing::Unchanged
        } else {
            Standing::failed(verdict)
        };
        Decision::stand(standing)
    }

    pub(super) fn finish(
        mut self,
        decision: Decision<K::Change>,
        readiness: &Readiness,
    ) -> Plan<K> {
        if decision.standing != Standing::Unchanged {
            self.stand(decision.standing, readiness);
        }
        Plan {
            again: earlier(decision.again, self.again),
            step: decision.step,
            status: self.status,
            memory: self.memory,
            events: self.events,
        }
    }

    /// Writes down how the resource stands, and that a wish for a look has led there.
    fn stand(&mut self, standing: Standing, readiness: &Readiness) {
        let resource = &*self.observed.resource;
        let original = resource.status().map_or(&[][..], SharedStatus::conditions);
        let generation = resource::generation(resource);
        let now = self.observed.now;
        let conditions = conditions::render(standing, readiness, original, generation, now);
        self.status.set_conditions(conditions, generation);
        if let Some(wish) = resource::requested_at(resource) {
            self.status.set_handled(wish.to_owned());
        }
    }

    /// Counts the last step's failure, or forgets those before.
    fn fold_outcome(&mut self) {
        match &self.observed.run.outcome {
            None => {}
            Some(Outcome::Done(_)) => self.status.set_retry(None),
            Some(Outcome::Failed(action, verdict)) => {
                let past = self.status.retry();
                let retry = retry::after_failure(past, verdict, &self.inputs, self.observed.now);
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
