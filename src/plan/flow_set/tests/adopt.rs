//! Sets that exist: which of them is ours.

use super::*;
use crate::api::AdoptionPolicy;

/// The expected treatment of the sets that have our name.
#[derive(Debug, PartialEq)]
enum Becomes {
    Claimed,
    Ours(u32, &'static str),
    Stalled(&'static str),
}

use Becomes::{Claimed, Ours, Stalled};

fn becomes(input: &FlowInput) -> Becomes {
    let plan = plan(input);
    if let Some(Step::Resource(ResourceStep::WriteIntent { .. })) = plan.step {
        return Claimed;
    }
    assert_eq!(plan.step, None);
    if let [event] = plan.events.as_slice() {
        let number = (1..9).find(|number| plan.status.id == Some(id(*number)));
        let EventReason::Occurrence(occurrence) = event.reason else {
            panic!("{event:?}");
        };
        return Ours(number.unwrap(), occurrence.as_str());
    }
    let reasons = [
        reason::AMBIGUOUS_CREATE,
        reason::ALREADY_EXISTS,
        reason::CONFLICT,
        reason::NOT_FOUND,
        reason::REMOTE_ID_NOT_FOUND,
    ];
    let said = condition_text(&plan.status.conditions, STALLED);
    Stalled(
        reasons
            .into_iter()
            .find(|reason| said == format!("True/{reason}"))
            .unwrap(),
    )
}

#[test]
fn a_namesake_that_nobody_holds_is_ours_after_an_attempt_and_dates_decide_between_several() {
    // Sets by number, name and time of creation; ids held by others; attempt; expectation.
    type Case = (
        &'static [(u32, &'static str, i64)],
        &'static [u32],
        Option<i64>,
        Becomes,
    );
    let cases: [Case; 14] = [
        (&[], &[], None, Claimed),
        (&[(1, "Other", 20)], &[], None, Claimed),
        (&[(1, "district north", 20)], &[], None, Claimed),
        (&[(1, NAME, 20)], &[], None, Stalled("AlreadyExists")),
        (&[(1, NAME, 20)], &[1], None, Claimed),
        (&[(1, NAME, 20)], &[], Some(15), Ours(1, "Created")),
        (&[(1, NAME, 20)], &[], Some(21), Ours(1, "Created")),
        (&[(1, NAME, 20)], &[], Some(900), Ours(1, "Created")),
        (
            &[(1, "Other", 20), (2, NAME, 21)],
            &[],
            Some(15),
            Ours(2, "Created"),
        ),
        (
            &[(1, NAME, 5), (2, NAME, 21)],
            &[],
            Some(15),
            Ours(2, "Created"),
        ),
        (
            &[(1, NAME, 20), (2, NAME, 21)],
            &[1],
            Some(15),
            Ours(2, "Created"),
        ),
        (
            &[(1, NAME, 20), (2, NAME, 21)],
            &[],
            Some(15),
            Stalled("AmbiguousCreate"),
        ),
        (
            &[(1, NAME, 20), (2, NAME, 21)],
            &[],
            Some(900),
            Stalled("AmbiguousCreate"),
        ),
        (
            &[(1, NAME, 20), (2, NAME, 21)],
            &[],
            None,
            Stalled("AlreadyExists"),
        ),
    ];
    for (sets, held, attempted, expected) in cases {
        let case = format!("{sets:?} held {held:?} attempt {attempted:?}");
        let mut resource = flow_set().held();
        if let Some(seconds) = attempted {
            resource = resource.attempted(seconds);
        }
        let sets = sets
            .iter()
            .map(|(number, name, created)| remote_set(*number, name, *created));
        let mut input = input(resource, sets.collect());
        input.related.held = held
            .iter()
            .map(|number| id(*number).parse().unwrap())
            .collect();
        assert_eq!(becomes(&input), expected, "{case}");
    }
}

#[test]
fn a_set_that_another_resource_manages_is_looked_at_but_not_taken() {
    let named = || flow_set().annotated(annotation::REMOTE_ID, &id(1));
    let observing = || named().with(|spec| spec.management_policy = ManagementPolicy::Observe);
    for (resource, expected) in [
        (named(), Stalled("Conflict")),
        (observing(), Ours(1, "Found")),
    ] {
        let mut input = input(resource.held(), vec![remote_set(1, NAME, 5)]);
        input.related.held = [id(1).parse().unwrap()].into();
        assert_eq!(becomes(&input), expected);
    }
}

