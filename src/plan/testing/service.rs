//! A model of the service: its items, its lists, and the effects of changes.

use std::sync::{Arc, LazyLock};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::core::object::{HasSpec, HasStatus};
use serde_json::{Value, json};

use crate::api::{
    ManagementPolicy, OutboundProvisioningFlowSet, OutboundProvisioningFlowSetStatus,
    ProvisioningFlow, ProvisioningFlowStatus,
};
use crate::graph::model::{
    Flow, FlowDefinition, FlowId, FlowSet, FlowSetDefinition, FlowSetId, Listing,
};
use crate::graph::verdict::{Reason, Verdict};
use crate::plan::{
    Action, Container, Fetched, Input, Planned, Read, SharedStatus, Target, Unreadable, View, flow,
    flow_set,
};

use super::{SET, as_shown, conflicting, id, refused, start};

/// A model of the service.
#[derive(Clone, Debug)]
pub(crate) struct Service<Item> {
    /// The delay until lists contain a change.
    pub(crate) lag: SignedDuration,
    /// The difference of its clock to the local one.
    pub(crate) skew: SignedDuration,
    /// Why it cannot be listed, or `None` if it can.
    pub(crate) unreadable: Option<Verdict>,
    /// The number of consecutive failures to report when a list fails.
    pub(crate) failures: u32,
    /// Whether its lists are empty although it has items.
    pub(crate) lists_nothing: bool,
    /// Whether the object that contains the collection exists.
    pub(crate) container: Container,
    /// Whether it enforces the rule of one flow of each type.
    pub(crate) strict: bool,
    states: Vec<(Timestamp, Vec<Item>)>,
    made: u32,
}

/// A kind of resource that the model and the rules support.
pub(crate) trait Simulated:
    Planned + HasSpec<Spec: PartialEq> + HasStatus<Status = <Self as Planned>::Status>
{
    fn action(change: &Self::Change) -> Action;
    /// Changes the items, and returns a created one as in the response.
    fn carry_out(
        change: &Self::Change,
        items: &mut Vec<Self::Item>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<Self::Item>, Verdict>;
    /// Returns why a service that enforces the rules refuses a change, or `None` if it does not.
    fn refusal(_change: &Self::Change, _items: &[Self::Item]) -> Option<Verdict> {
        None
    }
    fn target() -> Target;
    fn surroundings() -> Self::Related;
    fn generation_told(status: &<Self as Planned>::Status) -> i64;
    /// Returns whether another resource manages the object.
    fn is_foreign(input: &Input<Self>) -> bool;
    /// Returns whether the resource must not change anything: it is suspended or conflicts with another one.
    fn stands_back(input: &Input<Self>) -> bool;
    fn only_observes(input: &Input<Self>) -> bool;
}

impl<Item: Clone> Service<Item> {
    /// Creates a service without items.
    pub(crate) fn new() -> Self {
        Self {
            lag: SignedDuration::ZERO,
            skew: SignedDuration::ZERO,
            unreadable: None,
            failures: 1,
            lists_nothing: false,
            container: Container::Exists,
            strict: true,
            states: vec![(Timestamp::MIN, Vec::new())],
            made: 0,
        }
    }

    /// Removes old versions that no list can contain any more.
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

    /// Changes the items as another client.
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
            return Read::Unknown(Unreadable {
                verdict: verdict.clone(),
                failures: self.failures,
            });
        }
        let shown = self
            .states
            .iter()
            .rev()
            .find(|(since, _)| now.duration_since(*since) >= self.lag)
            .filter(|_| !self.lists_nothing && self.container == Container::Exists);
        let seconds = (now + self.skew).as_second();
        Read::Known(View {
            listing: Arc::new(Listing::of(
                shown.map_or_else(Vec::new, |(_, items)| items.clone()),
                Timestamp::from_second(seconds).unwrap(),
            )),
            container: self.container,
            began: now,
            uptime: now.duration_since(start()),
            fresh,
        })
    }

    /// Returns the response to a read of the id in a status.
    pub(crate) fn fetch<K: Simulated<Item = Item>>(
        &self,
        status: &<K as Planned>::Status,
    ) -> Fetched {
        if let Some(verdict) = &self.unreadable {
            return Fetched::Unknown(verdict.clone());
        }
        let id = status.id().unwrap_or_default();
        let has = self
            .items()
            .iter()
            .any(|item| K::id_of(item).eq_ignore_ascii_case(id));
        if has && self.container == Container::Exists {
            Fetched::Present
        } else {
            Fetched::Absent
        }
    }
}

impl Simulated for ProvisioningFlow {
    fn refusal(change: &flow::FlowChange, items: &[Flow]) -> Option<Verdict> {
        let flow::FlowChange::Create { definition, .. } = change else {
            return None;
        };
        let twin = |flow: &Flow| flow.flow_type == Some(definition.flow_type);
        items.iter().any(twin).then(conflicting)
    }
    fn action(change: &flow::FlowChange) -> Action {
        match change {
            flow::FlowChange::Create { .. } => Action::Create,
            flow::FlowChange::Update { .. } => Action::Update,
            flow::FlowChange::Reset { .. } => Action::Reset,
            flow::FlowChange::Delete { .. } => Action::Delete,
        }
    }

