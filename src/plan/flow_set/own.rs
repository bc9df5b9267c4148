//! Finds the set that a resource stands for, takes it over where that is allowed, and keeps it as declared.

use crate::plan::compare;
use crate::plan::correct::CorrectionDecision;
use crate::plan::create::Missing;
use crate::plan::event::Event;
use crate::plan::{Action, Read, ResourceStep, View, text};

use super::{
    AdoptionPolicy, Change, DriftPolicy, FlowSet, FlowSetBody, Next, Planner, Progress, Summary,
    is_managed, reason, resource, wanted_id,
};

/// Why a set is ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its id stands in the status.
    Recorded,
    /// It was made by this run, or after our intent to create it.
    Attempt,
    /// The user named its id, or allowed adoption.
    Permission,
}

/// What a complete list shows of our set.
pub(super) enum Found {
    Absent,
    Ours(FlowSet, Proof),
    /// The set that the user named, which another resource manages.
    Held(String),
    /// Sets of our name, none of which is certainly ours.
    Candidates(Vec<String>),
}

pub(super) fn decide(planner: &mut Planner) -> Next {
    let view = match &planner.input.collection {
        None => return Next::look(),
        Some(Read::Unknown(unreadable)) => {
            return planner.unreadable(unreadable, planner.status.id.is_some());
        }
        Some(Read::Known(view)) => view,
    };
    match find(planner, &view.listing.items) {
        Found::Absent => create(planner, view),
        Found::Ours(set, proof) => keep(planner, &set, proof),
        Found::Held(id) => held(&id),
        Found::Candidates(ids) => undecided(planner, &ids),
    }
}

fn create(planner: &mut Planner, view: &View<FlowSet>) -> Next {
    let resource = &planner.input.resource;
    let missing = Missing {
        what: "the service has no set with this displayName",
        managed: is_managed(resource),
        drift: resource.spec.drift_policy,
        wanted: wanted_id(resource),
        name: Some(&resource.spec.display_name),
        blocked: None,
    };
    planner.create(view, &missing, |attempt| {
        let body = FlowSetBody::of(&resource.spec);
        Some(Change::Create { attempt, body })
    })
}

