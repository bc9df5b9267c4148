//! A cluster with one resource and a service, in which plans are executed as by a controller.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::api::FINALIZER;
use crate::graph::verdict::Verdict;
use crate::plan::resource::is_deleting;
use crate::plan::{
    Action, Blocked, Effects, Event, Input, Memory, Plan, Planned, Read, ResourceStep,
    SharedStatus, Step, Target, event,
};

use super::{Service, Simulated, check, limits, start, steps, unavailable};

/// More steps than any reconcile needs.
const MAX_STEPS: u32 = 12;

/// A cluster with one resource, and a service.
#[derive(Clone, Debug)]
pub(crate) struct World<K: Simulated> {
    /// The resource in the cluster, or `None` if it no longer exists.
    pub(crate) resource: Option<K>,
    pub(crate) service: Service<K::Item>,
    /// Local time.
    pub(crate) now: Timestamp,
    pub(crate) target: Result<Target, Blocked>,
    pub(crate) related: K::Related,
    pub(crate) memory: Memory,
    /// The last list, as stored by a poller.
    pub(crate) snapshot: Option<Read<K::Item>>,
    /// The fate of the next effect of a kind; without an entry, it succeeds.
    pub(crate) script: Vec<(Effect, Fate)>,
    /// All effects that took place.
    pub(crate) journal: Vec<Effect>,
    /// The reasons of all events.
    pub(crate) events: Vec<String>,
    /// The requeue time of the last reconcile.
    pub(crate) again: Option<SignedDuration>,
    runs: u32,
}

/// Something that changes the cluster or the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    AddFinalizer,
    WriteIntent,
    ClearIntent,
    WriteStatus,
    RemoveFinalizer,
    Status,
    Remote(Action),
}

/// The fate of an effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fate {
    /// Whether it takes place.
    pub(crate) happens: bool,
    /// The response that the operator receives.
    pub(crate) answer: Answer,
}

/// The response that the operator receives for an effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Success,
    /// For a write to the cluster, the verdict is ignored: the reconcile ends.
    Failure(Verdict),
    /// The process ends before it receives a response, and another one starts.
    Crash,
    /// The reconcile ends before the request is sent, for instance because the lease does not cover it.
    HeldBack,
}

impl Effect {
    fn of(step: &ResourceStep) -> Self {
        match step {
            ResourceStep::AddFinalizer => Self::AddFinalizer,
            ResourceStep::WriteIntent { .. } => Self::WriteIntent,
            ResourceStep::ClearIntent => Self::ClearIntent,
            ResourceStep::WriteStatus(_) => Self::WriteStatus,
            ResourceStep::RemoveFinalizer => Self::RemoveFinalizer,
        }
    }
}

impl Fate {
    pub(crate) fn done() -> Self {
        Self {
            happens: true,
            answer: Answer::Success,
        }
    }

    pub(crate) fn answer_lost() -> Self {
        Self {
            happens: true,
            answer: Answer::Failure(unavailable()),
        }
    }

    pub(crate) fn request_lost() -> Self {
        Self::failed(unavailable())
    }

    /// For a write to the cluster: the resource has changed since.
    pub(crate) fn failed(verdict: Verdict) -> Self {
        Self {
            happens: false,
            answer: Answer::Failure(verdict),
        }
    }

    pub(crate) fn crash_before() -> Self {
        Self {
            happens: false,
            answer: Answer::Crash,
        }
    }

    pub(crate) fn held_back() -> Self {
        Self {
            happens: false,
            answer: Answer::HeldBack,
        }
    }

    pub(crate) fn crash_after() -> Self {
        Self {
            happens: true,
            answer: Answer::Crash,
        }
    }
}

impl<K: Simulated> World<K> {
    pub(crate) fn new(resource: K) -> Self {
        Self {
            resource: Some(resource),
            service: Service::new(),
            now: start(),
            target: Ok(K::target()),
            related: K::surroundings(),
            memory: Memory::default(),
            snapshot: None,
            script: Vec::new(),
            journal: Vec::new(),
            events: Vec::new(),
            again: None,
            runs: 0,
        }
    }

    pub(crate) fn holding(mut self, items: Vec<K::Item>) -> Self {
        self.service.meddle(Timestamp::MIN, |held| *held = items);
        self
    }

    /// Sets the fate of the next effect of a kind.
    pub(crate) fn when(mut self, effect: Effect, fate: Fate) -> Self {
        self.script.push((effect, fate));
        self
    }

    pub(crate) fn resource(&self) -> &K {
        self.resource.as_ref().unwrap()
    }

    pub(crate) fn status(&self) -> &<K as Planned>::Status {
        Planned::status(self.resource()).unwrap()
    }

    /// Returns how often an effect took place.
    pub(crate) fn count(&self, effect: Effect) -> usize {
        self.journal.iter().filter(|past| **past == effect).count()
    }

    /// Changes the resource as a user.
    pub(crate) fn edit(&mut self, change: impl FnOnce(K) -> K) {
        let old = self.resource.take().unwrap();
        let mut new = change(old.clone());
        if new.spec() != old.spec() && new.meta().generation == old.meta().generation {
            new.meta_mut().generation = old.meta().generation.map(|generation| generation + 1);
        }
        self.resource = Some(new);
    }

    /// Lists the collection like a poller.
    pub(crate) fn poll(&mut self) {
        self.snapshot = Some(self.service.read(self.now, false));
    }

    /// Advances the time. The resource is reconciled at its requeue time and, after a poll, every ten seconds.
    pub(crate) fn live(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        while self.now < end {
            self.reconcile();
            let rest = end
                .duration_since(self.now)
                .max(SignedDuration::from_millis(1));
            let pause = SignedDuration::from_secs(10).min(rest);
            self.now += self.again.map_or(pause, |again| again.min(pause));
            self.poll();
        }
        self.reconcile();
    }

