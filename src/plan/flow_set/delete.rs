//! Lets a set's resource go: after the flows that refer to it, and the remote set first, unless it is to stay.

use crate::plan::delete::{Trace, release};

use super::own::{Found, find};
use super::{Change, DeletionPolicy, Next, Planner, Summary, is_managed, reason, resource};

pub(super) fn decide(planner: &mut Planner) -> Next {
    let resource = &*planner.input.resource;
    if !resource::is_held(resource) {
        return Next::stand(Summary::Unchanged);
    }
    if resource::is_abandoned(resource) {
        return release();
    }
    if planner.input.related.flows.total > 0 {
        return Next::stand(Summary::reconciling(
            reason::IN_USE,
            "the set is kept until no ProvisioningFlow refers to it any more: delete them too",
        ))
        .within_a_minute();
    }
    if resource.spec.deletion_policy == DeletionPolicy::Retain || !is_managed(resource) {
        return release();
    }
    planner.delete(
        "set",
        |planner, view| match find(planner, &view.listing.items) {
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
