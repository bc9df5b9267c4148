//! Finds the set that a resource stands for, or has it created.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use crate::api::{AdoptionPolicy, OutboundProvisioningFlowSet, reason};
use crate::graph::model::{FlowSet, FlowSetId};
use crate::plan::conditions::Summary;
use crate::plan::create::Missing;
use crate::plan::definition::FlowSetBody;
use crate::plan::delete::CreateOutcome;
use crate::plan::planner::Next;
use crate::plan::{Action, Input, Ownership, Planned, Read, View, resource, text};

use super::{Change, Control, Planner};

/// What a complete list shows of our set.
enum SetLookup {
    Absent,
    Ours(FlowSet, Ownership),
    /// The set that the user named, which another resource manages.
    Held(String),
    /// Sets of our name, none of which is certainly ours.
    Candidates(Vec<String>),
}

/// The set that the service has, and why it is ours. Planning ends where it has to be created, or cannot be found out.
pub(super) fn find_or_create(planner: &mut Planner) -> Control<(FlowSet, Ownership)> {
    let view = planner.listed(planner.status.id.is_some())?;
    match find(planner, &view.listing.items) {
        SetLookup::Ours(set, ownership) => Continue((set, ownership)),
        SetLookup::Held(id) => Break(held(planner, &id)),
        SetLookup::Candidates(ids) => Break(undecided(planner, &ids)),
        SetLookup::Absent => match create(planner, view)? {},
    }
}

/// What has become of a create whose outcome is unresolved.
pub(super) fn create_outcome(planner: &Planner, view: &View<FlowSet>) -> CreateOutcome {
    match find(planner, &view.listing.items) {
        SetLookup::Ours(set, _) => CreateOutcome::Ours {
            id: set.id.to_string(),
            created: set.created,
        },
        SetLookup::Candidates(_) => {
            CreateOutcome::Unclear("more than one set could be the one that was made for it")
        }
        SetLookup::Held(_) | SetLookup::Absent => CreateOutcome::Absent,
    }
}

fn create(planner: &mut Planner, view: &View<FlowSet>) -> Control<Infallible> {
    let spec = &planner.input.resource.spec;
    let missing = Missing {
        what: "the service has no set with this displayName",
        name: Some(&spec.display_name),
        blocked: None,
    };
    planner.create(view, &missing, |attempt| {
        let body = FlowSetBody::of(spec);
        Some(Change::Create { attempt, body })
    })
}

fn find(planner: &Planner, sets: &[FlowSet]) -> SetLookup {
    let by_id = |id: &str| {
        sets.iter()
            .find(|set| set.id.as_str().eq_ignore_ascii_case(id))
    };
    if let Some(set) = planner.status.id.as_deref().and_then(by_id) {
        return SetLookup::Ours(set.clone(), Ownership::Recorded);
    }
    if planner.just_did(Action::Create)
        && let Some(set) = sets.last()
    {
        return SetLookup::Ours(set.clone(), Ownership::Attempt);
    }
    let resource = &planner.input.resource;
    if let Some(id) = resource::adopted_id(&**resource) {
        match by_id(id) {
            Some(set) if is_held_by_other(planner, set) => {
                return SetLookup::Held(set.id.to_string());
            }
            Some(set) => return SetLookup::Ours(set.clone(), adopted(planner)),
            None if planner.status.id.is_none() => return SetLookup::Absent,
            None => {}
        }
    }
    let called = |name: &str| -> Vec<&FlowSet> {
        let free = |set: &&FlowSet| set.display_name == name && !is_held_by_other(planner, set);
        sets.iter().filter(free).collect()
    };
    let display_name = resource.spec.display_name.as_str();
    let namesakes = called(display_name);
    // The list before the attempt had no free set of this name, so the one that is there now is its outcome, whatever
    // date the service gives it. Where there are several, dates may still tell them apart.
    let made = planner.unresolved().map_or_else(Vec::new, |attempt| {
        let mut sets = called(attempt.name.as_deref().unwrap_or(display_name));
        if sets.len() > 1 {
            let by_date = |set: &&FlowSet| attempt.could_have_made(set.created_at());
            let dated: Vec<&FlowSet> = sets.iter().copied().filter(by_date).collect();
            sets = if dated.is_empty() { sets } else { dated };
        }
        sets
    });
    let adopts =
        resource.spec.adoption_policy == AdoptionPolicy::IfExists || !resource.is_managed();
    match (made.as_slice(), namesakes.as_slice()) {
        ([set], _) => SetLookup::Ours((*set).clone(), Ownership::Attempt),
        ([], []) => SetLookup::Absent,
        ([], [set]) if adopts => SetLookup::Ours((*set).clone(), adopted(planner)),
        ([], sets) | (sets, _) => {
            SetLookup::Candidates(sets.iter().map(|set| set.id.to_string()).collect())
        }
    }
}

/// The listed sets that may be ours unless another resource manages them: those of the id that the user named, and of the
/// names that the spec and the last intent give.
pub fn candidates(input: &Input<OutboundProvisioningFlowSet>) -> impl Iterator<Item = &FlowSetId> {
    let items = match &input.collection {
        Some(Read::Known(view)) => view.listing.items.as_slice(),
        _ => &[],
    };
    let resource = &*input.resource;
    let id = resource::adopted_id(resource);
    let intended = resource::attempt(resource).and_then(|attempt| attempt.name);
    let is_candidate = move |set: &&FlowSet| {
        set.display_name == resource.spec.display_name
            || intended.as_ref() == Some(&set.display_name)
            || id.is_some_and(|id| set.id.as_str().eq_ignore_ascii_case(id))
    };
    items.iter().filter(is_candidate).map(|set| &set.id)
}

/// Whether another resource manages the set. Whoever only observes may look at it all the same.
fn is_held_by_other(planner: &Planner, set: &FlowSet) -> bool {
    planner.input.resource.is_managed() && planner.input.related.held.contains(&set.id)
}

/// Why a set is ours that the user named, or allowed to be adopted.
fn adopted(planner: &Planner) -> Ownership {
    if planner.input.resource.is_managed() {
        Ownership::Permission
    } else {
        Ownership::Observation
    }
}

fn held(planner: &mut Planner, id: &str) -> Next<Change> {
    let message = format!(
        "another resource manages the set {id} that the annotation industrydata.dev/remote-id names: correct the id, or let the other resource go with spec.deletionPolicy Retain"
    );
    planner.wait_a_minute(Summary::stalled(reason::CONFLICT, message))
}

fn undecided(planner: &Planner, ids: &[String]) -> Next<Change> {
    if !planner.is_fresh() {
        return Next::refresh();
    }
    let ids = text::list_ids(ids);
    let (reason, message) = if planner.unresolved().is_some() {
        (
            reason::AMBIGUOUS_CREATE,
            format!(
                "a create was sent and its answer was lost, and more than one set could be its outcome: {ids}; set the annotation industrydata.dev/remote-id to the one that is meant, and delete the others at the service"
            ),
        )
    } else {
        (
            reason::ALREADY_EXISTS,
            format!(
                "the service has a set with this displayName already that was not made for this resource: {ids}; to adopt one, set the annotation industrydata.dev/remote-id to its id; or choose another displayName"
            ),
        )
    };
    Next::wait(Summary::stalled(reason, message))
}
