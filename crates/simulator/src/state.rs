//! Snapshot of the state of the service, regardless of its responses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    flow_type::FlowType,
    problem::Problem,
    render::{Renderer, RoleGroups},
    store::{Flow, FlowSet},
    world::World,
};

/// A set as it is now, visible to reads or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetState {
    /// Id.
    pub id: String,
    /// `displayName`.
    pub display_name: String,
    /// The set as a GET would answer it, without annotations of the answer.
    pub resource: Value,
    /// Its flows, oldest first.
    pub flows: Vec<FlowState>,
}

/// A flow as it is now, visible to reads or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowState {
    /// Id.
    pub id: String,
    /// Id of its set.
    pub set: String,
    /// Type.
    pub flow_type: FlowType,
    /// `readinessStatus`.
    pub readiness: String,
    /// When it was last reset.
    pub last_reset: Option<String>,
    /// The flow as a GET would answer it, without annotations of the answer.
    pub resource: Value,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The service's clock.
    pub now: String,
    /// How many writes there were, for [`crate::Effect::AsOf`].
    pub writes: u64,
    /// Sets, oldest first.
    pub sets: Vec<SetState>,
    /// Runs, oldest first.
    pub runs: Value,
    /// Access tokens that are still good.
    pub live_tokens: usize,
}

pub(crate) fn snapshot(world: &World) -> Snapshot {
    Snapshot {
        now: world.now().to_string(),
        writes: world.store.written(),
        sets: world
            .store
            .current()
            .sets()
            .map(|set| set_state(world, set))
            .collect(),
        runs: crate::runs::inside(world),
        live_tokens: world.directory.live_tokens(world.now()),
    }
}

pub(crate) fn flow_by_id(world: &World, id: &str) -> Result<FlowState, Problem> {
    let set = world
        .store
        .current()
        .set_of(id)
        .ok_or_else(|| Problem::not_found("the provisioning flow"))?;
    let (set, flow) = world
        .store
        .current()
        .flow(&set.id, id, crate::store::IdCase::Folded)?;
    Ok(flow_state(world, &set.id, flow))
}

fn set_state(world: &World, set: &FlowSet) -> SetState {
    let name = set
        .properties
        .get("displayName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    SetState {
        id: set.id.clone(),
        display_name: name.to_owned(),
        resource: Value::Object(renderer(world).set(set)),
        flows: set
            .flows
            .iter()
            .map(|flow| flow_state(world, &set.id, flow))
            .collect(),
    }
}

fn flow_state(world: &World, set: &str, flow: &Flow) -> FlowState {
    FlowState {
        id: flow.id.clone(),
        set: set.to_owned(),
        flow_type: flow.kind,
        readiness: flow.readiness.at(world.now()).to_owned(),
        last_reset: flow.last_reset.map(|time| time.to_string()),
        resource: Value::Object(renderer(world).flow(set, flow)),
    }
}

fn renderer(world: &World) -> Renderer<'_> {
    Renderer {
        base: "",
        behavior: &world.behavior,
        now: world.now(),
        role_groups: RoleGroups::Expanded,
    }
}
