//! Decides whose a flow is that exists, and takes it over where that is allowed.

use crate::api::{AdoptionPolicy, ProvisioningFlowStatus, reason};
use crate::graph::model::Flow;
use crate::plan::conditions::{Progress, Summary};
use crate::plan::event::Event;
use crate::plan::{Action, ResourceStep, resource};

use super::update::{self, Finding};
use super::{Next, Planner, is_managed, readiness, reset, wanted_id};

/// Why a flow is ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its id stands in the status.
    Recorded,
    /// It was made by this run, or after our intent to create it.
    Attempt,
    /// The user named its id, or allowed adoption.
    Permission,
    /// We only look.
    FlowInput,
}

pub(super) fn decide(planner: &mut Planner, flow: &Flow) -> Next {
    let Some(proof) = prove(planner, flow) else {
        return not_ours(planner, flow);
    };
    let managed = is_managed(&planner.input.resource);
    if managed && !resource::is_held(&*planner.input.resource) {
        return Next::write(ResourceStep::AddFinalizer);
    }
    planner.memory.absent_since = None;
    if proof != Proof::Recorded {
        take_over(planner, flow, proof);
    }
    planner.resolve_attempt();
    readiness::mirror(&mut planner.status, flow, planner.input.now);
    let difference = match update::decide(planner, flow) {
        Finding::First(decision) => return decision,
        Finding::Differs(decision) => Some(decision),
        Finding::AsDeclared => None,
    };
    let reset = if managed {
        reset::decide(planner, flow)
    } else {
        reset::observe(planner);
        None
    };
    match (reset, difference) {
        (Some(reset), Some(difference)) => reset.unless_told(difference),
        (Some(decision), None) | (None, Some(decision)) => decision,
        (None, None) => {
            planner.status.retry = None;
            Next::stand(Summary::Synced {
                progress: Progress::Settled,
            })
        }
    }
}

/// Why `flow` is ours; `None`: it is not.
pub(super) fn prove(planner: &Planner, flow: &Flow) -> Option<Proof> {
    let input = planner.input;
    let recorded = planner.status.id.as_deref();
    let is = |id: &str| id.eq_ignore_ascii_case(flow.id.as_str());
    if recorded.is_some_and(is) {
        return Some(Proof::Recorded);
    }
    // A set holds one flow of each type, and the list before the attempt lacked it: what is there now is its outcome,
    // whatever date the service gives it.
    if planner.unresolved().is_some() || planner.just_did(Action::Create) {
        return Some(Proof::Attempt);
    }
    let managed = is_managed(&input.resource);
    let permitted = match wanted_id(&input.resource) {
        Some(id) => is(id),
        None => !managed || input.resource.spec.adoption_policy == AdoptionPolicy::IfExists,
    };
    permitted.then_some(if managed {
        Proof::Permission
    } else {
        Proof::FlowInput
    })
}

fn not_ours(planner: &Planner, flow: &Flow) -> Next {
    if !planner.has_looked() {
        return Next::look();
    }
    let id = &flow.id;
    let message = match wanted_id(&planner.input.resource) {
        Some(wanted) => format!(
            "the set's flow of this type has the id {id}, not {wanted} as the annotation industrydata.dev/remote-id says: correct the annotation, or delete the flow at the service"
        ),
        None => format!(
            "the set has a flow of this type already, {id}, which was not made for this resource: to adopt it, set the annotation industrydata.dev/remote-id to that id or spec.adoptionPolicy to IfExists; or delete it at the service"
        ),
    };
    let reason = match wanted_id(&planner.input.resource) {
        Some(_) => reason::REMOTE_ID_NOT_FOUND,
        None => reason::ALREADY_EXISTS,
    };
    Next::stand(Summary::stalled(reason, message))
}

/// Starts to speak of a flow that the status does not know.
fn take_over(planner: &mut Planner, flow: &Flow, proof: Proof) {
    let id = &flow.id;
    planner.memory.passwords.applied = None;
    planner.status = ProvisioningFlowStatus {
        drift: Vec::new(),
        applied_secrets: Vec::new(),
        applied_definition: None,
        readiness_history: Vec::new(),
        reset: reset::note(&planner.input.resource),
        ..planner.status.clone()
    };
    planner.events.push(match proof {
        Proof::Recorded => return,
        Proof::Attempt => Event::normal("Created", format!("created flow {id}")),
        Proof::Permission => Event::normal("Adopted", format!("adopted flow {id}")),
        Proof::FlowInput => Event::normal("Found", format!("found flow {id}")),
    });
}
