//! Visits every state that can be reached.

use std::collections::{HashMap, HashSet};

use super::{Explored, Move, Scenario, State, settle};

/// More states than any scenario has; one that exceeds this has something in it that grows without end.
const LIMIT: usize = 1_000_000;

/// What a search has found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Distinct states visited.
    pub(super) states: usize,
    /// Moves tried.
    pub(super) moves: usize,
    /// What is wrong, with the moves that lead there.
    pub(super) violation: Option<String>,
}

/// Visits every state of a scenario, or as many as it takes to find something wrong.
pub(super) fn explore<K: Explored>(scenario: &Scenario<K>) -> Found {
    let first = start(scenario);
    let mut found = Found {
        states: 1,
        moves: 0,
        violation: None,
    };
    // Each visited state with the one before and the move from there, to tell the way to a violation.
    let mut visited = HashMap::from([(first.digest(), None)]);
    let mut settled = HashSet::new();
    let mut open = vec![(first.digest(), first)];
    while let Some((here, state)) = open.pop() {
        if found.states > LIMIT {
            found.violation = Some(format!("{}: more than {LIMIT} states", scenario.name));
            return found;
        }
        let idle = state.processes.iter().all(|process| process.run.is_none());
        if idle
            && settled.insert(state.at_rest().digest())
            && let Err(violation) = settle(state.at_rest(), scenario)
        {
            found.violation = Some(told(&visited, here, scenario, &violation));
            return found;
        }
        for next in Move::all(&state, scenario) {
            found.moves += 1;
            let mut after: State<K> = state.clone();
            match after.apply(next, scenario) {
                Ok(false) => {}
                Ok(true) => {
                    let there = after.digest();
                    if let std::collections::hash_map::Entry::Vacant(entry) = visited.entry(there) {
                        entry.insert(Some((here, next)));
                        found.states += 1;
                        open.push((there, after));
                    }
                }
                Err(violation) => {
                    visited.insert(0, Some((here, next)));
                    found.violation = Some(told(&visited, 0, scenario, &violation));
                    return found;
                }
            }
        }
    }
    found
}

/// The way to a violation.
fn told<K: Explored>(
    visited: &HashMap<u64, Option<(u64, Move)>>,
    mut at: u64,
    scenario: &Scenario<K>,
    violation: &str,
) -> String {
    let mut way = Vec::new();
    while let Some(Some((before, taken))) = visited.get(&at) {
        way.push(*taken);
        at = *before;
    }
    let mut state = start(scenario);
    let mut lines = vec![format!("{}: {violation}", scenario.name)];
    for next in way.into_iter().rev() {
        lines.push(state.describe(next, scenario));
        // An error here is the violation.
        let _ = state.apply(next, scenario);
    }
    lines.join("\n  ")
}

fn start<K: Explored>(scenario: &Scenario<K>) -> State<K> {
    let mut start = scenario.start.clone();
    start.done = vec![false; scenario.deeds.len()];
    start
}

impl<K: Explored> State<K> {
    fn describe(&self, next: Move, scenario: &Scenario<K>) -> String {
        match next {
            Move::Deed(deed) => scenario.deeds[deed].name.to_owned(),
            Move::Proceed(process, _) => {
                let run = self.processes[process].run.as_ref();
                let step = run.and_then(|run| run.step.as_ref());
                format!("{next:?} {step:?}")
            }
            _ => format!("{next:?}"),
        }
    }
}