#[test]
fn the_attempt_of_another_resource_proves_nothing_for_an_older_set() {
    for (seconds, expected) in [(20, Ours(1, "Created")), (22, Stalled("AlreadyExists"))] {
        let copied = flow_set().held().attempted_by("another", seconds);
        let input = input(copied, vec![remote_set(1, NAME, 20)]);
        assert_eq!(becomes(&input), expected);
    }
}

#[test]
fn a_set_that_may_be_what_another_resource_has_created_is_not_adopted_by_its_name() {
    let adopting = flow_set().held();
    let adopting = adopting.with(|spec| spec.adoption_policy = AdoptionPolicy::IfExists);
    let mut input = input(adopting, vec![remote_set(1, NAME, 20)]);
    input.related.is_contested = true;
    let plan = plan(&input);
    assert_eq!(plan.step, None);
    assert_eq!(
        condition_text(&plan.status.conditions, STALLED),
        "True/AlreadyExists"
    );
    assert!(plan.requeue_after.is_some());
}

#[test]
fn the_set_of_another_resource_is_neither_changed_nor_deleted() {
    let mut world = owned(flow_set());
    world.related.owner = Some("a resource of another namespace".to_owned());
    world.edit(|set| set.with(|spec| spec.display_name = "South".to_owned()));
    world.live(120);
    assert_eq!(world.journal, [Effect::Status]);
    assert!(!world.status().owned);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Conflict"
    );
    world.edit(Building::deleting);
    world.reconcile();
    assert_eq!(world.count(DELETE), 0);
    assert!(world.resource.is_none());
    assert_eq!(world.service.items().len(), 1);
}

#[test]
fn a_namesake_is_adopted_only_if_it_is_the_only_one_and_adoption_is_allowed() {
    let adopting = || {
        flow_set()
            .held()
            .with(|spec| spec.adoption_policy = AdoptionPolicy::IfExists)
    };
    let observing = || flow_set().with(|spec| spec.management_policy = ManagementPolicy::Observe);
    let one = || vec![remote_set(1, NAME, 5)];
    let two = || vec![remote_set(1, NAME, 5), remote_set(2, NAME, 6)];
    assert_eq!(becomes(&input(adopting(), one())), Ours(1, "Adopted"));
    assert_eq!(becomes(&input(adopting(), two())), Stalled("AlreadyExists"));
    assert_eq!(becomes(&input(observing(), one())), Ours(1, "Found"));
    assert_eq!(
        becomes(&input(observing(), Vec::new())),
        Stalled("NotFound")
    );
}

#[test]
fn the_set_that_is_named_is_adopted_whatever_it_is_called() {
    let named = |number| {
        flow_set()
            .held()
            .annotated(annotation::REMOTE_ID, &id(number))
    };
    let sets = || vec![remote_set(1, "Other", 5), remote_set(2, NAME, 5)];
    let first = plan(&input(named(1), sets()));
    assert_eq!(first.status.id, Some(id(1)));
    assert_eq!(
        first.step,
        Some(Step::Resource(ResourceStep::WriteStatus(None))),
        "a set that is renamed is found by its id alone"
    );
    let recorded = named(1).knowing(|status| *status = first.status);
    let then = plan(&input(recorded, sets()));
    assert!(
        matches!(then.step, Some(Step::Remote(FlowSetChange::Update { .. }))),
        "it is renamed"
    );
    assert_eq!(
        becomes(&input(named(3), sets())),
        Stalled("RemoteIdNotFound")
    );
}

#[test]
fn a_person_can_pick_one_of_several_by_name() {
    let sets = || vec![remote_set(1, NAME, 20), remote_set(2, NAME, 21)];
    let picked = flow_set()
        .held()
        .attempted(15)
        .annotated(annotation::REMOTE_ID, &id(2));
    assert_eq!(becomes(&input(picked.clone(), sets())), Ours(2, "Adopted"));

    let before = |status: &mut OutboundProvisioningFlowSetStatus| status.id = Some(id(8));
    let vanished = picked.knowing(before);
    assert_eq!(
        becomes(&input(vanished, sets())),
        Ours(2, "Adopted"),
        "also for one that vanished"
    );
}
