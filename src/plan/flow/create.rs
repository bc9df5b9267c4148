//! Creates a flow, never twice.
//!
//! 1. A fresh, complete list lacks the flow.
//! 2. The intent is written to the resource, under precondition ([`ResourceStep::Claim`]).
//! 3. The request is sent, by the very run that wrote the intent.
//! 4. Refused for certain: the intent is taken back. Anything but a clear answer: the intent stays, and whoever comes
//!    next starts at 1, where absence is only believed after the visibility window.

use crate::api::{DriftPolicy, reason};
use crate::plan::conditions::Standing;
use crate::plan::definition::FlowBody;
use crate::plan::draft::Absence;
use crate::plan::{Action, Permit, ResourceStep, resource};

use super::{Change, Decision, Draft, is_managed, wanted_id};

pub(super) fn decide(draft: &mut Draft) -> Decision {
    let Some(view) = draft.view() else {
        return Decision::look();
    };
    if let Some(verdict) = draft.failure_of(Action::Create) {
        return draft.create_failed(&verdict);
    }
    if let Some(standing) = forbidden(draft) {
        return Decision::stand(standing);
    }
    if let Err(obstacle) = &draft.observed.around.secrets {
        return draft.obstructed(obstacle);
    }
    if draft.may(Permit::Create) {
        return send(draft);
    }
    if let Some(wait) = draft.wait() {
        return Decision::stand(Standing::Unchanged).after(Some(wait));
    }
    if !view.fresh {
        return Decision::look();
    }
    match draft.absence(view) {
        Absence::Believed => Decision::write(ResourceStep::Claim(draft.attempt(view))),
        Absence::Unproved(wait) => draft.wait_for_proof(wait),
    }
}

/// Why nothing is created, although nothing is there.
fn forbidden(draft: &Draft) -> Option<Standing> {
    let resource = &draft.observed.resource;
    if !is_managed(resource) {
        return Some(Standing::stalled(
            reason::NOT_FOUND,
            "the set has no flow of this type to observe: create it, or set spec.managementPolicy to Manage",
        ));
    }
    if draft.status.id.is_some() {
        return (resource.spec.drift_policy == DriftPolicy::Report).then(|| {
            Standing::stalled(
                reason::NOT_FOUND,
                "the remote flow is gone: set spec.driftPolicy to Correct to have it made anew",
            )
        });
    }
    let id = wanted_id(resource)?;
    let message = format!(
        "the set has no flow with the id {id} that the annotation industrydata.dev/remote-id names: correct the id or remove the annotation"
    );
    Some(Standing::stalled(reason::REMOTE_ID_NOT_FOUND, message))
}

fn send(draft: &mut Draft) -> Decision {
    draft.memory.absent_since = None;
    let resource = &*draft.observed.resource;
    let intent = resource::attempt(resource).zip(FlowBody::of(&resource.spec));
    match intent {
        Some((attempt, body)) => Decision::change(Change::Create { attempt, body }),
        None => Decision::look(),
    }
}
