//! Decisions about polls: when a collection is listed again, and which resources a new list affects.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::slice::Iter;
use std::time::Duration;

use crate::graph::model::{Flow, FlowSet, FlowSetId, FlowType};

/// Pause before the first poll of an unsettled collection; doubled with each list without a change.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after failures, reached after 9 of them (1 s << 9 = 512 s). It bounds the time to notice that the service
/// is available again.
const MAX_PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(5);

/// Longest pause while the credential is refused. Nothing is requested of the service meanwhile, and of the authority at
/// most every 30 s, as failures are cached where tokens are obtained. A correction at the authority, which no event
/// announces, is therefore noticed within 20 s × 1.1 + 30 s = 52 s.
const MAX_PAUSE_WHILE_REFUSED: Duration = Duration::from_secs(20);

/// The polling schedule of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Interval between polls while the collection is settled.
    pub interval: Duration,
    /// Whether no change is expected: all resources with objects in the collection are in their desired state.
    pub settled: bool,
}

/// The outcomes of the last polls of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Number of consecutive lists without a change.
    pub quiet: u32,
    /// Number of consecutive failed lists.
    pub failures: u32,
    /// Whether the last list failed because the credential was refused.
    pub is_refused: bool,
}

/// Returns the time from the last poll to the next one.
///
/// Settled collections are listed at the interval; others after 1 s, doubled with each list without a change up to the
/// interval; after failures, the pause is doubled up to 5 min, or 20 s while the credential is refused. `spread`, from 0 to 1, changes the time by up to a tenth
/// in either direction, so that not all collections become due at once.
#[must_use]
pub fn pause(cadence: Cadence, history: History, spread: f64) -> Duration {
    let pause = if history.failures > 0 {
        let max = if history.is_refused {
            MAX_PAUSE_WHILE_REFUSED
        } else {
            MAX_PAUSE_AFTER_FAILURE.max(cadence.interval)
        };
        doubled(FIRST_PAUSE, history.failures).min(max)
    } else if cadence.settled {
        cadence.interval
    } else {
        doubled(FIRST_PAUSE, history.quiet).min(cadence.interval)
    };
    pause.mul_f64(0.9 + 0.2 * spread.clamp(0.0, 1.0))
}

/// Time after which a request is tried again at a service that did not support it: services are rarely extended.
const UNSUPPORTED_PAUSE: Duration = Duration::from_hours(24);

/// Number of sets that a page of a sweep is assumed to contain before the first sweep: the usual page size of Microsoft
/// Graph.
const USUAL_PAGE: usize = 100;

/// Number of lists that each request for several sets must replace. Such requests are not documented for this service, and
/// their responses are larger: to save two or three requests is not worth it.
const MIN_LISTS_REPLACED: usize = 4;

/// Whether the service supports one of the ways to list the flows of several sets at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// Not tried yet.
    #[default]
    Untried,
    /// The last attempt succeeded.
    Works {
        /// Number of requests that it took.
        requests: usize,
    },
    /// The last attempts failed.
    Failing {
        /// Number of consecutive attempts.
        count: u32,
    },
    /// The service does not support it.
    Missing,
}

impl Support {
    /// Returns the support after an attempt failed.
    #[must_use]
    pub fn failed(self) -> Self {
        let count = match self {
            Self::Failing { count } => count.saturating_add(1),
            Self::Untried | Self::Works { .. } | Self::Missing => 1,
        };
        Self::Failing { count }
    }

    /// Returns the time from the last attempt to the next one that is allowed.
    #[must_use]
    pub fn pause(self) -> Duration {
        match self {
            Self::Untried | Self::Works { .. } => Duration::ZERO,
            // Two doublings more than a list pauses, so that the other way is tried meanwhile.
            Self::Failing { count } => {
                doubled(FIRST_PAUSE, count.saturating_add(2)).min(MAX_PAUSE_AFTER_FAILURE)
            }
            Self::Missing => UNSUPPORTED_PAUSE,
        }
    }

    /// Returns the probable number of pages of a sweep over about this number of sets, if this is the support for sweeps.
    #[must_use]
    pub fn pages(self, sets: usize) -> usize {
        match self {
            Self::Works { requests } => requests.max(1),
            Self::Untried | Self::Failing { .. } | Self::Missing => {
                sets.div_ceil(USUAL_PAGE).max(1)
            }
        }
    }
}

/// Returns whether this number of requests for several sets is worth it instead of the lists of `sets` sets.
#[must_use]
pub const fn pays(sets: usize, requests: usize) -> bool {
    sets >= requests.saturating_mul(MIN_LISTS_REPLACED)
}

/// The comparison of two lists of objects with unique ids, in parts, so that the caller can do other work in between.
/// Each item is visited once. The order of the items does not matter.
#[derive(Debug)]
pub struct ListComparison<'a, T, Id> {
    id: fn(&T) -> &Id,
    old: Iter<'a, T>,
    new: Iter<'a, T>,
    /// The old items for which no new one has been visited yet.
    unmatched: HashMap<&'a Id, &'a T>,
    changed: Vec<&'a T>,
}

impl<'a, T: PartialEq, Id: Eq + Hash> ListComparison<'a, T, Id> {
    /// Begins the comparison of `old` and `new`.
    #[must_use]
    pub fn new(old: &'a [T], new: &'a [T], id: fn(&T) -> &Id) -> Self {
        Self {
            id,
            old: old.iter(),
            new: new.iter(),
            unmatched: HashMap::with_capacity(old.len()),
            changed: Vec::new(),
        }
    }

    /// Visits at most this many items of each list, and returns whether any are left.
    pub fn go_on(&mut self, count: usize) -> bool {
        let id = self.id;
        let old = self.old.by_ref().take(count);
        self.unmatched.extend(old.map(|item| (id(item), item)));
        if self.old.len() > 0 {
            return true;
        }
        for item in self.new.by_ref().take(count) {
            let before = self.unmatched.remove(id(item));
            if before != Some(item) {
                self.changed.extend(before);
                self.changed.push(item);
            }
        }
        self.new.len() > 0
    }

    /// Returns the items of both lists that differ, or that only one of them contains.
    #[must_use]
    pub fn changed(mut self) -> Vec<&'a T> {
        while self.go_on(usize::MAX) {}
        self.changed.extend(self.unmatched.into_values());
        self.changed
    }
}

/// Returns the types of flows.
#[must_use]
pub fn types_of(flows: &[&Flow]) -> Vec<FlowType> {
    let found: HashSet<FlowType> = flows.iter().filter_map(|flow| flow.flow_type).collect();
    let is_found = |kind: &FlowType| found.contains(kind);
    FlowType::ALL.into_iter().filter(is_found).collect()
}

/// Returns the ids and names of sets.
#[must_use]
pub fn ids_and_names_of(sets: &[&FlowSet]) -> (BTreeSet<FlowSetId>, BTreeSet<String>) {
    let ids = sets.iter().map(|set| set.id.clone()).collect();
    let names = sets.iter().map(|set| set.display_name.clone()).collect();
    (ids, names)
}

/// Returns a pause after it was doubled this many times.
pub(super) fn doubled(first: Duration, times: u32) -> Duration {
    // The limit only prevents an overflow: 1 s << 16 is 18 hours, more than any pause.
    first.saturating_mul(1 << times.min(16))
}

#[cfg(test)]
mod tests;
