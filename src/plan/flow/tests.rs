use super::*;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::api::{ManagementPolicy, annotation};
use crate::graph::verdict::Reason;
use crate::plan::testing::*;
use crate::plan::{Action, EventReason, Outcome, Permit, Read, ResourceStep, Step};

mod adopt;
mod create;
mod day;
mod delete;
mod differences;
mod passwords;
mod properties;
mod readiness;
mod recreate;
mod reset;
mod summary;
mod update;
mod words;

const CREATE: Effect = Effect::Remote(Action::Create);
const UPDATE: Effect = Effect::Remote(Action::Update);
const RESET: Effect = Effect::Remote(Action::Reset);
const DELETE: Effect = Effect::Remote(Action::Delete);

type FlowInput = Input<ProvisioningFlow>;

fn small() -> ProvisioningFlow {
    flow(FlowType::SecurityGroup)
}

/// Returns the input of a reconcile half a minute after the start, with a fresh list if one is given.
fn input(resource: ProvisioningFlow, flows: Option<Vec<Flow>>) -> FlowInput {
    let mut world = World::new(resource);
    world.now = at(30);
    let mut input = world.observe().unwrap();
    input.collection = flows.map(|flows| listed(flows, 30));
    input
}

fn plan(input: &FlowInput) -> Plan<ProvisioningFlow> {
    let plan = ProvisioningFlow::plan(input);
    check(input, &plan);
    plan
}

/// Returns a resource whose flow 1 was created at 10 s and has been ready since.
fn owned(resource: ProvisioningFlow) -> World<ProvisioningFlow> {
    let mut remote = remote_flow(1, &resource, 10);
    remote.readiness = Some("ready".to_owned());
    let noted = super::reset::note(&resource);
    let resource = resource
        .held()
        .attempted(9)
        .knowing(|status: &mut ProvisioningFlowStatus| {
            status.reset = noted;
            status.id = Some(id(1));
            status.resolved_attempt = Some(attempt(9).id.to_string());
            status.flow_set_id = Some(SET.to_owned());
            status.created_date_time = Some(at(10).to_string());
        });
    let mut world = World::new(resource).holding(vec![remote]);
    // Older than lists may lag.
    world.now = at(60);
    world.poll();
    world.reconcile();
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
    world.journal.clear();
    world.events.clear();
    world
}

fn stalled(plan: &Plan<ProvisioningFlow>) -> String {
    condition_text(&plan.status.conditions, STALLED)
}
