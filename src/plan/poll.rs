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
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::graph::model::Properties;
    use crate::plan::testing::{flow as resource, id, remote_flow, remote_set};

    const MINUTE: Duration = Duration::from_mins(1);

    fn seconds(settled: bool, quiet: u32, failures: u32) -> u64 {
        let cadence = Cadence {
            interval: MINUTE,
            settled,
        };
        let history = History {
            quiet,
            failures,
            is_refused: false,
        };
        pause(cadence, history, 0.5).as_secs()
    }

    #[test]
    fn while_the_credential_is_refused_it_is_listed_soon() {
        let cadence = Cadence {
            interval: MINUTE * 60,
            settled: true,
        };
        let after = |failures| {
            let history = History {
                quiet: 0,
                failures,
                is_refused: true,
            };
            pause(cadence, history, 0.5).as_secs()
        };
        assert_eq!([1, 2, 4, 5, u32::MAX].map(after), [2, 4, 16, 20, 20]);
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
            is_refused: false,
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

    #[test]
    fn a_request_for_several_sets_pays_if_it_replaces_four_lists() {
        let cases = [(3, 1), (4, 1), (11, 3), (12, 3), (0, 1)];
        let paying = cases.map(|(sets, requests)| pays(sets, requests));
        assert_eq!(paying, [false, true, false, true, false]);
        assert!(!pays(usize::MAX - 1, usize::MAX));
    }

    #[test]
    fn the_pages_of_a_sweep_are_those_of_the_last_one() {
        let estimate = |sets| Support::Untried.pages(sets);
        assert_eq!([0, 1, 100, 101, 2_500].map(estimate), [1, 1, 1, 2, 25]);
        assert_eq!(Support::Works { requests: 7 }.pages(2_500), 7);
        assert_eq!(Support::Works { requests: 0 }.pages(2_500), 1);
    }

    #[test]
    fn after_failures_there_is_a_pause_and_after_a_refusal_one_of_a_day() {
        let failed = Support::Untried.failed();
        let thrice = failed.failed().failed();
        let often = Support::Failing { count: u32::MAX }.failed();
        let pauses = [Support::Works { requests: 3 }, failed, thrice, often];
        assert_eq!(
            pauses.map(|support| support.pause().as_secs()),
            [0, 8, 32, 300]
        );
        assert_eq!(Support::Missing.pause(), Duration::from_hours(24));
    }

    fn changed_types(old: &[Flow], new: &[Flow]) -> Vec<FlowType> {
        types_of(&ListComparison::new(old, new, |flow| &flow.id).changed())
    }

    #[test]
    fn only_types_whose_flows_changed_are_news() {
        let units = remote_flow(1, &resource(FlowType::AdministrativeUnit), 0);
        let users = remote_flow(2, &resource(FlowType::User), 0);
        let changed = |change: fn(&mut Flow)| {
            let mut flow = users.clone();
            change(&mut flow);
            flow
        };
        let old = [units.clone(), users.clone()];
        let cases: [(&str, Vec<Flow>, &[FlowType]); 8] = [
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
                vec![
                    units.clone(),
                    changed(|flow| flow.properties = Properties::default()),
                ],
                &[FlowType::User],
            ),
            (
                "unknown type",
                vec![units.clone(), changed(|flow| flow.flow_type = None)],
                &[FlowType::User],
            ),
            (
                "another in its place",
                vec![units.clone(), remote_flow(3, &resource(FlowType::User), 0)],
                &[FlowType::User],
            ),
            (
                "all gone",
                vec![],
                &[FlowType::AdministrativeUnit, FlowType::User],
            ),
        ];
        for (what, items, expected) in cases {
            assert_eq!(changed_types(&old, &items), expected, "{what}");
            assert_eq!(changed_types(&items, &old), expected, "{what}, reversed");
        }
    }

    #[test]
    fn changed_sets_are_told_by_id_and_by_old_and_new_name() {
        let old = [remote_set(1, "North", 0), remote_set(2, "South", 0)];
        let new = [
            remote_set(3, "West", 0),
            remote_set(2, "South", 0),
            remote_set(1, "Nord", 0),
        ];
        let of = |old, new| {
            let comparison = ListComparison::<FlowSet, FlowSetId>::new(old, new, |set| &set.id);
            ids_and_names_of(&comparison.changed())
        };
        let (ids, names) = of(&old, &new);
        assert_eq!(ids, [1, 3].map(|number| id(number).parse().unwrap()).into());
        assert_eq!(names, ["Nord", "North", "West"].map(str::to_owned).into());
        assert_eq!(of(&old, &old), (BTreeSet::new(), BTreeSet::new()));
    }

    /// An item that counts how often it is compared with another.
    #[derive(Debug)]
    struct Counted<'a>(u32, &'a Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    #[test]
    fn of_100_000_items_each_is_compared_once_and_never_many_at_a_time() {
        const COUNT: u32 = 100_000;
        let (compared, part) = (Cell::new(0), 1_000);
        let old: Vec<Counted<'_>> = (0..COUNT).map(|item| Counted(item, &compared)).collect();
        let new = (1..=COUNT).rev().map(|item| Counted(item, &compared));
        let new: Vec<Counted<'_>> = new.collect();
        let mut comparison = ListComparison::new(&old, &new, |item| &item.0);
        let mut parts = 0;
        loop {
            let before = compared.get();
            let is_left = comparison.go_on(part);
            parts += 1;
            assert!(compared.get() - before <= part);
            if !is_left {
                break;
            }
        }
        assert_eq!(parts, 2 * 100_000 / part - 1);
        let mut changed: Vec<u32> = comparison.changed().iter().map(|item| item.0).collect();
        changed.sort_unstable();
        assert_eq!(changed, [0, COUNT]);
        assert_eq!(compared.get(), 100_000 - 1);
    }
}
