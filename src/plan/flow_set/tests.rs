use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::api::{AdoptionPolicy, DeletionPolicy, DriftPolicy, ManagementPolicy, annotation};
use crate::graph::verdict::Reason;
use crate::plan::testing::*;
use crate::plan::{Action, Blocked, Outcome, ResourceStep, Step};

const CREATE: Effect = Effect::Remote(Action::Create);
const UPDATE: Effect = Effect::Remote(Action::Update);
const DELETE: Effect = Effect::Remote(Action::Delete);
const NAME: &str = "District north";

type FlowInput = Input<OutboundProvisioningFlowSet>;

fn input(resource: OutboundProvisioningFlowSet, sets: Vec<FlowSet>) -> FlowInput {
    let mut world = World::new(resource);
    world.now = at(30);
    let mut input = world.observe().unwrap();
    input.collection = Some(listed(sets, 30));
    input
}

fn plan(input: &FlowInput) -> Plan<OutboundProvisioningFlowSet> {
    let plan = OutboundProvisioningFlowSet::plan(input);
    check(input, &plan);
    // Of what others manage, a plan needs to know the candidates only.
    let held = |id: &&FlowSetId| input.related.held.contains(*id);
    let mut narrow = input.clone();
    narrow.related.held = candidates(input).filter(held).cloned().collect();
    let same = OutboundProvisioningFlowSet::plan(&narrow);
    assert_eq!(format!("{same:?}"), format!("{plan:?}"));
    plan
}

/// Returns a resource whose set 1 was created at 10 s.
fn owned(resource: OutboundProvisioningFlowSet) -> World<OutboundProvisioningFlowSet> {
    let resource = resource.held().attempted(9);
    let resource = resource.knowing(|status: &mut OutboundProvisioningFlowSetStatus| {
        status.id = Some(id(1));
        status.resolved_attempt = Some(attempt(9).id.to_string());
        status.created_date_time = Some(at(10).to_string());
    });
    let mut world = World::new(resource).holding(vec![remote_set(1, NAME, 10)]);
    // Older than lists may lag.
    world.now = at(60);
    world.poll();
    world.reconcile();
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
    world.journal.clear();
    world.events.clear();
    world
}

#[test]
fn a_set_costs_two_writes_from_apply_to_ready() {
    let mut world = World::new(flow_set());
    world.live(120);
    assert_eq!(world.journal, [Effect::WriteIntent, CREATE, Effect::Status]);
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
    assert_eq!(world.status().flows, Some(FlowCount::default()));
    assert_eq!(world.events, ["Created"]);
}

#[test]
fn every_fault_on_the_way_ends_with_one_set() {
    let fates = [
        Fate::answer_lost(),
        Fate::request_lost(),
        Fate::crash_before(),
        Fate::crash_after(),
        Fate::failed(throttled(3)),
        Fate::failed(not_sent()),
    ];
    for first in &fates {
        for second in &fates {
            for effect in [Effect::WriteIntent, CREATE, Effect::Status] {
                for lag in [0, 7] {
                    let mut world = World::new(flow_set())
                        .when(effect, first.clone())
                        .when(CREATE, second.clone());
                    world.service.lag = SignedDuration::from_secs(lag);
                    world.live(150);
                    let context = format!("{effect:?} {first:?}, then {second:?}, lag {lag}");
                    assert_eq!(world.service.items().len(), 1, "{context}");
                    let made = world.service.items()[0].id.to_string();
                    assert_eq!(world.status().id, Some(made), "{context}");
                }
            }
        }
    }
}

#[test]
fn a_set_that_is_renamed_while_its_create_is_unresolved_is_found_by_its_old_name() {
    let mut world = World::new(flow_set()).when(CREATE, Fate::answer_lost());
    world.reconcile();
    world.edit(|set| set.with(|spec| spec.display_name = "District south".to_owned()));
    world.live(60);
    assert_eq!((world.count(CREATE), world.service.items().len()), (1, 1));
    assert_eq!(world.service.items()[0].display_name, "District south");
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
}

#[test]
fn a_refusal_takes_the_intent_back() {
    let mut world = World::new(flow_set()).when(CREATE, Fate::failed(refused(Reason::Forbidden)));
    world.reconcile();
    assert_eq!(
        world.journal,
        [Effect::WriteIntent, Effect::ClearIntent, Effect::Status]
    );
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Forbidden"
    );
    world.live(60);
    assert_eq!(world.count(CREATE), 1);
}

