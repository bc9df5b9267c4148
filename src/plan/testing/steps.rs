//! What a step does to the resource and to the run that takes it, as the controller does it.

use std::sync::Arc;

use crate::api::{FINALIZER, annotation};
use crate::graph::verdict::{Certainty, Verdict};
use crate::plan::{Action, Kind, Observed, Outcome, Read, ResourceStep};

use super::Simulated;

/// What a write does to the resource. `status` is the one that is planned.
pub(crate) fn write<K: Simulated>(
    step: &ResourceStep,
    status: &<K as Kind>::Status,
    resource: &mut K,
) {
    match step {
        ResourceStep::Hold => hold(resource),
        ResourceStep::Claim { attempt, .. } => {
            hold(resource);
            let name = annotation::CREATE_ATTEMPT.to_owned();
            resource.annotations_mut().insert(name, attempt.to_string());
        }
        ResourceStep::Unclaim => {
            resource
                .annotations_mut()
                .remove(annotation::CREATE_ATTEMPT);
        }
        ResourceStep::Record(_) => *resource.status_mut() = Some(status.clone()),
        ResourceStep::Release => release(resource),
    }
}

/// What the outcome of a change at the service tells the run.
pub(crate) fn hear<K: Simulated>(
    observed: &mut Observed<K>,
    action: Action,
    outcome: Result<Option<K::Item>, Verdict>,
) {
    if action == Action::Delete {
        // What was listed before says nothing about what the request has done.
        observed.collection = None;
    }
    observed.run.outcome = Some(match outcome {
        Err(verdict) => {
            if verdict.certainty == Certainty::NotSent {
                let unsent = observed.run.used.clone();
                observed.memory.permit = unsent.or(observed.memory.permit.take());
            }
            Outcome::Failed(action, verdict)
        }
        Ok(created) => {
            observed.run.written |= matches!(action, Action::Create | Action::Update);
            if let Some(Read::Known(view)) = &mut observed.collection {
                Arc::make_mut(&mut view.listing).items.extend(created);
            }
            Outcome::Done(action)
        }
    });
}

/// Uses up the permit for a request that is about to leave.
pub(crate) fn leave<K: Simulated>(observed: &mut Observed<K>, action: Action) {
    let permit = &mut observed.memory.permit;
    observed.run.used = permit.take_if(|permit| permit.action() == action);
}

fn hold<K: Simulated>(resource: &mut K) {
    release(resource);
    resource.finalizers_mut().push(FINALIZER.to_owned());
}

fn release<K: Simulated>(resource: &mut K) {
    resource.finalizers_mut().retain(|name| name != FINALIZER);
}
