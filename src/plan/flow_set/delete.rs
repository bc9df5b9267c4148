//! Lets a set's resource go: after the flows that refer to it, and the remote set first, unless it is to stay.

use crate::plan::deletion::{Trace, release};

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
    draft.delete(
        "set",
        |draft, view| match find(draft, &view.listing.items) {
            Found::Ours(set, _) => Trace::Ours {
                id: set.id.to_string(),
                created: set.created,
            },
            Found::Candidates(_) => {
                Trace::Unclear("more than one set could be the one that was made for it")
            }
            Found::Held(_) | Found::Absent => Trace::Absent,
        },
        |id| Change::Delete { id },
    )
}
