//! Visits every state that can be reached.

use std::collections::hash_map::{Entry, HashMap};

use super::{Explored, Move, Rested, Scenario, State, settle};

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
    let mut search = Search::new(scenario);
    let violation = search.run().err();
    Found {
        states: search.visited.len(),
        moves: search.moves,
        violation,
    }
}

/// A search that is under way. States are known by their digests.
struct Search<'a, K: Explored> {
    scenario: &'a Scenario<K>,
    /// The states that were reached, each with the way there: the one before and a move. The first has none.
    visited: HashMap<u64, Option<(u64, Move)>>,
    rested: Rested,
    /// The states that are still to be gone on from.
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

    /// Lets a state come to rest. One in the middle of a run will still come to its end.
    fn rest(&mut self, here: u64, state: &State<K>) -> Result<(), String> {
        if state.processes.iter().any(|process| process.run.is_some()) {
            return Ok(());
        }
        let rested = settle(state.calm(), self.scenario, &mut self.rested);
        rested.map_err(|violation| self.told(self.way(here), &violation))?;
        Ok(())
    }

    fn go(&mut self, here: u64, state: &State<K>, next: Move) -> Result<(), String> {
        self.moves += 1;
        let mut after = state.clone();
        let possible = after.apply(next, self.scenario).map_err(|violation| {
            let mut way = self.way(here);
            way.push(next);
            self.told(way, &violation)
        })?;
        let there = after.digest();
        if possible && let Entry::Vacant(entry) = self.visited.entry(there) {
            entry.insert(Some((here, next)));
            self.open.push((there, after));
        }
        Ok(())
    }

    /// The moves that lead to a state.
    fn way(&self, mut at: u64) -> Vec<Move> {
        let mut way = Vec::new();
        while let Some(Some((before, taken))) = self.visited.get(&at) {
            way.push(*taken);
            at = *before;
        }
        way.reverse();
        way
    }

    /// What is wrong, and what has led to it.
    fn told(&self, way: Vec<Move>, violation: &str) -> String {
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
