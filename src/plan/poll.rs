//! Decides when a collection of the service is listed again, and whom a new list concerns.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::graph::model::{Flow, FlowSet, FlowSetId, FlowType, Listing};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(300);

/// How a collection is to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// How often it is listed while nothing is expected of it.
    pub interval: Duration,
    /// Whether nothing is expected of it: all resources that it concerns are where they should be.
    pub settled: bool,
}

/// How the last polls of a collection went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// How many lists in a row have shown nothing new.
    pub quiet: u32,
    /// How many lists in a row have failed.
    pub failures: u32,
}

/// How long after the last list the next one is due.
///
/// Settled collections are listed at the interval; others soon, and then less and less often up to the interval; after
/// failures less and less often too. `spread`, from 0 to 1, moves the time by up to a tenth in either direction, so that
/// collections do not all come due at once.
#[must_use]
pub fn pause(cadence: Cadence, history: History, spread: f64) -> Duration {
    let pause = if history.failures > 0 {
        let most = LONGEST_PAUSE_AFTER_FAILURE.max(cadence.interval);
        doubled(FIRST_PAUSE, history.failures).min(most)
    } else if cadence.settled {
        cadence.interval
    } else {
        doubled(FIRST_PAUSE, history.quiet).min(cadence.interval)
    };
    pause.mul_f64(0.9 + 0.2 * spread.clamp(0.0, 1.0))
}

/// The types whose flows are not the same in both lists.
#[must_use]
pub fn changed_types(old: &Listing<Flow>, new: &Listing<Flow>) -> Vec<FlowType> {
    fn of(listing: &Listing<Flow>, kind: FlowType) -> Vec<&Flow> {
        let mine = |flow: &&Flow| flow.flow_type == Some(kind);
        listing.items.iter().filter(mine).collect()
    }
    let differs = |kind: &FlowType| of(old, *kind) != of(new, *kind);
    FlowType::ALL.into_iter().filter(differs).collect()
}

/// The ids and names of the sets that are not the same in both lists.
#[must_use]
pub fn changed_sets(
    old: &Listing<FlowSet>,
    new: &Listing<FlowSet>,
) -> (BTreeSet<FlowSetId>, BTreeSet<String>) {
    let only = |one: &Listing<FlowSet>, other: &Listing<FlowSet>| {
        let missing = one.items.iter().filter(|set| !other.items.contains(set)).cloned();
        missing.collect::<Vec<_>>()
    };
    let changed = [only(old, new), only(new, old)].concat();
    let ids = changed.iter().map(|set| set.id.clone()).collect();
    (ids, changed.into_iter().map(|set| set.display_name).collect())
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16))
}
