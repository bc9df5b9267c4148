use std::sync::Arc;

use super::*;
use crate::api::condition::{READY, STALLED, SYNCED};
use crate::api::{ManagementPolicy, annotation};
use crate::graph::verdict::Reason;
use crate::plan::testing::*;
use crate::plan::{Action, EventReason, ResourceStep, Step};

mod adopt;
mod create;
mod delete;
mod update;

const CREATE: Effect = Effect::Remote(Action::Create);
const UPDATE: Effect = Effect::Remote(Action::Update);
const DELETE: Effect = Effect::Remote(Action::Delete);
const NAME: &str = "District north";

type FlowInput = Input<OutboundProvisioningFlowSet>;

fn input(resource: OutboundProvisioningFlowSet, sets: Vec<FlowSet>) -> FlowInput {
    let mut world = World::new(resource);
    world.now = at(30);
    let mut input = world.observe().unwrap();
    input.collection = Some(listed(sets, 30));
    input
}

fn plan(input: &FlowInput) -> Plan<OutboundProvisioningFlowSet> {
    let plan = OutboundProvisioningFlowSet::plan(input);
    check(input, &plan);
    // Of what others manage, a plan needs to know the candidates only.
    let held = |id: &&FlowSetId| input.related.held.contains(*id);
    let mut narrow = input.clone();
    narrow.related.held = candidates(input).filter(held).cloned().collect();
    let same = OutboundProvisioningFlowSet::plan(&narrow);
    assert_eq!(format!("{same:?}"), format!("{plan:?}"));
    plan
}

/// Returns a resource whose set 1 was created at 10 s.
fn owned(resource: OutboundProvisioningFlowSet) -> World<OutboundProvisioningFlowSet> {
    let resource = resource.held().attempted(9);
    let resource = resource.knowing(|status: &mut OutboundProvisioningFlowSetStatus| {
        status.id = Some(id(1));
        status.resolved_attempt = Some(attempt(9).id.to_string());
        status.created_date_time = Some(at(10).to_string());
    });
    let mut world = World::new(resource).holding(vec![remote_set(1, NAME, 10)]);
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

#[test]
fn a_suspended_or_younger_set_touches_nothing() {
    let mut suspended = input(flow_set().with(|spec| spec.suspend = true), Vec::new());
    suspended.resource = Arc::new((*suspended.resource).clone().held());
    assert_eq!(
        condition_text(&plan(&suspended).status.conditions, SYNCED),
        "False/Suspended"
    );
    let mut younger = input(flow_set(), Vec::new());
    younger.related.conflict = Some("older".to_owned());
    assert_eq!(
        condition_text(&plan(&younger).status.conditions, STALLED),
        "True/Conflict"
    );
}

#[test]
fn flows_are_summed_up_without_another_write_at_rest() {
    let mut world = owned(flow_set());
    world.related.flows = FlowCount::new(2, 1);
    world.live(60);
    assert_eq!(world.journal, [Effect::Status]);
    assert_eq!(world.status().flows, Some(FlowCount::new(2, 1)));
}

#[test]
fn a_failing_list_changes_nothing() {
    let mut world = owned(flow_set());
    world.service.unreadable = Some(unavailable());
    world.poll();
    world.live(60);
    assert_eq!(world.journal, []);
}
