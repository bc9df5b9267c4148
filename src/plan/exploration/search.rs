//! Search that visits every reachable state.

use std::collections::hash_map::{Entry, HashMap};

use super::{Explored, Move, Rested, Scenario, State, settle};

/// More states than any scenario has; a scenario that exceeds this grows without bound.
const LIMIT: usize = 1_000_000;

/// The result of a search.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Distinct states visited.
    pub(super) states: usize,
    /// Moves tried.
    pub(super) moves: usize,
    /// The violation, with the moves that lead to it, if any.
    pub(super) violation: Option<String>,
}

/// Visits every state of a scenario, or stops at the first violation.
pub(super) fn explore<K: Explored>(scenario: &Scenario<K>) -> Found {
    let mut search = Search::new(scenario);
    let violation = search.run().err();
    Found {
        states: search.visited.len(),
        moves: search.moves,
        violation,
    }
}

/// A search in progress. States are identified by their digests.
struct Search<'a, K: Explored> {
    scenario: &'a Scenario<K>,
    /// The reached states, each with its predecessor and move, or `None` for the first one.
    visited: HashMap<u64, Option<(u64, Move)>>,
    rested: Rested,
    /// The states that are still to be expanded.
    open: Vec<(u64, State<K>)>,
    moves: usize,
}

impl<'a, K: Explored> Search<'a, K> {
    fn new(scenario: &'a Scenario<K>) -> Self {
        let first = scenario.first();
        Self {
            scenario,
            visited: HashMap::from([(first.digest(), None)]),
            rested: Rested::new(),
            open: vec![(first.digest(), first)],
            moves: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some((here, state)) = self.open.pop() {
            self.rest(here, &state)?;
            for next in Move::all(&state, self.scenario) {
                self.go(here, &state, next)?;
            }
            if self.visited.len() > LIMIT {
                return Err(format!("{}: more than {LIMIT} states", self.scenario.name));
            }
        }
        Ok(())
    }

    /// Settles a state. A state in the middle of a reconcile is settled after the reconcile ends.
    fn rest(&mut self, here: u64, state: &State<K>) -> Result<(), String> {
        if state.processes.iter().any(|process| process.run.is_some()) {
            return Ok(());
        }
        let rested = settle(state.calm(), self.scenario, &mut self.rested);
        rested.map_err(|violation| self.report(self.way(here), &violation))?;
        Ok(())
    }

    fn go(&mut self, here: u64, state: &State<K>, next: Move) -> Result<(), String> {
        self.moves += 1;
        let mut after = state.clone();
        let possible = after.apply(next, self.scenario).map_err(|violation| {
            let mut way = self.way(here);
            way.push(next);
            self.report(way, &violation)
        })?;
        let there = after.digest();
        if possible && let Entry::Vacant(entry) = self.visited.entry(there) {
            entry.insert(Some((here, next)));
            self.open.push((there, after));
        }
        Ok(())
    }

    /// Returns the moves that lead to a state.
    fn way(&self, mut at: u64) -> Vec<Move> {
        let mut way = Vec::new();
        while let Some(Some((before, taken))) = self.visited.get(&at) {
            way.push(*taken);
            at = *before;
        }
        way.reverse();
        way
    }

    /// Formats a violation with the moves that lead to it.
    fn report(&self, way: Vec<Move>, violation: &str) -> String {
        let mut state = self.scenario.first();
        let mut lines = vec![format!("{}: {violation}", self.scenario.name)];
        for next in way {
            lines.push(state.describe(next, self.scenario));
            // An error here is the violation.
            let _ = state.apply(next, self.scenario);
        }
        lines.join("\n  ")
    }
}

impl<K: Explored> Scenario<K> {
    fn first(&self) -> State<K> {
        let mut first = self.start.clone();
        first.done = vec![false; self.deeds.len()];
        first
    }
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
