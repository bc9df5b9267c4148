//! Lets a flow's resource go: the remote flow first, unless it is to stay.

use crate::api::DeletionPolicy;
use crate::plan::conditions::Standing;
use crate::plan::deletion::{Trace, release};
use crate::plan::resource;

use super::{Change, Decision, Draft, Found, find, is_managed, own};

pub(super) fn decide(draft: &mut Draft) -> Decision {
    let resource = &*draft.observed.resource;
    if !resource::is_held(resource) {
        return Decision::stand(Standing::Unchanged);
    }
    let keeps = resource.spec.deletion_policy == DeletionPolicy::Retain || !is_managed(resource);
    if keeps || resource::is_abandoned(resource) {
        return release();
    }
    draft.delete("flow", |draft, _| trace(draft), |id| Change::Delete { id })
}

fn trace(draft: &Draft) -> Trace {
    match find(draft) {
        Found::Present(flow) if own::prove(draft, &flow).is_some() => Trace::Ours {
            id: flow.id.to_string(),
            created: flow.created,
        },
        Found::Several(_) => Trace::Unclear("the set shows several flows of this type"),
        Found::Present(_) | Found::Absent | Found::SetGone | Found::Unread | Found::Unknown => {
            Trace::Absent
        }
    }
}
