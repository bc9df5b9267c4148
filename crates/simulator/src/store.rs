//! The sets and flows that there are, and what reads may see of them.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    clock::later, flow_type::FlowType, problem::Problem, readiness::Readiness, validate::Object,
};

/// A provisioning flow.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) id: String,
    /// Position among everything ever created; paging uses it.
    pub(crate) ordinal: u64,
    pub(crate) kind: FlowType,
    pub(crate) properties: Object,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) readiness: Readiness,
    pub(crate) last_reset: Option<Timestamp>,
}

/// A set and its flows.
#[derive(Debug, Clone)]
pub(crate) struct FlowSet {
    pub(crate) id: String,
    pub(crate) ordinal: u64,
    pub(crate) properties: Object,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) flows: Vec<Flow>,
}

/// How ids are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdCase {
    Folded,
    Exact,
}

impl IdCase {
    fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Folded => one.eq_ignore_ascii_case(other),
            Self::Exact => one == other,
        }
    }
}

/// All sets at one moment, in order of creation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    sets: Vec<Arc<FlowSet>>,
}

impl Catalog {
    pub(crate) fn sets(&self) -> impl Iterator<Item = &FlowSet> {
        self.sets.iter().map(Arc::as_ref)
    }

    pub(crate) fn set(&self, id: &str, case: IdCase) -> Result<&FlowSet, Problem> {
        self.sets()
            .find(|set| case.same(&set.id, id))
            .ok_or_else(no_set)
    }

    pub(crate) fn flow(
        &self,
        set: &str,
        flow: &str,
        case: IdCase,
    ) -> Result<(&FlowSet, &Flow), Problem> {
        let set = self.set(set, case)?;
        let flow = set
            .flows
            .iter()
            .find(|one| case.same(&one.id, flow))
            .ok_or_else(no_flow)?;
        Ok((set, flow))
    }

    /// The set that holds a flow.
    pub(crate) fn set_of(&self, flow: &str) -> Option<&FlowSet> {
        self.sets().find(|set| {
            set.flows
                .iter()
                .any(|one| IdCase::Folded.same(&one.id, flow))
        })
    }
}

fn no_set() -> Problem {
    Problem::not_found("the outbound provisioning flow set")
}

fn no_flow() -> Problem {
    Problem::not_found("the provisioning flow")
}

/// The catalogue as it is, and as it was before each of the last writes.
#[derive(Debug, Default)]
pub(crate) struct Store {
    current: Catalog,
    writes: Vec<Write>,
    written: u64,
    created: u64,
}

/// A write, and what there was before it.
#[derive(Debug)]
struct Write {
    number: u64,
    at: Timestamp,
    /// Until then, no read sees it.
    hidden_until: Timestamp,
    before: Catalog,
}

/// So many writes are remembered, and those that are hidden still. Each costs a list of all sets.
const REMEMBERED: u64 = 256;

/// How far back a read looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// It misses what was written since.
    pub(crate) age: Duration,
    /// It misses all writes but so many.
    pub(crate) writes: Option<u64>,
}

impl Store {
    /// The truth: what writes are judged by.
    pub(crate) fn current(&self) -> &Catalog {
        &self.current
    }

    /// So many writes there were.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What a read sees: the world before the oldest write that it is to miss.
    pub(crate) fn visible(&self, now: Timestamp, lag: Lag) -> &Catalog {
        let missed = |write: &&Write| {
            let recent = now
                .checked_sub(lag.age)
                .is_ok_and(|horizon| write.at > horizon);
            write.hidden_until > now
                || recent
                || lag.writes.is_some_and(|writes| write.number > writes)
        };
        self.writes
            .iter()
            .find(missed)
            .map_or(&self.current, |write| &write.before)
    }

    /// To be called before each write. Reads shall not see it for a while.
    pub(crate) fn announce_write(&mut self, now: Timestamp, hidden_for: Duration) {
        self.written += 1;
        let oldest = self.written.saturating_sub(REMEMBERED);
        self.writes
            .retain(|write| write.hidden_until > now || write.number > oldest);
        self.writes.push(Write {
            number: self.written,
            at: now,
            hidden_until: later(now, hidden_for),
            before: self.current.clone(),
        });
    }

    /// A number greater than any before.
    pub(crate) fn next_ordinal(&mut self) -> u64 {
        self.created += 1;
        self.created
    }

    pub(crate) fn insert(&mut self, set: FlowSet) {
        self.current.sets.push(Arc::new(set));
    }

    pub(crate) fn remove_set(&mut self, id: &str) {
        self.current.sets.retain(|set| set.id != id);
    }

    pub(crate) fn set_mut(&mut self, id: &str, case: IdCase) -> Result<&mut FlowSet, Problem> {
        let set = self
            .current
            .sets
            .iter_mut()
            .find(|set| case.same(&set.id, id))
            .ok_or_else(no_set)?;
        Ok(Arc::make_mut(set))
    }

    pub(crate) fn flow_mut(
        &mut self,
        set: &str,
        flow: &str,
        case: IdCase,
    ) -> Result<&mut Flow, Problem> {
        let set = self.set_mut(set, case)?;
        set.flows
            .iter_mut()
            .find(|one| case.same(&one.id, flow))
            .ok_or_else(no_flow)
    }

    /// Every flow of every set.
    pub(crate) fn flows_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.current
            .sets
            .iter_mut()
            .flat_map(|set| Arc::make_mut(set).flows.iter_mut())
    }
}
