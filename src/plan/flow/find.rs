//! Lookup of the flow of a resource in its set, or its creation.

use std::ops::ControlFlow::{Break, Continue};

use crate::api::reason;
use crate::graph::model::{Flow, FlowDefinition};
use crate::plan::conditions::Summary;
use crate::plan::create::Missing;
use crate::plan::delete::CreateOutcome;
use crate::plan::planner::Next;
use crate::plan::{Container, View, text};

use super::{FlowChange, FlowControl, FlowPlanner, adopt};

/// The result of the lookup in a complete list.
enum FlowLookup {
    Absent,
    Present(Flow),
    /// The ids of several flows of our type.
    Several(Vec<String>),
}

/// Returns the existing flow. Ends planning if it must be created or cannot be determined.
pub(super) fn find_or_create(planner: &mut FlowPlanner) -> FlowControl<Flow> {
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

/// Returns the outcome of an unresolved create.
pub(super) fn create_outcome(planner: &FlowPlanner, view: &View<Flow>) -> CreateOutcome {
    match find(planner, view) {
        FlowLookup::Present(flow) if adopt::ownership(planner, &flow).is_some() => {
            CreateOutcome::Ours {
                id: flow.id.to_string(),
                created: flow.created,
            }
        }
        FlowLookup::Several(_) => {
            CreateOutcome::Unclear("the set contains several flows of this type")
        }
        FlowLookup::Present(_) | FlowLookup::Absent => CreateOutcome::Absent,
    }
}

/// Finds the flow of our type in our set, which can contain at most one, or the flow that is known to be ours, even if
/// the service does not return its type.
fn find(planner: &FlowPlanner, view: &View<Flow>) -> FlowLookup {
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

fn create(planner: &mut FlowPlanner, view: &View<Flow>) -> FlowControl<std::convert::Infallible> {
    let input = planner.input;
    let missing = Missing {
        what: "the set has no flow of this type",
        name: None,
        blocked: input.related.passwords.as_ref().err(),
    };
    planner.create(view, &missing, |attempt| {
        let definition = FlowDefinition::of(&input.resource.spec)?;
        Some(FlowChange::Create {
            attempt,
            definition,
        })
    })
}

/// Handles a set that does not exist: it cannot contain a flow, and a flow cannot be created in it.
///
/// If the flow existed before, all lists within the visibility window must agree.
fn set_gone(planner: &mut FlowPlanner, view: &View<Flow>) -> FlowControl<Next<FlowChange>> {
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
                "the service has no set with the id {id} in spec.flowSetId: create another ProvisioningFlow with the correct id"
            ),
        ),
        None => Summary::reconciling(
            reason::FLOW_SET_NOT_READY,
            "the remote set no longer exists: the flow is recreated after the OutboundProvisioningFlowSet has recreated its set",
        ),
    };
    Continue(planner.wait_a_minute(summary))
}

fn several(planner: &FlowPlanner, ids: &[String]) -> Next<FlowChange> {
    let message = format!(
        "the set contains {} {} flows ({}) but can have only one: delete the others at the service",
        ids.len(),
        planner.type_name(),
        text::list_ids(ids)
    );
    Next::wait(Summary::stalled(reason::DUPLICATE_REMOTE, message))
}
