//! Creates a set, never twice. The steps are those of a flow.

use crate::graph::model::FlowSet;
use crate::plan::draft::Absence;
use crate::plan::{Action, Permit, ResourceStep, View, resource};

use super::{
    Change, Decision, Draft, DriftPolicy, FlowSetBody, Standing, is_managed, reason, wanted_id,
};

pub(super) fn decide(draft: &mut Draft, view: &View<FlowSet>) -> Decision {
    if let Some(verdict) = draft.failure_of(Action::Create) {
        return draft.create_failed(&verdict);
    }
    if let Some(standing) = forbidden(draft) {
        return Decision::stand(standing);
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
            "the service has no set with this displayName to observe: create it, or set spec.managementPolicy to Manage",
        ));
    }
    if draft.status.id.is_some() {
        return (resource.spec.drift_policy == DriftPolicy::Report).then(|| {
            Standing::stalled(
                reason::NOT_FOUND,
                "the remote set is gone: set spec.driftPolicy to Correct to have it made anew",
            )
        });
    }
    let id = wanted_id(resource)?;
    let message = format!(
        "the service has no set with the id {id} that the annotation industrydata.dev/remote-id names: correct the id or remove the annotation"
    );
    Some(Standing::stalled(reason::REMOTE_ID_NOT_FOUND, message))
}

fn send(draft: &mut Draft) -> Decision {
    draft.memory.absent_since = None;
    let resource = &*draft.observed.resource;
    let body = FlowSetBody::of(&resource.spec);
    match resource::attempt(resource) {
        Some(attempt) => Decision::change(Change::Create { attempt, body }),
        None => Decision::look(),
    }
}
