//! Ownership of an existing flow, and its adoption where that is allowed.

use std::ops::ControlFlow::{Break, Continue};

use crate::api::{AdoptionPolicy, ProvisioningFlowStatus, reason};
use crate::graph::model::Flow;
use crate::plan::conditions::Summary;
use crate::plan::planner::Next;
use crate::plan::{Action, Ownership, Planned, resource};

use super::{FlowChange, FlowControl, FlowPlanner, reset};

/// Ends planning unless the flow is ours or may be adopted, and the resource has the finalizer.
pub(super) fn owned(planner: &mut FlowPlanner, flow: &Flow) -> FlowControl {
    let Some(ownership) = ownership(planner, flow) else {
        return Break(not_ours(planner, flow));
    };
    planner.finalizer()?;
    planner.memory.absent_since = None;
    planner.status.owned = planner.input.resource.is_managed();
    if ownership != Ownership::Recorded {
        take_over(planner);
        planner.owned(ownership, flow.id.as_str());
    }
    planner.resolve_attempt();
    Continue(())
}

/// Returns why `flow` is ours, or `None` if it is not.
pub(super) fn ownership(planner: &FlowPlanner, flow: &Flow) -> Option<Ownership> {
    let input = planner.input;
    let recorded = planner.status.id.as_deref();
    let is = |id: &str| id.eq_ignore_ascii_case(flow.id.as_str());
    if recorded.is_some_and(is) {
        return Some(Ownership::Recorded);
    }
    // A set has at most one flow of each type, and the list before the attempt did not contain it: the flow in the list
    // now is the outcome, whatever its creation date, unless the attempt is another resource's.
    let proves = |attempt| planner.proves(&attempt, flow.created_at());
    if planner.unresolved().is_some_and(proves) || planner.just_did(Action::Create) {
        return Some(Ownership::Attempt);
    }
    let managed = input.resource.is_managed();
    let permitted = match resource::adopted_id(&*input.resource) {
        Some(id) => is(id),
        None => !managed || input.resource.spec.adoption_policy == AdoptionPolicy::IfExists,
    };
    permitted.then_some(if managed {
        Ownership::Permission
    } else {
        Ownership::Observation
    })
}

fn not_ours(planner: &FlowPlanner, flow: &Flow) -> Next<FlowChange> {
    if !planner.is_fresh() {
        return Next::refresh();
    }
    let id = &flow.id;
    let message = match resource::adopted_id(&*planner.input.resource) {
        Some(wanted) => format!(
            "the set's flow of this type has the id {id}, not {wanted} as in the annotation industrydata.dev/remote-id: correct the annotation, or delete the flow at the service"
        ),
        None => format!(
            "the set already has a flow of this type, {id}, that was not created for this resource: to adopt it, set the annotation industrydata.dev/remote-id to that id or spec.adoptionPolicy to IfExists; or delete it at the service"
        ),
    };
    let reason = match resource::adopted_id(&*planner.input.resource) {
        Some(_) => reason::REMOTE_ID_NOT_FOUND,
        None => reason::ALREADY_EXISTS,
    };
    Next::wait(Summary::stalled(reason, message))
}

/// Removes from the status what it records about another flow.
fn take_over(planner: &mut FlowPlanner) {
    planner.memory.passwords.applied = None;
    planner.status = ProvisioningFlowStatus {
        drift: Vec::new(),
        applied_secrets: Vec::new(),
        applied_definition: None,
        readiness_history: Vec::new(),
        reset: reset::note(&planner.input.resource),
        ..planner.status.clone()
    };
}
