//! Finds the flow that a resource stands for in its set, or has it created.

use std::ops::ControlFlow::{Break, Continue};

use crate::api::reason;
use crate::graph::model::Flow;
use crate::plan::conditions::Summary;
use crate::plan::create::Missing;
use crate::plan::definition::FlowBody;
use crate::plan::delete::CreateOutcome;
use crate::plan::planner::Next;
use crate::plan::{Container, View, text};

use super::{Change, Control, Planner, adopt};

/// What a complete list shows of our flow.
enum FlowLookup {
    Absent,
    Present(Flow),
    /// More than one of our type, by id.
    Several(Vec<String>),
}

/// The flow that the service has. Planning ends where it has to be created, or cannot be found out.
pub(super) fn find_or_create(planner: &mut Planner) -> Control<Flow> {
    let view = planner.listed(planner.status.id.is_some())?;
    if view.container == Container::Gone {
        return Break(set_gone(planner, view)?);
    }
    match find(planner, view) {
        FlowLookup::Present(flow) => Continue(flow),
        FlowLookup::Several(ids) => Break(several(planner, &ids)),
        FlowLookup::Absent => match create(planner, view)? {},
    }
}

/// What has become of a create whose outcome is unresolved.
pub(super) fn create_outcome(planner: &Planner, view: &View<Flow>) -> CreateOutcome {
    match find(planner, view) {
        FlowLookup::Present(flow) if adopt::ownership(planner, &flow).is_some() => {
            CreateOutcome::Ours {
                id: flow.id.to_string(),
                created: flow.created,
            }
        }
        FlowLookup::Several(_) => {
            CreateOutcome::Unclear("the set shows several flows of this type")
        }
        FlowLookup::Present(_) | FlowLookup::Absent => CreateOutcome::Absent,
    }
}

/// The flow of our type in our set, of which there can be one at most; or the one that is known to be ours, also where
/// the service does not say of what type it is.
fn find(planner: &Planner, view: &View<Flow>) -> FlowLookup {
    let recorded = planner.status.id.as_deref();
    let mine = |flow: &&Flow| match flow.flow_type {
        Some(_) => flow.flow_type == planner.flow_type(),
        None => recorded.is_some_and(|id| id.eq_ignore_ascii_case(flow.id.as_str())),
    };
    let found: Vec<&Flow> = view.listing.items.iter().filter(mine).collect();
    match found.as_slice() {
        [] => FlowLookup::Absent,
        [flow] => FlowLookup::Present((*flow).clone()),
        several => FlowLookup::Several(several.iter().map(|flow| flow.id.to_string()).collect()),
    }
}

fn create(planner: &mut Planner, view: &View<Flow>) -> Control<std::convert::Infallible> {
    let input = planner.input;
    let missing = Missing {
        what: "the set has no flow of this type",
        name: None,
        blocked: input.related.passwords.as_ref().err(),
    };
    planner.create(view, &missing, |attempt| {
        let body = FlowBody::of(&input.resource.spec)?;
        Some(Change::Create { attempt, body })
    })
}

/// The set does not exist, so neither does a flow in it, and none can be created.
///
/// Of a flow that was there before, the lists over the visibility window have to agree.
fn set_gone(planner: &mut Planner, view: &View<Flow>) -> Control<Next<Change>> {
    if !view.fresh {
        return Break(Next::refresh());
    }
    if planner.status.id.is_some() {
        planner.absent(view)?;
    }
    let summary = match &planner.input.resource.spec.flow_set_id {
        Some(id) => Summary::stalled(
            reason::FLOW_SET_NOT_FOUND,
            format!(
                "the service has no set with the id {id} that spec.flowSetId names: create another ProvisioningFlow with the right id"
            ),
        ),
        None => Summary::reconciling(
            reason::FLOW_SET_NOT_READY,
            "the remote set no longer exists: the flow follows once the OutboundProvisioningFlowSet has created it again",
        ),
    };
    Continue(planner.wait_a_minute(summary))
}

fn several(planner: &Planner, ids: &[String]) -> Next<Change> {
    let message = format!(
        "the set shows {} {} flows ({}), of which it can hold one: delete the surplus at the service",
        ids.len(),
        planner.type_name(),
        text::list_ids(ids)
    );
    Next::wait(Summary::stalled(reason::DUPLICATE_REMOTE, message))
}