    fn carry_out(
        change: &flow::FlowChange,
        items: &mut Vec<Flow>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<Flow>, Verdict> {
        let index = |id: &FlowId| items.iter().position(|flow| flow.id == *id);
        match change {
            flow::FlowChange::Create { definition, .. } => {
                let created = remote_flow(serial, definition, clock);
                items.push(created.clone());
                Ok(Some(without_groups(created)))
            }
            flow::FlowChange::Update { id, definition } => {
                let index = index(id).ok_or(refused(Reason::NotFound))?;
                items[index]
                    .properties
                    .change(|members| members.extend(shown(definition)));
                Ok(None)
            }
            flow::FlowChange::Reset { id } => {
                index(id).map(|_| None).ok_or(refused(Reason::NotFound))
            }
            flow::FlowChange::Delete { id } => {
                items.retain(|flow| flow.id != *id);
                Ok(None)
            }
        }
    }

    fn target() -> Target {
        // Explorations ask for it before each reconcile.
        static SET_ID: LazyLock<FlowSetId> = LazyLock::new(|| SET.parse().unwrap());
        Target {
            set: Some(SET_ID.clone()),
            revision: "route".to_owned(),
        }
    }

    fn surroundings() -> flow::FlowRelations {
        flow::FlowRelations {
            conflict: None,
            passwords: Ok(Vec::new()),
        }
    }

    fn generation_told(status: &ProvisioningFlowStatus) -> i64 {
        status.observed_generation
    }

    fn stands_back(input: &Input<Self>) -> bool {
        input.resource.spec.suspend || Self::is_foreign(input)
    }

    fn is_foreign(input: &Input<Self>) -> bool {
        input.related.conflict.is_some()
    }

    fn only_observes(input: &Input<Self>) -> bool {
        input.resource.spec.management_policy == ManagementPolicy::Observe
    }
}

impl Simulated for OutboundProvisioningFlowSet {
    fn action(change: &flow_set::FlowSetChange) -> Action {
        match change {
            flow_set::FlowSetChange::Create { .. } => Action::Create,
            flow_set::FlowSetChange::Update { .. } => Action::Update,
            flow_set::FlowSetChange::Delete { .. } => Action::Delete,
        }
    }

    fn carry_out(
        change: &flow_set::FlowSetChange,
        items: &mut Vec<FlowSet>,
        serial: u32,
        clock: Timestamp,
    ) -> Result<Option<FlowSet>, Verdict> {
        match change {
            flow_set::FlowSetChange::Create { definition, .. } => {
                let created = remote_set(serial, definition, clock);
                items.push(created.clone());
                Ok(Some(created))
            }
            flow_set::FlowSetChange::Update { id, definition } => {
                let set = items.iter_mut().find(|set| set.id == *id);
                let set = set.ok_or(refused(Reason::NotFound))?;
                let FlowSet {
                    display_name,
                    filter,
                    ..
                } = remote_set(serial, definition, clock);
                (set.display_name, set.filter) = (display_name, filter);
                Ok(None)
            }
            flow_set::FlowSetChange::Delete { id } => {
                items.retain(|set| set.id != *id);
                Ok(None)
            }
        }
    }

    fn target() -> Target {
        Target {
            set: None,
            revision: "route".to_owned(),
        }
    }

    fn surroundings() -> flow_set::FlowSetRelations {
        flow_set::FlowSetRelations::default()
    }

    fn generation_told(status: &OutboundProvisioningFlowSetStatus) -> i64 {
        status.observed_generation
    }

    fn is_foreign(input: &Input<Self>) -> bool {
        input.related.owner.is_some()
    }

    fn stands_back(input: &Input<Self>) -> bool {
        let conflict = input.related.conflict.is_some();
        input.resource.spec.suspend || conflict || Self::is_foreign(input)
    }

    fn only_observes(input: &Input<Self>) -> bool {
        input.resource.spec.management_policy == ManagementPolicy::Observe
    }
}

/// Returns a flow as in lists.
pub(super) fn remote_flow(number: u32, definition: &FlowDefinition, created: Timestamp) -> Flow {
    Flow {
        id: id(number).parse().unwrap(),
        flow_type: Some(definition.flow_type),
        created: Some(created.to_string()),
        last_modified: Some(created.to_string()),
        readiness: Some("notReady".to_owned()),
        properties: shown(definition).into(),
    }
}

fn remote_set(number: u32, definition: &FlowSetDefinition, created: Timestamp) -> FlowSet {
    let filter = definition
        .filter
        .as_ref()
        .map(|filter| json!({ "attribute": filter.attribute, "in": filter.values }));
    FlowSet {
        id: id(number).parse().unwrap(),
        display_name: definition.display_name.clone(),
        filter: filter.map(as_shown),
        created: Some(created.to_string()),
        last_modified: Some(created.to_string()),
    }
}

fn shown(definition: &FlowDefinition) -> serde_json::Map<String, Value> {
    let shown = definition
        .properties
        .iter()
        .map(|(name, value)| (name.clone(), as_shown(value.clone())));
    shown.collect()
}

/// Removes the role groups, as in the response to a create.
fn without_groups(mut flow: Flow) -> Flow {
    flow.properties.change(|members| {
        let configurations = members.get_mut("creationOptions");
        let configurations =
            configurations.and_then(|options| options["configurations"].as_array_mut());
        for configuration in configurations.into_iter().flatten() {
            configuration.as_object_mut().unwrap().remove("roleGroup");
        }
    });
    flow
}
