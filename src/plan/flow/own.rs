//! Decides whose a flow is that exists, and takes it over where that is allowed.

use crate::api::{AdoptionPolicy, ProvisioningFlowStatus, reason};
use crate::graph::model::Flow;
use crate::plan::conditions::{Progress, Standing};
use crate::plan::event::Event;
use crate::plan::{Action, ResourceStep, resource};

use super::update::{self, Finding};
use super::{Decision, Draft, is_managed, readiness, reset, wanted_id};

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
    Observation,
}

pub(super) fn decide(draft: &mut Draft, flow: &Flow) -> Decision {
    let Some(proof) = prove(draft, flow) else {
        return not_ours(draft, flow);
    };
    let managed = is_managed(&draft.observed.resource);
    if managed && !resource::is_held(&*draft.observed.resource) {
        return Decision::write(ResourceStep::Hold);
    }
    draft.memory.absent_since = None;
    if proof != Proof::Recorded {
        take_over(draft, flow, proof);
    }
    draft.resolve_attempt();
    readiness::mirror(&mut draft.status, flow, draft.observed.now);
    let difference = match update::decide(draft, flow) {
        Finding::First(decision) => return decision,
        Finding::Differs(decision) => Some(decision),
        Finding::AsDeclared => None,
    };
    let reset = if managed {
        reset::decide(draft, flow)
    } else {
        reset::observe(draft);
        None
    };
    match (reset, difference) {
        (Some(reset), Some(difference)) => reset.unless_told(difference),
        (Some(decision), None) | (None, Some(decision)) => decision,
        (None, None) => {
            draft.status.retry = None;
            Decision::stand(Standing::Synced {
                progress: Progress::Settled,
            })
        }
    }
}

/// Why `flow` is ours; `None`: it is not.
pub(super) fn prove(draft: &Draft, flow: &Flow) -> Option<Proof> {
    let observed = draft.observed;
    let recorded = draft.status.id.as_deref();
    let is = |id: &str| id.eq_ignore_ascii_case(flow.id.as_str());
    if recorded.is_some_and(is) {
        return Some(Proof::Recorded);
    }
    // A set holds one flow of each type, and the list before the attempt lacked it: what is there now is its outcome,
    // whatever date the service gives it.
    if draft.unresolved().is_some() || draft.just_did(Action::Create) {
        return Some(Proof::Attempt);
    }
    let managed = is_managed(&observed.resource);
    let permitted = match wanted_id(&observed.resource) {
        Some(id) => is(id),
        None => !managed || observed.resource.spec.adoption_policy == AdoptionPolicy::IfExists,
    };
    permitted.then_some(if managed {
        Proof::Permission
    } else {
        Proof::Observation
    })
}

fn not_ours(draft: &Draft, flow: &Flow) -> Decision {
    if !draft.has_looked() {
        return Decision::look();
    }
    let id = &flow.id;
    let message = match wanted_id(&draft.observed.resource) {
        Some(wanted) => format!(
            "the set's flow of this type has the id {id}, not {wanted} as the annotation industrydata.dev/remote-id says: correct the annotation, or delete the flow at the service"
        ),
        None => format!(
            "the set has a flow of this type already, {id}, which was not made for this resource: to adopt it, set the annotation industrydata.dev/remote-id to that id or spec.adoptionPolicy to IfExists; or delete it at the service"
        ),
    };
    let reason = match wanted_id(&draft.observed.resource) {
        Some(_) => reason::REMOTE_ID_NOT_FOUND,
        None => reason::ALREADY_EXISTS,
    };
    Decision::stand(Standing::stalled(reason, message))
}

/// Starts to speak of a flow that the status does not know.
fn take_over(draft: &mut Draft, flow: &Flow, proof: Proof) {
    let id = &flow.id;
    draft.memory.passwords.applied = None;
    draft.status = ProvisioningFlowStatus {
        drift: Vec::new(),
        applied_secrets: Vec::new(),
        applied_definition: None,
        readiness_history: Vec::new(),
        reset: reset::note(&draft.observed.resource),
        ..draft.status.clone()
    };
    draft.events.push(match proof {
        Proof::Recorded => return,
        Proof::Attempt => Event::normal("Created", format!("created flow {id}")),
        Proof::Permission => Event::normal("Adopted", format!("adopted flow {id}")),
        Proof::Observation => Event::normal("Found", format!("found flow {id}")),
    });
}
