//! Lookup of the set of a resource, or its creation.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use crate::api::{AdoptionPolicy, OutboundProvisioningFlowSet, reason};
use crate::graph::model::{FlowSet, FlowSetDefinition, FlowSetId};
use crate::plan::conditions::Summary;
use crate::plan::create::Missing;
use crate::plan::delete::CreateOutcome;
use crate::plan::planner::Next;
use crate::plan::{Action, Attempt, Input, Ownership, Planned, Read, View, resource, text};

use super::{FlowSetChange, FlowSetControl, FlowSetPlanner};

/// The result of the lookup in a complete list.
enum SetLookup {
    Absent,
    Ours(FlowSet, Ownership),
    /// The set with the id that the user set, which another resource manages.
    Held(String),
    /// Sets with our name, of which none is certain to be ours.
    Candidates(Vec<String>),
}

/// Returns the existing set, and why it is ours. Ends planning if it must be created or cannot be determined.
pub(super) fn find_or_create(planner: &mut FlowSetPlanner) -> FlowSetControl<(FlowSet, Ownership)> {
    let view = planner.listed(planner.status.id.is_some())?;
    match find(planner, &view.listing.items) {
        SetLookup::Ours(set, ownership) => Continue((set, ownership)),
        SetLookup::Held(id) => Break(held(planner, &id)),
        SetLookup::Candidates(ids) => Break(undecided(planner, &ids)),
        SetLookup::Absent => match create(planner, view)? {},
    }
}

/// Returns the outcome of an unresolved create.
pub(super) fn create_outcome(planner: &FlowSetPlanner, view: &View<FlowSet>) -> CreateOutcome {
    match find(planner, &view.listing.items) {
        SetLookup::Ours(set, _) => CreateOutcome::Ours {
            id: set.id.to_string(),
            created: set.created,
        },
        SetLookup::Candidates(_) => CreateOutcome::Unclear(
            "more than one set could be the one that was created for this resource",
        ),
        SetLookup::Held(_) | SetLookup::Absent => CreateOutcome::Absent,
    }
}

fn create(planner: &mut FlowSetPlanner, view: &View<FlowSet>) -> FlowSetControl<Infallible> {
    let spec = &planner.input.resource.spec;
    let missing = Missing {
        what: "the service has no set with this displayName",
        name: Some(&spec.display_name),
        blocked: None,
    };
    planner.create(view, &missing, |attempt| {
        let definition = FlowSetDefinition::of(spec);
        Some(FlowSetChange::Create {
            attempt,
            definition,
        })
    })
}

fn find(planner: &FlowSetPlanner, sets: &[FlowSet]) -> SetLookup {
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
    let (made, same_named) = (
        made_by_attempt(planner, sets),
        named(planner, sets, &resource.spec.display_name),
    );
    // The set of this name may be the one that another resource is about to find.
    let permits = resource.spec.adoption_policy == AdoptionPolicy::IfExists
        && !planner.input.related.is_contested;
    let adopts = permits || !resource.is_managed();
    match (made.as_slice(), same_named.as_slice()) {
        ([set], _) => SetLookup::Ours((*set).clone(), Ownership::Attempt),
        ([], []) => SetLookup::Absent,
        ([], [set]) if adopts => SetLookup::Ours((*set).clone(), adopted(planner)),
        ([], sets) | (sets, _) => {
            SetLookup::Candidates(sets.iter().map(|set| set.id.to_string()).collect())
        }
    }
}

/// Returns the sets with this name that no other resource holds.
fn named<'a>(planner: &FlowSetPlanner, sets: &'a [FlowSet], name: &str) -> Vec<&'a FlowSet> {
    let free = |set: &&FlowSet| set.display_name == name && !is_held_by_other(planner, set);
    sets.iter().filter(free).collect()
}

/// Returns the sets that the unresolved attempt may have created.
///
/// The list before the attempt did not contain a free set with this name, so the one in the list now is the outcome,
/// whatever its creation date. If there are several, the dates may still distinguish them.
fn made_by_attempt<'a>(planner: &FlowSetPlanner, sets: &'a [FlowSet]) -> Vec<&'a FlowSet> {
    let Some(attempt) = planner.unresolved() else {
        return Vec::new();
    };
    let display_name = planner.input.resource.spec.display_name.as_str();
    let name = attempt.name.as_deref().unwrap_or(display_name);
    let mut made = named(planner, sets, name);
    made.retain(|set| planner.proves(&attempt, set.created_at()));
    if made.len() < 2 {
        return made;
    }
    let by_date = |set: &&FlowSet| attempt.could_have_made(set.created_at());
    let dated: Vec<&FlowSet> = made.iter().copied().filter(by_date).collect();
    if dated.is_empty() { made } else { dated }
}

/// Returns the ids of the listed sets that may be ours unless another resource manages them: those of the id that the user named, and of the
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

/// Returns whether another resource manages the set. A resource that only observes may use the set nevertheless.
fn is_held_by_other(planner: &FlowSetPlanner, set: &FlowSet) -> bool {
    planner.input.resource.is_managed() && planner.input.related.held.contains(&set.id)
}

/// Returns why a set is ours that the user selected, or allowed to be adopted.
fn adopted(planner: &FlowSetPlanner) -> Ownership {
    if planner.input.resource.is_managed() {
        Ownership::Permission
    } else {
        Ownership::Observation
    }
}

fn held(planner: &mut FlowSetPlanner, id: &str) -> Next<FlowSetChange> {
    let message = format!(
        "another resource manages the set {id} in the annotation industrydata.dev/remote-id: correct the id, or delete the other resource with spec.deletionPolicy Retain"
    );
    planner.wait_a_minute(Summary::stalled(reason::CONFLICT, message))
}

fn undecided(planner: &mut FlowSetPlanner, ids: &[String]) -> Next<FlowSetChange> {
    if !planner.is_fresh() {
        return Next::refresh();
    }
    let is_own = |attempt: Attempt| attempt.is_of(&*planner.input.resource);
    let made_one = planner.unresolved().is_some_and(is_own);
    let ids = text::list_ids(ids);
    let (reason, message) = if made_one {
        (
            reason::AMBIGUOUS_CREATE,
            format!(
                "a create was sent but its response was lost, and more than one set could be its outcome: {ids}; set the annotation industrydata.dev/remote-id to the id of the correct one, and delete the others at the service"
            ),
        )
    } else {
        (
            reason::ALREADY_EXISTS,
            format!(
                "the service already has a set with this displayName that was not created for this resource: {ids}; to adopt one, set the annotation industrydata.dev/remote-id to its id; or choose another displayName"
            ),
        )
    };
    if planner.input.related.is_contested {
        return planner.wait_a_minute(Summary::stalled(reason, message));
    }
    Next::wait(Summary::stalled(reason, message))
}