#[test]
fn a_set_that_the_service_names_differently_is_not_created_twice() {
    let mut input = input(
        flow_set().held().attempted(30),
        vec![
            remote_set(9, "Elsewhere", 40),
            remote_set(1, "DISTRICT NORTH", 30),
        ],
    );
    input.effects.outcome = Some(Outcome::Done(Action::Create));
    input.effects.written = true;
    assert_eq!(plan(&input).status.id, Some(id(1)));
}

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
        return Ours(number.unwrap(), event.reason);
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

#[test]
fn a_vanished_set_that_was_adopted_by_name_is_found_again_after_a_lost_create() {
    let mut world = owned(flow_set()).when(CREATE, Fate::answer_lost());
    world.edit(|set| set.annotated(annotation::REMOTE_ID, &id(1)));
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.live(300);
    assert_eq!(world.count(CREATE), 1);
    assert_eq!(world.status().id, Some(id(101)));
}

#[test]
fn a_vanished_set_is_made_anew_only_after_the_window_and_only_under_correct() {
    for (policy, creates) in [(DriftPolicy::Correct, 1), (DriftPolicy::Report, 0)] {
        let mut world = owned(flow_set().with(|spec| spec.drift_policy = policy));
        let now = world.now;
        world.service.meddle(now, Vec::clear);
        world.poll();
        world.live(28);
        assert_eq!(world.count(CREATE), 0);
        world.live(30);
        assert_eq!(world.count(CREATE), creates);
    }
}

fn differs(change: impl FnOnce(&mut FlowSet)) -> bool {
    let mut world = owned(flow_set());
    let now = world.now;
    world.service.meddle(now, |sets| change(&mut sets[0]));
    world.live(60);
    world.count(UPDATE) == 1
}

#[test]
fn what_differs_is_corrected_and_what_only_looks_different_is_not() {
    let values =
        |values: Value| move |set: &mut FlowSet| set.filter.as_mut().unwrap()["in"] = values;
    assert!(
        differs(|set| set.display_name = "District North".to_owned()),
        "letter case"
    );
    assert!(differs(|set| set.filter = None));
    assert!(differs(values(json!(["school-17"]))));
    assert!(
        differs(values(json!(["School-17", "school-42"]))),
        "letter case"
    );
    assert!(differs(values(json!([
        "school-17",
        "school-42",
        "school-1"
    ]))));
    assert!(!differs(values(json!(["school-42", "school-17"]))), "order");
    assert!(
        !differs(values(json!(["school-42", "school-17", "school-42"]))),
        "repetition"
    );
    assert!(!differs(
        |set| set.filter.as_mut().unwrap()["attribute"] = json!("OrgExternalId")
    ));
    assert!(!differs(|set| set.last_modified = None));
}

#[test]
fn an_update_sends_the_whole_set() {
    let mut world = owned(flow_set());
    world.edit(|set| set.with(|spec| spec.filter = None));
    world.reconcile();
    assert_eq!(world.journal, [UPDATE, Effect::Status]);
    assert_eq!(world.service.items()[0].display_name, NAME);
    assert_eq!(world.service.items()[0].filter, None);
    assert_eq!(world.status().observed_generation, 2);
}

#[test]
fn under_report_a_difference_is_only_told() {
    let mut world = owned(flow_set().with(|spec| spec.drift_policy = DriftPolicy::Report));
    let now = world.now;
    world
        .service
        .meddle(now, |sets| sets[0].display_name = "South".to_owned());
    world.live(60);
    assert_eq!(world.journal, [Effect::Status]);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Drifted"
    );
    assert_eq!(world.status().drift[0].path, "displayName");
}

#[test]
fn an_edit_right_after_an_update_is_sent_at_once() {
    let mut world = owned(flow_set());
    for (count, name) in ["South", NAME, "West"].into_iter().enumerate() {
        world.edit(|set| set.with(|spec| spec.display_name = name.to_owned()));
        world.reconcile();
        assert_eq!(world.count(UPDATE), count + 1);
        assert_eq!(world.service.items()[0].display_name, name);
    }
}

