//! Sets that are created, and recreated.

use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::api::DriftPolicy;
use crate::plan::Outcome;

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
