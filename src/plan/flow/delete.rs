//! Lets a flow's resource go: the remote flow first, unless it is to stay.

use crate::api::DeletionPolicy;
use crate::plan::conditions::Summary;
use crate::plan::delete::{Trace, release};
use crate::plan::resource;

use super::{Change, Found, Next, Planner, find, is_managed, own};

pub(super) fn decide(planner: &mut Planner) -> Next {
    let resource = &*planner.input.resource;
    if !resource::is_held(resource) {
        return Next::stand(Summary::Unchanged);
    }
    let keeps = resource.spec.deletion_policy == DeletionPolicy::Retain || !is_managed(resource);
    if keeps || resource::is_abandoned(resource) {
        return release();
    }
    planner.delete(
        "flow",
        |planner, _| trace(planner),
        |id| Change::Delete { id },
    )
}

fn trace(planner: &Planner) -> Trace {
    match find(planner) {
        Found::Present(flow) if own::prove(planner, &flow).is_some() => Trace::Ours {
            id: flow.id.to_string(),
            created: flow.created,
        },
        Found::Several(_) => Trace::Unclear("the set shows several flows of this type"),
        Found::Present(_) | Found::Absent | Found::SetGone | Found::Unread | Found::Unknown => {
            Trace::Absent
        }
    }
}