    /// Reconciles once, from observation to report.
    pub(crate) fn reconcile(&mut self) {
        self.again = None;
        let Some(mut input) = self.observe() else {
            return;
        };
        let before = input.status.conditions().to_vec();
        let mut events = Vec::new();
        for _ in 0..MAX_STEPS {
            let mut plan = self.plan(&mut input);
            events.append(&mut plan.events);
            let Some(step) = plan.step else {
                self.again = plan.requeue_after;
                return self.report(&input, &events, &before);
            };
            if !self.execute(&mut input, step) {
                self.again = Some(SignedDuration::from_secs(1));
                return;
            }
        }
        panic!("a run without end: {input:?}");
    }

    /// Returns the input of a reconcile, or `None` if the resource no longer exists.
    pub(crate) fn observe(&mut self) -> Option<Input<K>> {
        self.runs += 1;
        let resource = self.resource.clone()?;
        Some(Input {
            status: Planned::status(&resource).cloned().unwrap_or_default(),
            resource: Arc::new(resource),
            now: self.now,
            uuid: Uuid::from_u128(self.runs.into()),
            target: self.target.clone(),
            collection: self.snapshot.clone(),
            related: self.related.clone(),
            memory: self.memory.clone(),
            effects: Effects::default(),
            limits: limits(),
        })
    }

    /// Plans the next step, and adopts everything else from the plan.
    pub(crate) fn plan(&mut self, input: &mut Input<K>) -> Plan<K> {
        self.now += SignedDuration::from_millis(10);
        input.now = self.now;
        let plan = K::plan(input);
        check(input, &plan);
        input.effects.outcome = None;
        input.status = plan.status.clone();
        input.memory = plan.memory.clone();
        self.memory = plan.memory.clone();
        plan
    }

    /// Executes a step, and returns `false` if the reconcile has ended.
    pub(crate) fn execute(&mut self, input: &mut Input<K>, step: Step<K::Change>) -> bool {
        self.now += SignedDuration::from_millis(10);
        match step {
            Step::Refresh => {
                self.poll();
                input.collection = Some(self.service.read(self.now, true));
                true
            }
            Step::Fetch => {
                input.effects.fetched = Some(self.service.fetch::<K>(&input.status));
                true
            }
            Step::Resource(step) => self.write(input, &step),
            Step::Remote(change) => self.change(input, &change),
        }
    }

    fn report(&mut self, input: &Input<K>, events: &[Event], before: &[Condition]) {
        let known = Planned::status(&*input.resource)
            .cloned()
            .unwrap_or_default();
        if self.resource.is_some() && known != input.status {
            let status = input.status.clone();
            let write = |resource: &mut K| *resource.status_mut() = Some(status);
            let fate = self.fate(Effect::Status);
            if !self.apply(Effect::Status, &fate, write) {
                return;
            }
        }
        let transition = self
            .resource
            .as_ref()
            .and_then(|_| event::of_transition(before, input.status.conditions()));
        let events = transition.iter().chain(events);
        self.events
            .extend(events.map(|event| event.reason.as_str().to_owned()));
    }

    fn write(&mut self, input: &mut Input<K>, step: &ResourceStep) -> bool {
        let status = input.status.clone();
        let fate = self.fate(Effect::of(step));
        let done = self.apply(Effect::of(step), &fate, |resource| {
            steps::write(step, &status, resource);
        });
        if let Some(resource) = &self.resource {
            input.resource = Arc::new(resource.clone());
        } else {
            let finalizers = Arc::make_mut(&mut input.resource).finalizers_mut();
            finalizers.retain(|name| name != FINALIZER);
        }
        if fate.happens
            && fate.answer != Answer::Crash
            && let Some(permit) = step.grants()
        {
            input.memory.permit = Some(permit);
            self.memory = input.memory.clone();
        }
        done
    }

    /// Writes to the resource, and returns `false` if that failed.
    fn apply(&mut self, effect: Effect, fate: &Fate, write: impl FnOnce(&mut K)) -> bool {
        if fate.happens
            && let Some(resource) = &mut self.resource
        {
            write(resource);
            self.journal.push(effect);
            if is_deleting(resource) && resource.finalizers().is_empty() {
                self.resource = None;
            }
        }
        self.survives(fate) && fate.answer == Answer::Success
    }

    fn change(&mut self, input: &mut Input<K>, change: &K::Change) -> bool {
        let action = K::action(change);
        let fate = self.fate(Effect::Remote(action));
        if fate.answer == Answer::HeldBack {
            return false;
        }
        steps::leave(input, action);
        self.memory = input.memory.clone();
        let mut outcome = Ok(None);
        if fate.happens {
            self.journal.push(Effect::Remote(action));
            outcome = self.service.change::<K>(change, self.now);
        }
        if !self.survives(&fate) {
            return false;
        }
        if let Answer::Failure(verdict) = fate.answer {
            outcome = Err(verdict);
        }
        steps::hear(input, action, outcome);
        self.memory = input.memory.clone();
        true
    }

    fn fate(&mut self, effect: Effect) -> Fate {
        let next = self
            .script
            .iter()
            .position(|(planned, _)| *planned == effect);
        next.map_or_else(Fate::done, |index| self.script.remove(index).1)
    }

    /// Restarts the process, which loses everything in its memory.
    fn survives(&mut self, fate: &Fate) -> bool {
        let crashed = fate.answer == Answer::Crash;
        if crashed {
            self.memory = Memory::default();
            self.snapshot = None;
        }
        !crashed
    }
}
