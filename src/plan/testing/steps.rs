//! What a step does to the resource and to the run that takes it, as the controller does it.

use std::sync::Arc;

use crate::api::{FINALIZER, annotation};
use crate::graph::verdict::Verdict;
use crate::plan::{Action, Kind, Observed, Outcome, Permit, Read, ResourceStep};

use super::Simulated;

/// What a run may do next that is about to write this.
pub(crate) fn permit(step: &ResourceStep) -> Option<Permit> {
    match step {
        ResourceStep::Claim(_) => Some(Permit::Create),
        ResourceStep::Record => Some(Permit::Reset),
        ResourceStep::Hold | ResourceStep::Unclaim | ResourceStep::Release => None,
    }
}

/// What a write does to the resource. `status` is the one that is planned.
pub(crate) fn write<K: Simulated>(
    step: &ResourceStep,
    status: &<K as Kind>::Status,
    resource: &mut K,
) {
    match step {
        ResourceStep::Hold => hold(resource),
        ResourceStep::Claim(attempt) => {
            hold(resource);
            let name = annotation::CREATE_ATTEMPT.to_owned();
            resource.annotations_mut().insert(name, attempt.to_string());
        }
        ResourceStep::Unclaim => {
            resource
                .annotations_mut()
                .remove(annotation::CREATE_ATTEMPT);
        }
        ResourceStep::Record => *resource.status_mut() = Some(status.clone()),
        ResourceStep::Release => release(resource),
    }
}

/// What the outcome of a change at the service tells the run.
pub(crate) fn hear<K: Simulated>(
    observed: &mut Observed<K>,
    action: Action,
    outcome: Result<Option<K::Item>, Verdict>,
) {
    observed.run.outcome = Some(match outcome {
        Err(verdict) => Outcome::Failed(action, verdict),
        Ok(created) => {
            observed.run.written |= matches!(action, Action::Create | Action::Update);
            if let Some(Read::Known(view)) = &mut observed.collection {
                Arc::make_mut(&mut view.listing).items.extend(created);
            }
            Outcome::Done(action)
        }
    });
}

fn hold<K: Simulated>(resource: &mut K) {
    release(resource);
    resource.finalizers_mut().push(FINALIZER.to_owned());
}

fn release<K: Simulated>(resource: &mut K) {
    resource.finalizers_mut().retain(|name| name != FINALIZER);
}