pub(super) fn find(planner: &Planner, sets: &[FlowSet]) -> Found {
    let by_id = |id: &str| {
        sets.iter()
            .find(|set| set.id.as_str().eq_ignore_ascii_case(id))
    };
    if let Some(set) = planner.status.id.as_deref().and_then(by_id) {
        return Found::Ours(set.clone(), Proof::Recorded);
    }
    if planner.just_did(Action::Create)
        && let Some(set) = sets.last()
    {
        return Found::Ours(set.clone(), Proof::Attempt);
    }
    let resource = &planner.input.resource;
    if let Some(id) = wanted_id(resource) {
        match by_id(id) {
            Some(set) if is_held(planner, set) => return Found::Held(set.id.to_string()),
            Some(set) => return Found::Ours(set.clone(), Proof::Permission),
            None if planner.status.id.is_none() => return Found::Absent,
            None => {}
        }
    }
    let called = |name: &str| -> Vec<&FlowSet> {
        let free = |set: &&FlowSet| set.display_name == name && !is_held(planner, set);
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
    let adopts = resource.spec.adoption_policy == AdoptionPolicy::IfExists || !is_managed(resource);
    match (made.as_slice(), namesakes.as_slice()) {
        ([set], _) => Found::Ours((*set).clone(), Proof::Attempt),
        ([], []) => Found::Absent,
        ([], [set]) if adopts => Found::Ours((*set).clone(), Proof::Permission),
        ([], sets) | (sets, _) => {
            Found::Candidates(sets.iter().map(|set| set.id.to_string()).collect())
        }
    }
}

/// Whether another resource manages the set. Whoever only observes may look at it all the same.
fn is_held(planner: &Planner, set: &FlowSet) -> bool {
    is_managed(&planner.input.resource) && planner.input.related.held.contains(&set.id)
}

fn held(id: &str) -> Next {
    let message = format!(
        "another resource manages the set {id} that the annotation industrydata.dev/remote-id names: correct the id, or let the other resource go with spec.deletionPolicy Retain"
    );
    Next::stand(Summary::stalled(reason::CONFLICT, message)).within_a_minute()
}

fn undecided(planner: &Planner, ids: &[String]) -> Next {
    if !planner.has_looked() {
        return Next::look();
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
    Next::stand(Summary::stalled(reason, message))
}

fn keep(planner: &mut Planner, set: &FlowSet, proof: Proof) -> Next {
    let managed = is_managed(&planner.input.resource);
    if managed && !resource::is_held(&*planner.input.resource) {
        return Next::write(ResourceStep::AddFinalizer);
    }
    planner.memory.absent_since = None;
    planner.events.extend(match proof {
        Proof::Recorded => None,
        Proof::Attempt => Some(Event::normal("Created", format!("created set {}", set.id))),
        Proof::Permission if managed => {
            Some(Event::normal("Adopted", format!("adopted set {}", set.id)))
        }
        Proof::Permission => Some(Event::normal("Found", format!("found set {}", set.id))),
    });
    planner.resolve_attempt();
    mirror(planner, set);
    if let Some(decision) = update(planner, set) {
        return decision;
    }
    planner.status.retry = None;
    Next::stand(Summary::Synced {
        progress: Progress::Settled,
    })
}

fn mirror(planner: &mut Planner, set: &FlowSet) {
    let status = &mut planner.status;
    status.id = Some(set.id.to_string());
    status.created_date_time.clone_from(&set.created);
    status
        .last_modified_date_time
        .clone_from(&set.last_modified);
}

/// `None`: the set is as declared, as far as anyone can tell.
fn update(planner: &mut Planner, set: &FlowSet) -> Option<Next> {
    if planner.input.effects.written {
        return written(planner, set);
    }
    if let Some(verdict) = planner.failure_of(Action::Update) {
        return Some(Next::stand(Summary::in_doubt(&verdict)).after(planner.wait()));
    }
    let body = FlowSetBody::of(&planner.input.resource.spec);
    planner.status.drift = compare::flow_set(&body, set);
    if planner.status.drift.is_empty() {
        if planner.is_overtaken() {
            return Some(Next::look());
        }
        planner.note_shown();
        return None;
    }
    let reports = planner.input.resource.spec.drift_policy == DriftPolicy::Report;
    if reports || !is_managed(&planner.input.resource) {
        return Some(Next::stand(Summary::stalled(
            reason::DRIFTED,
            "the remote set differs from the spec in the places that status.drift lists, and is not to be changed: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
        )));
    }
    correct(planner, set, body)
}

fn written(planner: &mut Planner, set: &FlowSet) -> Option<Next> {
    if planner.just_did(Action::Update) {
        planner.note_update();
        planner
            .events
            .push(Event::normal("Updated", format!("updated set {}", set.id)));
    }
    if planner.memory.update.is_some() {
        planner.wake_in(Some(planner.input.limits.visibility_window));
    }
    if planner.doubts_updates() {
        return Some(Next::stand(Summary::Unchanged));
    }
    planner.status.drift.clear();
    None
}

fn correct(planner: &mut Planner, set: &FlowSet, body: FlowSetBody) -> Option<Next> {
    match planner.correction() {
        // Before the cluster knows its id, the set is only known by its name, which must not change.
        CorrectionDecision::Send if !planner.records(set.id.as_str()) => {
            Some(Next::write(ResourceStep::WriteStatus(None)))
        }
        CorrectionDecision::Send => {
            let id = set.id.to_string();
            Some(Next::change(Change::Update { id, body }))
        }
        CorrectionDecision::Pending => {
            planner.status.drift.clear();
            None
        }
        CorrectionDecision::Ineffective => Some(Next::stand(Summary::stalled(
            reason::DRIFTED,
            "the service accepted an update and still shows other values in the places that status.drift lists: declare what it shows, or set spec.driftPolicy to Report",
        ))),
        CorrectionDecision::Look => Some(Next::look()),
        CorrectionDecision::Wait(wait) => Some(Next::stand(Summary::Unchanged).after(Some(wait))),
    }
}
