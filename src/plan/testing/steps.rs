//! Effects of a step on the resource and on the reconcile, as in the controller.

use std::sync::Arc;

use crate::api::{FINALIZER, annotation};
use crate::graph::verdict::{Certainty, Reason, Verdict};
use crate::plan::retry::PERMISSION_PAUSE;
use crate::plan::{Action, Input, Outcome, Planned, Read, ResourceStep};

use super::Simulated;

/// Applies a write to the resource. `status` is the planned status.
pub(crate) fn write<K: Simulated>(
    step: &ResourceStep,
    status: &<K as Planned>::Status,
    resource: &mut K,
) {
    match step {
        ResourceStep::AddFinalizer => hold(resource),
        ResourceStep::WriteIntent { attempt, .. } => {
            hold(resource);
            let name = annotation::CREATE_ATTEMPT.to_owned();
            resource.annotations_mut().insert(name, attempt.to_string());
        }
        ResourceStep::ClearIntent => {
            resource
                .annotations_mut()
                .remove(annotation::CREATE_ATTEMPT);
        }
        ResourceStep::WriteStatus(_) => *resource.status_mut() = Some(status.clone()),
        ResourceStep::RemoveFinalizer => release(resource),
    }
}

/// Records the outcome of a change at the service.
pub(crate) fn hear<K: Simulated>(
    input: &mut Input<K>,
    action: Action,
    outcome: Result<Option<K::Item>, Verdict>,
) {
    if action == Action::Delete {
        // The earlier list does not reflect the effect of the request.
        input.collection = None;
    }
    input.effects.outcome = Some(match outcome {
        Err(verdict) => {
            // No other resource of the connection takes a turn.
            let is_refusal = verdict.reason == Reason::Forbidden;
            input.effects.turn = is_refusal.then_some(PERMISSION_PAUSE);
            if verdict.certainty == Certainty::NotSent {
                let unsent = input.effects.used.clone();
                input.memory.permit = unsent.or(input.memory.permit.take());
            }
            Outcome::Failed(action, verdict)
        }
        Ok(created) => {
            input.effects.written |= matches!(action, Action::Create | Action::Update);
            if let Some(Read::Known(view)) = &mut input.collection {
                Arc::make_mut(&mut view.listing).items.extend(created);
            }
            Outcome::Done(action)
        }
    });
}

/// Uses up the permit for a request that is about to be sent.
pub(crate) fn leave<K: Simulated>(input: &mut Input<K>, action: Action) {
    let permit = &mut input.memory.permit;
    input.effects.used = permit.take_if(|permit| permit.action() == action);
}

fn hold<K: Simulated>(resource: &mut K) {
    release(resource);
    resource.finalizers_mut().push(FINALIZER.to_owned());
}

fn release<K: Simulated>(resource: &mut K) {
    resource.finalizers_mut().retain(|name| name != FINALIZER);
}
