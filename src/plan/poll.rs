//! Decisions about polls: when a collection is listed again, and which resources a new list affects.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::graph::model::{Flow, FlowSet, FlowSetId, FlowType, Listing};

/// Pause before the first poll of an unsettled collection; doubled with each list without a change.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after failures, reached after 9 of them (1 s << 9 = 512 s). It bounds the time to notice that the service
/// is available again.
const MAX_PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(5);

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
}

/// Returns the time from the last poll to the next one.
///
/// Settled collections are listed at the interval; others after 1 s, doubled with each list without a change up to the
/// interval; after failures, the pause is doubled up to 5 min. `spread`, from 0 to 1, changes the time by up to a tenth
/// in either direction, so that not all collections become due at once.
#[must_use]
pub fn pause(cadence: Cadence, history: History, spread: f64) -> Duration {
    let pause = if history.failures > 0 {
        let max = MAX_PAUSE_AFTER_FAILURE.max(cadence.interval);
        doubled(FIRST_PAUSE, history.failures).min(max)
    } else if cadence.settled {
        cadence.interval
    } else {
        doubled(FIRST_PAUSE, history.quiet).min(cadence.interval)
    };
    pause.mul_f64(0.9 + 0.2 * spread.clamp(0.0, 1.0))
}

/// Returns the types whose flows differ between the two lists.
#[must_use]
pub fn changed_types(old: &Listing<Flow>, new: &Listing<Flow>) -> Vec<FlowType> {
    fn of(listing: &Listing<Flow>, kind: FlowType) -> Vec<&Flow> {
        let mine = |flow: &&Flow| flow.flow_type == Some(kind);
        listing.items.iter().filter(mine).collect()
    }
    let differs = |kind: &FlowType| of(old, *kind) != of(new, *kind);
    FlowType::ALL.into_iter().filter(differs).collect()
}

/// Returns the ids and names of the sets that differ between the two lists.
#[must_use]
pub fn changed_sets(
    old: &Listing<FlowSet>,
    new: &Listing<FlowSet>,
) -> (BTreeSet<FlowSetId>, BTreeSet<String>) {
    let only = |one: &Listing<FlowSet>, other: &Listing<FlowSet>| {
        let missing = one
            .items
            .iter()
            .filter(|set| !other.items.contains(set))
            .cloned();
        missing.collect::<Vec<_>>()
    };
    let changed = [only(old, new), only(new, old)].concat();
    let ids = changed.iter().map(|set| set.id.clone()).collect();
    (
        ids,
        changed.into_iter().map(|set| set.display_name).collect(),
    )
}

/// Returns a pause after it was doubled this many times.
pub(super) fn doubled(first: Duration, times: u32) -> Duration {
    // The limit only prevents an overflow: 1 s << 16 is 18 hours, more than any pause.
    first.saturating_mul(1 << times.min(16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{at, flow as resource, id, remote_flow, remote_set};

    const MINUTE: Duration = Duration::from_mins(1);

    fn seconds(settled: bool, quiet: u32, failures: u32) -> u64 {
        let cadence = Cadence {
            interval: MINUTE,
            settled,
        };
        pause(cadence, History { quiet, failures }, 0.5).as_secs()
    }

    #[test]
    fn a_settled_collection_is_listed_at_the_interval() {
        assert!(
            [0, 1, 100]
                .into_iter()
                .all(|quiet| seconds(true, quiet, 0) == 60)
        );
    }

    #[test]
    fn an_unsettled_collection_is_listed_soon_and_then_less_often() {
        let pauses = [0, 1, 2, 3, 5, 6, u32::MAX].map(|quiet| seconds(false, quiet, 0));
        assert_eq!(pauses, [1, 2, 4, 8, 32, 60, 60]);
    }

    #[test]
    fn after_failures_it_is_listed_less_often() {
        for settled in [true, false] {
            let pauses = [1, 2, 8, 9, u32::MAX].map(|failures| seconds(settled, 0, failures));
            assert_eq!(pauses, [2, 4, 256, 300, 300]);
        }
        let rare = Cadence {
            interval: MINUTE * 60,
            settled: true,
        };
        let failures = History {
            quiet: 0,
            failures: 30,
        };
        assert_eq!(
            pause(rare, failures, 0.5),
            MINUTE * 60,
            "never more often than without"
        );
    }

    #[test]
    fn the_spread_is_a_tenth_in_either_direction() {
        let cadence = Cadence {
            interval: MINUTE,
            settled: true,
        };
        let at = |spread| pause(cadence, History::default(), spread).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(at), [54_000, 60_000, 66_000]);
        assert_eq!([-7.0, 7.0].map(at), [54_000, 66_000]);
    }

    fn listing<T>(items: Vec<T>) -> Listing<T> {
        Listing {
            items,
            unread: 0,
            date: at(0),
        }
    }

    #[test]
    fn only_types_whose_flows_changed_are_news() {
        let [units, users] = [FlowType::AdministrativeUnit, FlowType::User]
            .map(|kind| remote_flow(1, &resource(kind), 0));
        let changed = |change: fn(&mut Flow)| {
            let mut flow = users.clone();
            change(&mut flow);
            flow
        };
        let old = listing(vec![units.clone(), users.clone()]);
        let cases: [(&str, Vec<Flow>, &[FlowType]); 7] = [
            ("nothing", vec![units.clone(), users.clone()], &[]),
            ("order", vec![users.clone(), units.clone()], &[]),
            ("gone", vec![units.clone()], &[FlowType::User]),
            (
                "readiness",
                vec![units.clone(), changed(|flow| flow.readiness = None)],
                &[FlowType::User],
            ),
            (
                "property",
                vec![units.clone(), changed(|flow| flow.properties.clear())],
                &[FlowType::User],
            ),
            (
                "unknown type",
                vec![units.clone(), changed(|flow| flow.flow_type = None)],
                &[FlowType::User],
            ),
            (
                "all gone",
                vec![],
                &[FlowType::AdministrativeUnit, FlowType::User],
            ),
        ];
        for (what, items, expected) in cases {
            assert_eq!(changed_types(&old, &listing(items)), expected, "{what}");
        }
        let later = Listing {
            date: at(60),
            ..old.clone()
        };
        assert!(changed_types(&old, &later).is_empty(), "time passes");
    }

    #[test]
    fn changed_sets_are_told_by_id_and_by_old_and_new_name() {
        let old = listing(vec![remote_set(1, "North", 0), remote_set(2, "South", 0)]);
        let new = listing(vec![
            remote_set(3, "West", 0),
            remote_set(2, "South", 0),
            remote_set(1, "Nord", 0),
        ]);
        let (ids, names) = changed_sets(&old, &new);
        assert_eq!(ids, [1, 3].map(|number| id(number).parse().unwrap()).into());
        assert_eq!(names, ["Nord", "North", "West"].map(str::to_owned).into());
        assert_eq!(changed_sets(&old, &old), (BTreeSet::new(), BTreeSet::new()));
    }
}
