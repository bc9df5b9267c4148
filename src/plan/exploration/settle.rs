//! Settling: whether a state comes to rest as declared without further faults.

use std::collections::HashMap;

use crate::api::condition::{READY, STALLED};
use crate::plan::conditions::{find, is_true};
use crate::plan::resource::{generation, is_deleting};
use crate::plan::{Planned, SharedStatus};

use super::fate::Fate;
use super::part::digest;
use super::{Explored, Scenario, State};

/// Longer than the visibility window, and than the pause after as many failures as there can be faults.
const QUIET_TICKS: u32 = 8;

/// More ticks than any state needs to settle.
const MAX_TICKS: u32 = 80;

/// Reasons of `Stalled` that only a person can resolve.
const EXCUSES: [&str; 2] = ["ResetUnknown", "Conflict"];

/// Digests of the states that are known to come to rest as declared, each with the quiet rounds before it.
pub(super) type Rested = HashMap<u64, u32>;

/// Settles a state, or returns an error with the violation.
///
/// Returns the state at rest, or an earlier one if it is in `rested` with no more quiet rounds before it, as everything
/// else is known from there. Adds all states on the way.
pub(super) fn settle<K: Explored>(
    mut state: State<K>,
    scenario: &Scenario<K>,
    rested: &mut Rested,
) -> Result<State<K>, String> {
    state.be_readable(Ok(()));
    state
        .service
        .change(|service| service.lists_nothing = false);
    let mut quiet = 0;
    let mut passed = Rested::new();
    for _ in 0..MAX_TICKS {
        let here = state.digest();
        if rested.get(&here).is_some_and(|before| *before <= quiet) {
            rested.extend(passed);
            return Ok(state);
        }
        passed.insert(here, quiet);
        let before = state.visible();
        for process in 0..state.processes.len() {
            finish(&mut state, process, scenario)?;
        }
        for slot in 0..state.cluster.len() {
            if state.begin(slot, false, scenario.variant) {
                let leader = state.leader;
                finish(&mut state, leader, scenario)?;
            }
        }
        let now = state.now;
        let finish = |items: &mut Vec<K::Item>| items.iter_mut().for_each(K::finish);
        state.service.change(|service| service.meddle(now, finish));
        quiet = if state.visible() == before {
            quiet + 1
        } else {
            0
        };
        if quiet == QUIET_TICKS {
            rests_well(&state)?;
            rested.extend(passed);
            return Ok(state);
        }
        state.arrivals()?;
        state.tick();
    }
    Err("it does not come to rest".to_owned())
}

fn finish<K: Explored>(
    state: &mut State<K>,
    process: usize,
    scenario: &Scenario<K>,
) -> Result<(), String> {
    for _ in 0..16 {
        if state.processes[process].run.is_none() {
            return Ok(());
        }
        state.proceed(process, Fate::Works, scenario.variant)?;
    }
    Err("a run does not end".to_owned())
}

impl<K: Explored> State<K> {
    /// The contents of the cluster and the service.
    fn visible(&self) -> (Vec<Option<u64>>, u64) {
        let resources = self
            .cluster
            .iter()
            .map(|slot| Some(slot.resource.as_ref()?.digest()));
        (resources.collect(), digest(&self.service.items()))
    }
}

fn rests_well<K: Explored>(state: &State<K>) -> Result<(), String> {
    let resources = || {
        state
            .cluster
            .iter()
            .filter_map(|slot| slot.resource.as_deref())
    };
    let mut owned = Vec::new();
    for resource in resources() {
        owned.extend(rests_as_declared(state, resource)?);
    }
    for item in state.service.items() {
        let id = K::id(item);
        let owners = owned.iter().filter(|owned| **owned == id).count();
        if owners > 1 {
            return Err(format!("{id} has {owners} owners"));
        }
        if owners == 0
            && let Some(uid) = state.ledger.creator(&id)
        {
            return Err(format!("{id} was created for {uid} and has no owner"));
        }
    }
    Ok(())
}

/// Returns the id that the resource records.
fn rests_as_declared<K: Explored>(
    state: &State<K>,
    resource: &K,
) -> Result<Option<String>, String> {
    let uid = resource.uid().unwrap_or_default();
    let status = Planned::status(resource).cloned().unwrap_or_default();
    let wrong = |what: &str| Err(format!("{uid} {what}: {status:?}"));
    if is_deleting(resource) {
        return wrong("is still being deleted");
    }
    let stalled = find(status.conditions(), STALLED).map(|stalled| stalled.reason.as_str());
    if K::generation_told(&status) != generation(resource) {
        return wrong("describes an old generation");
    }
    if !is_true(status.conditions(), READY)
        && !stalled.is_some_and(|reason| EXCUSES.contains(&reason))
    {
        return wrong("is not ready");
    }
    let Some(id) = status.id().map(str::to_owned) else {
        return if stalled == Some("Conflict") {
            Ok(None)
        } else {
            wrong("has no object")
        };
    };
    if !state.service.items().iter().any(|item| K::id(item) == id) {
        return wrong("records an object that does not exist");
    }
    K::rests(state, &uid, &status)?;
    Ok(Some(id))
}
