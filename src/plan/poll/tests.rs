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
