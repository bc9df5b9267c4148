//! A cluster with one resource and a service, in which plans are carried out as a controller would.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::core::object::{HasSpec, HasStatus};
use serde_json::Value;
use uuid::Uuid;

use crate::api::{
    AppliedSecret, FINALIZER, ManagementPolicy, OutboundProvisioningFlowSet,
    OutboundProvisioningFlowSetStatus, ProvisioningFlow, ProvisioningFlowStatus, annotation,
};
use crate::graph::model::{Flow, FlowSet, Listing};
use crate::graph::verdict::{Reason, Verdict};
use crate::plan::definition::{FlowBody, FlowSetBody};
use crate::plan::resource::is_deleting;
use crate::plan::{
    Action, Event, Kind, Memory, Observed, Obstacle, Outcome, Permit, Place, Plan, Read,
    ResourceStep, Run, Step, View, event, flow, flow_set,
};

use super::{SET, as_shown, check, id, limits, refused, start, unavailable};

/// More steps than any run has a reason for.
const LONGEST_RUN: u32 = 12;

/// A cluster with one resource, and a service.
#[derive(Clone, Debug)]
pub(crate) struct World<K: Simulated> {
    /// The resource as the cluster holds it; `None`: it is gone.
    pub(crate) resource: Option<K>,
    pub(crate) service: Service<K::Item>,
    /// Local time.
    pub(crate) now: Timestamp,
    pub(crate) place: Result<Place, Obstacle>,
    pub(crate) around: K::Surroundings,
    pub(crate) memory: Memory,
    /// The last list, as a poller keeps it.
    pub(crate) snapshot: Option<Read<K::Item>>,
    /// What becomes of the next effect of a kind; without an entry it works.
    pub(crate) script: Vec<(Effect, Fate)>,
    /// All effects that took place.
    pub(crate) journal: Vec<Effect>,
    /// The reasons of all events.
    pub(crate) events: Vec<String>,
    /// When the last run wants the next, from then on.
    pub(crate) again: Option<SignedDuration>,
    runs: u32,
}

/// The service's side.
#[derive(Clone, Debug)]
pub(crate) struct Service<Item> {
    /// What lists show so long after the fact.
    pub(crate) lag: SignedDuration,
    /// How far its clock is ahead of the local one.
    pub(crate) skew: SignedDuration,
    /// Why it cannot be listed.
    pub(crate) unreadable: Option<Verdict>,
    /// Whether it keeps the rule of one flow of each type.
    pub(crate) strict: bool,
    states: Vec<(Timestamp, Vec<Item>)>,
    made: u32,
}

/// Something that changes the cluster or the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Hold,
    Claim,
    Unclaim,
    Record,
    Release,
    Status,
    Remote(Action),
}

/// What becomes of an effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fate {
    /// Whether it takes place.
    pub(crate) happens: bool,
    /// What the operator hears of it.
    pub(crate) answer: Answer,
}

/// What the operator hears of an effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Success,
    /// For a write to the cluster the verdict means nothing: the run ends.
    Failure(Verdict),
    /// The process ends before it hears anything, and another one starts.
    Crash,
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

    pub(crate) fn crash_after() -> Self {
        Self {
            happens: true,
            answer: Answer::Crash,
        }
    }
}

