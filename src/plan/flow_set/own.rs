//! Finds the set that a resource stands for, takes it over where that is allowed, and keeps it as declared.

use crate::plan::compare;
use crate::plan::correction::Correction;
use crate::plan::creation::Missing;
use crate::plan::event::Event;
use crate::plan::{Action, Read, ResourceStep, View, text};

use super::{
    AdoptionPolicy, Change, Decision, Draft, DriftPolicy, FlowSet, FlowSetBody, Progress, Standing,
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

pub(super) fn decide(draft: &mut Draft) -> Decision {
    let view = match &draft.observed.collection {
        None => return Decision::look(),
        Some(Read::Unknown(unreadable)) => {
            return draft.unreadable(unreadable, draft.status.id.is_some());
        }
        Some(Read::Known(view)) => view,
    };
    match find(draft, &view.listing.items) {
        Found::Absent => create(draft, view),
        Found::Ours(set, proof) => keep(draft, &set, proof),
        Found::Held(id) => held(&id),
        Found::Candidates(ids) => undecided(draft, &ids),
    }
}

fn create(draft: &mut Draft, view: &View<FlowSet>) -> Decision {
    let resource = &draft.observed.resource;
    let missing = Missing {
        what: "the service has no set with this displayName",
        managed: is_managed(resource),
        drift: resource.spec.drift_policy,
        wanted: wanted_id(resource),
        name: Some(&resource.spec.display_name),
        obstacle: None,
    };
    draft.create(view, &missing, |attempt| {
        let body = FlowSetBody::of(&resource.spec);
        Some(Change::Create { attempt, body })
    })
}

pub(super) fn find(draft: &Draft, sets: &[FlowSet]) -> Found {
    let by_id = |id: &str| {
        sets.iter()
            .find(|set| set.id.as_str().eq_ignore_ascii_case(id))
    };
    if let Some(set) = draft.status.id.as_deref().and_then(by_id) {
        return Found::Ours(set.clone(), Proof::Recorded);
    }
    if draft.just_did(Action::Create)
        && let Some(set) = sets.last()
    {
        return Found::Ours(set.clone(), Proof::Attempt);
    }
    let resource = &draft.observed.resource;
    if let Some(id) = wanted_id(resource) {
        match by_id(id) {
            Some(set) if is_held(draft, set) => return Found::Held(set.id.to_string()),
            Some(set) => return Found::Ours(set.clone(), Proof::Permission),
            None if draft.status.id.is_none() => return Found::Absent,
            None => {}
        }
    }
    let called = |name: &str| -> Vec<&FlowSet> {
        let free = |set: &&FlowSet| set.display_name == name && !is_held(draft, set);
        sets.iter().filter(free).collect()
    };
    let display_name = resource.spec.display_name.as_str();
    let namesakes = called(display_name);
    // The list before the attempt had no free set of this name, so the one that is there now is its outcome, whatever
    // date the service gives it. Where there are several, dates may still tell them apart.
    let made = draft.unresolved().map_or_else(Vec::new, |attempt| {
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
fn is_held(draft: &Draft, set: &FlowSet) -> bool {
    is_managed(&draft.observed.resource) && draft.observed.around.held.contains(&set.id)
}

fn held(id: &str) -> Decision {
    let message = format!(
        "another resource manages the set {id} that the annotation industrydata.dev/remote-id names: correct the id, or let the other resource go with spec.deletionPolicy Retain"
    );
    Decision::stand(Standing::stalled(reason::CONFLICT, message)).within_a_minute()
}

fn undecided(draft: &Draft, ids: &[String]) -> Decision {
    if !draft.has_looked() {
        return Decision::look();
    }
    let ids = text::list_ids(ids);
    let (reason, message) = if draft.unresolved().is_some() {
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
    Decision::stand(Standing::stalled(reason, message))
}

fn keep(draft: &mut Draft, set: &FlowSet, proof: Proof) -> Decision {
    let managed = is_managed(&draft.observed.resource);
    if managed && !resource::is_held(&*draft.observed.resource) {
        return Decision::write(ResourceStep::Hold);
    }
    draft.memory.absent_since = None;
    draft.events.extend(match proof {
        Proof::Recorded => None,
        Proof::Attempt => Some(Event::normal("Created", format!("created set {}", set.id))),
        Proof::Permission if managed => {
            Some(Event::normal("Adopted", format!("adopted set {}", set.id)))
        }
        Proof::Permission => Some(Event::normal("Found", format!("found set {}", set.id))),
    });
    draft.resolve_attempt();
    mirror(draft, set);
    if let Some(decision) = update(draft, set) {
        return decision;
    }
    draft.status.retry = None;
    Decision::stand(Standing::Synced {
        progress: Progress::Settled,
    })
}

fn mirror(draft: &mut Draft, set: &FlowSet) {
    let status = &mut draft.status;
    status.id = Some(set.id.to_string());
    status.created_date_time.clone_from(&set.created);
    status
        .last_modified_date_time
        .clone_from(&set.last_modified);
}

/// `None`: the set is as declared, as far as anyone can tell.
fn update(draft: &mut Draft, set: &FlowSet) -> Option<Decision> {
    if draft.observed.run.written {
        return written(draft, set);
    }
    if let Some(verdict) = draft.failure_of(Action::Update) {
        return Some(Decision::stand(Standing::in_doubt(&verdict)).after(draft.wait()));
    }
    let body = FlowSetBody::of(&draft.observed.resource.spec);
    draft.status.drift = compare::flow_set(&body, set);
    if draft.status.drift.is_empty() {
        if draft.is_overtaken() {
            return Some(Decision::look());
        }
        draft.note_shown();
        return None;
    }
    let reports = draft.observed.resource.spec.drift_policy == DriftPolicy::Report;
    if reports || !is_managed(&draft.observed.resource) {
        return Some(Decision::stand(Standing::stalled(
            reason::DRIFTED,
            "the remote set differs from the spec in the places that status.drift lists, and is not to be changed: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
        )));
    }
    correct(draft, set, body)
}

fn written(draft: &mut Draft, set: &FlowSet) -> Option<Decision> {
    if draft.just_did(Action::Update) {
        draft.note_update();
        draft
            .events
            .push(Event::normal("Updated", format!("updated set {}", set.id)));
    }
    if draft.memory.update.is_some() {
        draft.wake_in(Some(draft.observed.limits.visibility_window));
    }
    if draft.doubts_updates() {
        return Some(Decision::stand(Standing::Unchanged));
    }
    draft.status.drift.clear();
    None
}

fn correct(draft: &mut Draft, set: &FlowSet, body: FlowSetBody) -> Option<Decision> {
    match draft.correction() {
        // Before the cluster knows its id, the set is only known by its name, which must not change.
        Correction::Send if !draft.records(set.id.as_str()) => {
            Some(Decision::write(ResourceStep::Record(None)))
        }
        Correction::Send => {
            let id = set.id.to_string();
            Some(Decision::change(Change::Update { id, body }))
        }
        Correction::Pending => {
            draft.status.drift.clear();
            None
        }
        Correction::Ineffective => Some(Decision::stand(Standing::stalled(
            reason::DRIFTED,
            "the service accepted an update and still shows other values in the places that status.drift lists: declare what it shows, or set spec.driftPolicy to Report",
        ))),
        Correction::Look => Some(Decision::look()),
        Correction::Wait(wait) => Some(Decision::stand(Standing::Unchanged).after(Some(wait))),
    }
}