#[test]
fn a_set_waits_for_its_flows_and_then_goes() {
    let mut world = owned(flow_set());
    world.related.flows = FlowCount { total: 2, ready: 1 };
    world.edit(Building::deleting);
    world.live(60);
    assert_eq!(world.journal, [Effect::Status]);
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/InUse"
    );
    world.related.flows = FlowCount::default();
    world.live(10);
    assert!(world.resource.is_none());
    assert!(world.service.items().is_empty());
    assert_eq!(world.events, ["Deleted"]);
}

#[test]
fn what_is_to_stay_is_let_go_without_a_request() {
    let retain = flow_set().with(|spec| spec.deletion_policy = DeletionPolicy::Retain);
    let observe = flow_set().with(|spec| spec.management_policy = ManagementPolicy::Observe);
    let abandon = flow_set().annotated(annotation::ABANDON, "true");
    for resource in [retain, observe, abandon] {
        let mut world = owned(resource);
        world.edit(Building::deleting);
        world.reconcile();
        assert_eq!(world.journal, [Effect::RemoveFinalizer]);
        assert_eq!(world.service.items().len(), 1);
    }
}

#[test]
fn an_unresolved_create_is_resolved_before_the_resource_goes() {
    for (fate, deleted) in [
        (Fate::answer_lost(), 1),
        (Fate::crash_after(), 1),
        (Fate::request_lost(), 0),
    ] {
        let mut world = World::new(flow_set()).when(CREATE, fate.clone());
        world.reconcile();
        world.edit(Building::deleting);
        world.live(60);
        assert_eq!(world.count(DELETE), deleted, "{fate:?}");
        assert!(
            world.resource.is_none() && world.service.items().is_empty(),
            "{fate:?}"
        );
    }
}

#[test]
fn a_deletion_that_cannot_be_done_says_why_and_how_to_let_go() {
    let several = vec![remote_set(1, NAME, 20), remote_set(2, NAME, 21)];
    let ambiguous = input(flow_set().held().attempted(15).deleting(), several);
    let mut blocked_by = input(flow_set().held().attempted(15).deleting(), Vec::new());
    blocked_by.target = Err(Blocked::person(reason::SECRET_NOT_FOUND, "create it"));
    let mut unreadable = input(flow_set().held().attempted(15).deleting(), Vec::new());
    unreadable.collection = Some(unread(refused(Reason::Forbidden)));
    for input in [ambiguous, blocked_by, unreadable] {
        let plan = plan(&input);
        assert_eq!(plan.step, None);
        assert_eq!(
            condition_text(&plan.status.conditions, STALLED),
            "True/DeletionBlocked"
        );
        assert!(plan.status.conditions[0].message.contains("abandon"));
    }
}

#[test]
fn a_failed_deletion_is_repeated() {
    for verdict in [unavailable(), refused(Reason::Forbidden)] {
        let mut world = owned(flow_set()).when(DELETE, Fate::failed(verdict));
        world.edit(Building::deleting);
        world.reconcile();
        assert!(world.resource.is_some());
        world.live(70);
        assert!(world.resource.is_none());
    }
}

#[test]
fn a_suspended_or_younger_set_touches_nothing() {
    let mut suspended = input(flow_set().with(|spec| spec.suspend = true), Vec::new());
    suspended.resource = Arc::new((*suspended.resource).clone().held());
    assert_eq!(
        condition_text(&plan(&suspended).status.conditions, SYNCED),
        "False/Suspended"
    );
    let mut younger = input(flow_set(), Vec::new());
    younger.related.conflict = Some("older".to_owned());
    assert_eq!(
        condition_text(&plan(&younger).status.conditions, STALLED),
        "True/Conflict"
    );
}

#[test]
fn flows_are_summed_up_without_another_write_at_rest() {
    let mut world = owned(flow_set());
    world.related.flows = FlowCount { total: 2, ready: 1 };
    world.live(60);
    assert_eq!(world.journal, [Effect::Status]);
    assert_eq!(world.status().flows, Some(FlowCount { total: 2, ready: 1 }));
}

#[test]
fn a_failing_list_changes_nothing() {
    let mut world = owned(flow_set());
    world.service.unreadable = Some(unavailable());
    world.poll();
    world.live(60);
    assert_eq!(world.journal, []);
}