/// A kind of resource that a [`World`] can be built around.
pub(crate) trait Simulated:
    Kind + HasSpec<Spec: PartialEq> + HasStatus<Status = <Self as Kind>::Status>
{
    fn action(change: &Self::Change) -> Action;
    /// Changes the service's items; a created one comes back as the answer shows it.
    fn carry_out(
        change: &Self::Change,
        items: &mut Vec<Self::Item>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<Self::Item>, Verdict>;
    /// Why a service that keeps the rules refuses a change.
    fn refusal(_change: &Self::Change, _items: &[Self::Item]) -> Option<Verdict> {
        None
    }
    fn place() -> Place;
    fn surroundings() -> Self::Surroundings;
    fn generation_told(status: &<Self as Kind>::Status) -> i64;
    /// Whether the resource is to touch nothing: suspended, or behind another.
    fn stands_back(observed: &Observed<Self>) -> bool;
    fn only_observes(observed: &Observed<Self>) -> bool;
}

impl<K: Simulated> World<K> {
    pub(crate) fn new(resource: K) -> Self {
        Self {
            resource: Some(resource),
            service: Service::new(),
            now: start(),
            place: Ok(K::place()),
            around: K::surroundings(),
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
        self.service.states = vec![(Timestamp::MIN, items)];
        self
    }

    /// Lets the next effect of a kind end like this.
    pub(crate) fn when(mut self, effect: Effect, fate: Fate) -> Self {
        self.script.push((effect, fate));
        self
    }

    pub(crate) fn resource(&self) -> &K {
        self.resource.as_ref().unwrap()
    }

    pub(crate) fn status(&self) -> &<K as Kind>::Status {
        Kind::status(self.resource()).unwrap()
    }

    /// How often an effect took place.
    pub(crate) fn count(&self, effect: Effect) -> usize {
        self.journal.iter().filter(|past| **past == effect).count()
    }

    /// Lets a user change the resource.
    pub(crate) fn edit(&mut self, change: impl FnOnce(K) -> K) {
        let old = self.resource.take().unwrap();
        let mut new = change(old.clone());
        if new.spec() != old.spec() && new.meta().generation == old.meta().generation {
            new.meta_mut().generation = old.meta().generation.map(|generation| generation + 1);
        }
        self.resource = Some(new);
    }

    /// Lists the collection, as a poller does.
    pub(crate) fn poll(&mut self) {
        self.snapshot = Some(self.service.read(self.now, false));
    }

    /// Lets time pass. The resource is looked at when it wants to be and, after a poll, every ten seconds.
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

    /// One run, from observation to report.
    pub(crate) fn reconcile(&mut self) {
        self.again = None;
        let Some(mut observed) = self.observe() else {
            return;
        };
        let mut events = Vec::new();
        for _ in 0..LONGEST_RUN {
            let mut plan = self.plan(&mut observed);
            events.append(&mut plan.events);
            let Some(step) = plan.step else {
                self.again = plan.again;
                return self.report(&observed, &events);
            };
            if !self.execute(&mut observed, step) {
                self.again = Some(SignedDuration::from_secs(1));
                return;
            }
        }
        panic!("a run without end: {observed:?}");
    }

    /// Everything that is known when a run begins; `None`: the resource is gone.
    pub(crate) fn observe(&mut self) -> Option<Observed<K>> {
        self.runs += 1;
        let resource = self.resource.clone()?;
        Some(Observed {
            status: Kind::status(&resource).cloned().unwrap_or_default(),
            resource: Arc::new(resource),
            now: self.now,
            uuid: Uuid::from_u128(self.runs.into()),
            place: self.place.clone(),
            collection: self.snapshot.clone(),
            around: self.around.clone(),
            memory: self.memory,
            run: Run::default(),
            limits: limits(),
        })
    }

    /// Decides, and takes over everything but the step.
    pub(crate) fn plan(&mut self, observed: &mut Observed<K>) -> Plan<K> {
        self.now += SignedDuration::from_millis(10);
        observed.now = self.now;
        let plan = K::plan(observed);
        check(observed, &plan);
        observed.run.outcome = None;
        observed.status = plan.status.clone();
        observed.memory = plan.memory;
        self.memory = plan.memory;
        plan
    }

    /// Carries out a step; `false`: the run is over.
    pub(crate) fn execute(&mut self, observed: &mut Observed<K>, step: Step<K::Change>) -> bool {
        self.now += SignedDuration::from_millis(10);
        match step {
            Step::Look => {
                self.poll();
                observed.collection = Some(self.service.read(self.now, true));
                true
            }
            Step::Resource(step) => self.write(observed, &step),
            Step::Remote(change) => self.change(observed, &change),
        }
    }

    fn report(&mut self, observed: &Observed<K>, events: &[Event]) {
        let known = Kind::status(&*observed.resource)
            .cloned()
            .unwrap_or_default();
        if self.resource.is_some() && known != observed.status {
            let status = observed.status.clone();
            let transition = {
                use crate::plan::SharedStatus;
                event::of_transition(known.conditions(), status.conditions())
            };
            let write = |resource: &mut K| *resource.status_mut() = Some(status);
            if !self.apply(Effect::Status, write) {
                return;
            }
            self.events.extend(transition.map(|(_, reason, _)| reason));
        }
        self.events
            .extend(events.iter().map(|event| event.reason.to_owned()));
    }

    fn write(&mut self, observed: &mut Observed<K>, step: &ResourceStep) -> bool {
        let hold = |resource: &mut K| {
            resource.finalizers_mut().retain(|name| name != FINALIZER);
            resource.finalizers_mut().push(FINALIZER.to_owned());
        };
        let done = match step {
            ResourceStep::Hold => self.apply(Effect::Hold, hold),
            ResourceStep::Claim(attempt) => {
                observed.run.permit = Some(Permit::Create);
                self.apply(Effect::Claim, |resource| {
                    hold(resource);
                    let name = annotation::CREATE_ATTEMPT.to_owned();
                    resource.annotations_mut().insert(name, attempt.to_string());
                })
            }
            ResourceStep::Unclaim => self.apply(Effect::Unclaim, |resource| {
                resource
                    .annotations_mut()
                    .remove(annotation::CREATE_ATTEMPT);
            }),
            ResourceStep::Record => {
                observed.run.permit = Some(Permit::Reset);
                let status = observed.status.clone();
                self.apply(Effect::Record, |resource| {
                    *resource.status_mut() = Some(status);
                })
            }
            ResourceStep::Release => self.apply(Effect::Release, |resource| {
                resource.finalizers_mut().retain(|name| name != FINALIZER);
            }),
        };
        if let Some(resource) = &self.resource {
            observed.resource = Arc::new(resource.clone());
        } else {
            let finalizers = Arc::make_mut(&mut observed.resource).finalizers_mut();
            finalizers.retain(|name| name != FINALIZER);
        }
        done
    }

    /// Writes to the resource; `false`: that failed.
    fn apply(&mut self, effect: Effect, write: impl FnOnce(&mut K)) -> bool {
        let fate = self.fate(effect);
        if fate.happens
            && let Some(resource) = &mut self.resource
        {
            write(resource);
            self.journal.push(effect);
            if is_deleting(resource) && resource.finalizers().is_empty() {
                self.resource = None;
            }
        }
        self.survives(&fate) && fate.answer == Answer::Success
    }

    fn change(&mut self, observed: &mut Observed<K>, change: &K::Change) -> bool {
        observed.run.permit = None;
        let action = K::action(change);
        let fate = self.fate(Effect::Remote(action));
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
        observed.run.outcome = Some(match outcome {
            Err(verdict) => Outcome::Failed(action, verdict),
            Ok(created) => {
                observed.run.written |= matches!(action, Action::Create | Action::Update);
                if let Some(Read::Known(view)) = &mut observed.collection {
                    Arc::make_mut(&mut view.listing).items.extend(created);
                }
                Outcome::Done(action)
            }
        });
        true
    }

    fn fate(&mut self, effect: Effect) -> Fate {
        let next = self
            .script
            .iter()
            .position(|(planned, _)| *planned == effect);
        next.map_or_else(Fate::done, |index| self.script.remove(index).1)
    }

    /// A crash loses everything that is only remembered.
    fn survives(&mut self, fate: &Fate) -> bool {
        let crashed = fate.answer == Answer::Crash;
        if crashed {
            self.memory = Memory::default();
            self.snapshot = None;
        }
        !crashed
    }
}

impl<Item: Clone> Service<Item> {
    /// A service without items.
    pub(crate) fn new() -> Self {
        Self {
            lag: SignedDuration::ZERO,
            skew: SignedDuration::ZERO,
            unreadable: None,
            strict: true,
            states: vec![(Timestamp::MIN, Vec::new())],
            made: 0,
        }
    }

    /// Forgets what no list can show any more.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let shown = |(since, _): &(Timestamp, _)| now.duration_since(*since) >= self.lag;
        let last = self.states.iter().rposition(shown).unwrap_or_default();
        self.states.drain(..last);
        if let [(since, _)] = self.states.as_mut_slice() {
            *since = Timestamp::MIN;
        }
    }

    pub(crate) fn items(&self) -> &[Item] {
        self.states.last().map_or(&[], |(_, items)| items)
    }

    /// Lets somebody else change the items.
    pub(crate) fn meddle(&mut self, now: Timestamp, change: impl FnOnce(&mut Vec<Item>)) {
        let mut items = self.items().to_vec();
        change(&mut items);
        self.become_at(now, items);
    }

    fn become_at(&mut self, now: Timestamp, items: Vec<Item>) {
        self.states.retain(|(since, _)| *since < now);
        self.states.push((now, items));
    }

    pub(crate) fn change<K: Simulated<Item = Item>>(
        &mut self,
        change: &K::Change,
        now: Timestamp,
    ) -> Result<Option<Item>, Verdict> {
        if self.strict
            && let Some(verdict) = K::refusal(change, self.items())
        {
            return Err(verdict);
        }
        let mut items = self.items().to_vec();
        let answer = K::carry_out(change, &mut items, 101 + self.made, now + self.skew)?;
        self.made += u32::from(answer.is_some());
        self.become_at(now, items);
        Ok(answer)
    }

    pub(crate) fn read(&self, now: Timestamp, fresh: bool) -> Read<Item> {
        if let Some(verdict) = &self.unreadable {
            return Read::Unknown(verdict.clone());
        }
        let shown = self
            .states
            .iter()
            .rev()
            .find(|(since, _)| now.duration_since(*since) >= self.lag);
        let seconds = (now + self.skew).as_second();
        Read::Known(View {
            listing: Arc::new(Listing {
                items: shown.map_or_else(Vec::new, |(_, items)| items.clone()),
                date: Timestamp::from_second(seconds).unwrap(),
            }),
            began: now,
            fresh,
        })
    }
}

impl Simulated for ProvisioningFlow {
    fn refusal(change: &flow::Change, items: &[Flow]) -> Option<Verdict> {
        let flow::Change::Create { body, .. } = change else {
            return None;
        };
        let twin = |flow: &Flow| flow.flow_type == Some(body.flow_type);
        items.iter().any(twin).then(|| refused(Reason::Conflict))
    }
    fn action(change: &flow::Change) -> Action {
        match change {
            flow::Change::Create { .. } => Action::Create,
            flow::Change::Update { .. } => Action::Update,
            flow::Change::Reset { .. } => Action::Reset,
            flow::Change::Delete { .. } => Action::Delete,
        }
    }

    fn carry_out(
        change: &flow::Change,
        items: &mut Vec<Flow>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<Flow>, Verdict> {
        let index = |id: &str| items.iter().position(|flow| flow.id.as_str() == id);
        match change {
            flow::Change::Create { body, .. } => {
                let created = remote_flow(serial, body, clock);
                items.push(created.clone());
                Ok(Some(without_groups(created)))
            }
            flow::Change::Update { id, body } => {
                let index = index(id).ok_or(refused(Reason::NotFound))?;
                items[index].properties.extend(shown(body));
                Ok(None)
            }
            flow::Change::Reset { id } => index(id).map(|_| None).ok_or(refused(Reason::NotFound)),
            flow::Change::Delete { id } => {
                items.retain(|flow| flow.id.as_str() != id);
                Ok(None)
            }
        }
    }

    fn place() -> Place {
        Place {
            set: Some(SET.parse().unwrap()),
            route: "route".to_owned(),
        }
    }

    fn surroundings() -> flow::Surroundings {
        flow::Surroundings {
            rival: None,
            secrets: Ok(Vec::<AppliedSecret>::new()),
        }
    }

    fn generation_told(status: &ProvisioningFlowStatus) -> i64 {
        status.observed_generation
    }

    fn stands_back(observed: &Observed<Self>) -> bool {
        observed.resource.spec.suspend || observed.around.rival.is_some()
    }

    fn only_observes(observed: &Observed<Self>) -> bool {
        observed.resource.spec.management_policy == ManagementPolicy::Observe
    }
}

impl Simulated for OutboundProvisioningFlowSet {
    fn action(change: &flow_set::Change) -> Action {
        match change {
            flow_set::Change::Create { .. } => Action::Create,
            flow_set::Change::Update { .. } => Action::Update,
            flow_set::Change::Delete { .. } => Action::Delete,
        }
    }

    fn carry_out(
        change: &flow_set::Change,
        items: &mut Vec<FlowSet>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<FlowSet>, Verdict> {
        match change {
            flow_set::Change::Create { body, .. } => {
                let created = remote_set(serial, body, clock);
                items.push(created.clone());
                Ok(Some(created))
            }
            flow_set::Change::Update { id, body } => {
                let set = items.iter_mut().find(|set| set.id.as_str() == id);
                let set = set.ok_or(refused(Reason::NotFound))?;
                let FlowSet {
                    display_name,
                    filter,
                    ..
                } = remote_set(serial, body, clock);
                (set.display_name, set.filter) = (display_name, filter);
                Ok(None)
            }
            flow_set::Change::Delete { id } => {
                items.retain(|set| set.id.as_str() != id);
                Ok(None)
            }
        }
    }

    fn place() -> Place {
        Place {
            set: None,
            route: "route".to_owned(),
        }
    }

    fn surroundings() -> flow_set::Surroundings {
        flow_set::Surroundings::default()
    }

    fn generation_told(status: &OutboundProvisioningFlowSetStatus) -> i64 {
        status.observed_generation
    }

    fn stands_back(observed: &Observed<Self>) -> bool {
        observed.resource.spec.suspend || observed.around.rival.is_some()
    }

    fn only_observes(observed: &Observed<Self>) -> bool {
        observed.resource.spec.management_policy == ManagementPolicy::Observe
    }
}

/// A flow as lists show it.
pub(super) fn remote_flow(number: u32, body: &FlowBody, created: Timestamp) -> Flow {
    Flow {
        id: id(number).parse().unwrap(),
        flow_type: Some(body.flow_type),
        created: Some(created.to_string()),
        last_modified: Some(created.to_string()),
        readiness: Some("notReady".to_owned()),
        properties: shown(body),
    }
}

fn remote_set(number: u32, body: &FlowSetBody, created: Timestamp) -> FlowSet {
    let filter = body
        .filter
        .as_ref()
        .map(|filter| serde_json::to_value(filter).unwrap());
    FlowSet {
        id: id(number).parse().unwrap(),
        display_name: body.display_name.clone(),
        filter: filter.map(as_shown),
        created: Some(created.to_string()),
        last_modified: Some(created.to_string()),
        flows: None,
    }
}

fn shown(body: &FlowBody) -> serde_json::Map<String, Value> {
    let shown = body
        .properties
        .iter()
        .map(|(name, value)| (name.clone(), as_shown(value.clone())));
    shown.collect()
}

/// The answer to a create leaves the role groups out.
fn without_groups(mut flow: Flow) -> Flow {
    let configurations = flow.properties.get_mut("creationOptions");
    let configurations =
        configurations.and_then(|options| options["configurations"].as_array_mut());
    for configuration in configurations.into_iter().flatten() {
        configuration.as_object_mut().unwrap().remove("roleGroup");
    }
    flow
}
