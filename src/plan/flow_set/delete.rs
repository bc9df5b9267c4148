//! Lets a set go: after the flows that refer to it, and the remote set first, unless it is to stay.

use crate::graph::verdict::{Disposition, Verdict};
use crate::plan::draft::Absence;
use crate::plan::event::Event;
use crate::plan::{Action, Read, ResourceStep};

use super::own::{Found, find};
use super::{Change, Decision, DeletionPolicy, Draft, Standing, is_managed, reason, resource};

pub(super) fn decide(draft: &mut Draft) -> Decision {
    let resource = &*draft.observed.resource;
    if !resource::is_held(resource) {
        return Decision::stand(Standing::Unchanged);
    }
    if resource::is_abandoned(resource) {
        return release();
    }
    if draft.observed.around.flows.total > 0 {
        return Decision::stand(Standing::reconciling(
            reason::IN_USE,
            "the set is kept until no ProvisioningFlow refers to it any more: delete them too",
        ))
        .within_a_minute();
    }
    if resource.spec.deletion_policy == DeletionPolicy::Retain || !is_managed(resource) {
        return release();
    }
    remote(draft)
}

fn remote(draft: &mut Draft) -> Decision {
    if draft.just_did(Action::Delete) {
        draft
            .events
            .push(Event::normal("Deleted", "deleted the remote set"));
        return release();
    }
    if let Some(verdict) = draft.failure_of(Action::Delete) {
        return blocked(&verdict).after(draft.wait());
    }
    if let Some(wait) = draft.wait() {
        return Decision::stand(Standing::Unchanged).after(Some(wait));
    }
    if draft.unresolved().is_some() {
        return resolve(draft);
    }
    match draft.status.id.clone() {
        Some(id) => delete(draft, id),
        None => release(),
    }
}

/// A create may have taken effect unseen: nothing goes before that is certain.
fn resolve(draft: &mut Draft) -> Decision {
    if let Err(obstacle) = &draft.observed.place {
        return stuck(&obstacle.statement.message).within_a_minute();
    }
    let view = match &draft.observed.collection {
        Some(Read::Known(view)) if view.fresh => view,
        Some(Read::Unknown(verdict)) => return blocked(verdict).within_a_minute(),
        _ => return Decision::look(),
    };
    match find(draft, &view.listing.items) {
        Found::Ours(set, _) => delete(draft, set.id.to_string()),
        Found::Candidates(_) => stuck("more than one set could be the one that was made for it"),
        Found::Absent => match draft.absence(view) {
            Absence::Believed => release(),
            Absence::Unproved(wait) => Decision::stand(deleting()).after(Some(wait)),
        },
    }
}

fn delete(draft: &Draft, id: String) -> Decision {
    match &draft.observed.place {
        Err(obstacle) => stuck(&obstacle.statement.message).within_a_minute(),
        Ok(_) => Decision::change(Change::Delete { id }),
    }
}

fn release() -> Decision {
    Decision::write(ResourceStep::Release)
}

fn deleting() -> Standing {
    Standing::reconciling(reason::DELETING, "the remote set is being deleted")
}

fn blocked(verdict: &Verdict) -> Decision {
    match verdict.disposition {
        Disposition::Retry | Disposition::Throttled { .. } => Decision::stand(deleting()),
        Disposition::User | Disposition::Bug => stuck(&verdict.message),
    }
}

fn stuck(why: &str) -> Decision {
    let message = format!(
        "the remote set cannot be deleted: {why}. To let go of it instead, set the annotation industrydata.dev/abandon to \"true\""
    );
    Decision::stand(Standing::stalled(reason::DELETION_BLOCKED, message))
}
