use super::passwords::password;
use super::*;

fn after_lost_create(fate: Fate) -> World<ProvisioningFlow> {
    let mut world = World::new(small()).when(CREATE, fate);
    world.poll();
    world.reconcile();
    world
}

#[test]
fn a_flow_costs_three_writes_from_apply_to_ready() {
    let mut world = World::new(small());
    world.poll();
    world.reconcile();
    assert_eq!(world.journal, [Effect::WriteIntent, CREATE, Effect::Status]);
    let status = world.status();
    assert_eq!(status.id.as_deref(), Some(id(101).as_str()));
    assert_eq!(status.observed_generation, 1);
    assert_eq!(status.type_.as_deref(), Some("securityGroup"));
    assert_eq!(condition_text(&status.conditions, SYNCED), "True/Synced");
    assert_eq!(condition_text(&status.conditions, READY), "False/NotReady");
    assert_eq!(
        condition_text(&status.conditions, RECONCILING),
        "True/NotReady"
    );

    let now = world.now;
    world
        .service
        .meddle(now, |flows| flows[0].readiness = Some("ready".to_owned()));
    world.poll();
    world.reconcile();
    assert_eq!(
        world.journal,
        [Effect::WriteIntent, CREATE, Effect::Status, Effect::Status]
    );
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
    assert_eq!(condition_text(&world.status().conditions, RECONCILING), "");
    assert_eq!(world.again, None);
    assert_eq!(world.events, ["Created"]);

    world.live(600);
    assert_eq!(world.journal.len(), 4, "at rest nothing is written");
}

#[test]
fn all_four_types_can_be_created() {
    for kind in FlowType::ALL {
        let mut world = World::new(flow(kind));
        world.live(120);
        assert_eq!(
            world.journal,
            [Effect::WriteIntent, CREATE, Effect::Status],
            "{kind}"
        );
    }
}

#[test]
fn a_flow_is_looked_for_freshly_before_it_is_claimed() {
    let mut input = input(small(), Some(Vec::new()));
    let Some(Read::Known(view)) = &mut input.collection else {
        unreachable!()
    };
    view.fresh = false;
    assert_eq!(plan(&input).step, Some(Step::Refresh));
}

#[test]
fn an_absent_flow_is_claimed_as_of_the_service_time_of_the_list() {
    let step = plan(&input(small(), Some(Vec::new()))).step;
    let Some(Step::Resource(ResourceStep::WriteIntent {
        attempt: claimed, ..
    })) = step
    else {
        panic!("{step:?}")
    };
    assert_eq!(claimed.time, at(30));
}

#[test]
fn a_claim_that_meets_a_newer_resource_starts_again() {
    let mut world = World::new(small()).when(Effect::WriteIntent, Fate::failed(not_sent()));
    world.live(20);
    assert_eq!(world.journal, [Effect::WriteIntent, CREATE, Effect::Status]);
}

/// Whatever happens on the way, one create takes effect, and one flow is recorded.
#[test]
fn every_fault_on_the_way_ends_with_one_flow() {
    let fates = [
        Fate::answer_lost(),
        Fate::request_lost(),
        Fate::crash_before(),
        Fate::crash_after(),
        Fate::failed(throttled(3)),
        Fate::failed(not_sent()),
        Fate::held_back(),
        Fate {
            happens: true,
            ..Fate::failed(throttled(3))
        },
        Fate {
            happens: true,
            ..Fate::failed(conflicting())
        },
    ];
    for first in &fates {
        for second in &fates {
            for effect in [Effect::WriteIntent, CREATE, Effect::Status] {
                for lag in [0, 7] {
                    let mut world = World::new(flow(FlowType::User))
                        .when(effect, first.clone())
                        .when(CREATE, second.clone());
                    world.service.lag = k8s_openapi::jiff::SignedDuration::from_secs(lag);
                    world.live(150);
                    let context = format!("{effect:?} {first:?}, then {second:?}, lag {lag}");
                    assert_eq!(world.count(CREATE), 1, "{context}");
                    assert_eq!(world.service.items().len(), 1, "{context}");
                    let known = world.status().id.clone();
                    assert_eq!(
                        known.as_deref(),
                        Some(world.service.items()[0].id.as_str()),
                        "{context}"
                    );
                    assert_eq!(
                        condition_text(&world.status().conditions, SYNCED),
                        "True/Synced",
                        "{context}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_flow_whose_answer_was_lost_is_known_as_ours() {
    let mut world = after_lost_create(Fate::answer_lost());
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/CreateUnresolved"
    );
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "False/CreateUnresolved"
    );
    world.live(20);
    assert_eq!(world.count(CREATE), 1);
    assert_eq!(world.status().id.as_deref(), Some(id(101).as_str()));
    let created = world
        .events
        .iter()
        .filter(|event| *event == "Created")
        .count();
    assert_eq!(created, 1, "{:?}", world.events);
}

#[test]
fn a_lost_flow_is_not_created_again_before_the_visibility_window_is_over() {
    for fate in [
        Fate::request_lost(),
        Fate::failed(throttled(1)),
        Fate::crash_before(),
    ] {
        let mut world = after_lost_create(fate.clone());
        world.live(28);
        assert_eq!(world.count(CREATE), 0, "{fate:?}");
        world.live(30);
        assert_eq!(world.count(CREATE), 1, "{fate:?}");
    }
}

#[test]
fn a_second_attempt_keeps_the_time_of_the_first() {
    let mut world = after_lost_create(Fate::request_lost());
    let first = resource::attempt(world.resource()).unwrap();
    world.live(60);
    let second = resource::attempt(world.resource()).unwrap();
    assert_eq!(second.time, first.time);
    assert_ne!(second.id, first.id, "each request has a name of its own");
}

#[test]
fn a_flow_that_shows_up_after_the_second_attempt_is_still_ours() {
    let mut world =
        after_lost_create(Fate::request_lost()).when(CREATE, Fate::failed(conflicting()));
    world.live(40);
    let late = remote_flow(1, &small(), 1);
    let now = world.now;
    world.service.meddle(now, |flows| flows.push(late));
    world.live(10);
    assert_eq!(world.status().id.as_deref(), Some(id(1).as_str()));
    assert_eq!(world.count(CREATE), 0);
}

#[test]
fn a_refusal_takes_the_intent_back_and_is_told() {
    let refusals = [
        (Reason::Rejected, "True/Rejected"),
        (Reason::Unauthorized, "True/Unauthorized"),
        (Reason::Forbidden, "True/Forbidden"),
        (Reason::NotFound, "True/NotFound"),
    ];
    for (reason, stalled) in refusals {
        let mut world = World::new(small()).when(CREATE, Fate::failed(refused(reason)));
        world.reconcile();
        assert_eq!(
            world.journal,
            [Effect::WriteIntent, Effect::ClearIntent, Effect::Status],
            "{reason}"
        );
        assert_eq!(condition_text(&world.status().conditions, STALLED), stalled);
        assert_eq!(world.status().retry.as_ref().unwrap().failures, 1);
        assert_eq!(resource::attempt(world.resource()), None);
    }
}

#[test]
fn a_request_that_was_never_sent_leaves_no_doubt() {
    let mut world = World::new(small()).when(CREATE, Fate::failed(not_sent()));
    world.reconcile();
    assert_eq!(
        world.journal,
        [Effect::WriteIntent, Effect::ClearIntent, Effect::Status]
    );
    world.live(5);
    assert_eq!(
        world.count(CREATE),
        1,
        "it is tried again after two seconds"
    );
}

#[test]
fn a_conflict_after_a_lost_answer_is_ambiguous() {
    let mut world =
        after_lost_create(Fate::request_lost()).when(CREATE, Fate::failed(conflicting()));
    world.live(40);
    assert_eq!(world.count(Effect::WriteIntent), 2);
    assert_eq!(world.count(Effect::ClearIntent), 0);
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/CreateUnresolved"
    );
}

/// Something that happens to the world.
type Edit = fn(&mut World<ProvisioningFlow>);

#[test]
fn a_second_request_that_was_never_sent_says_nothing_about_the_first() {
    let mut world = after_lost_create(Fate::request_lost()).when(CREATE, Fate::failed(not_sent()));
    world.live(40);
    assert_eq!(world.count(Effect::WriteIntent), 2);
    assert_eq!(world.count(Effect::ClearIntent), 0);
}

#[test]
fn a_second_request_that_could_not_even_be_announced_says_nothing_about_the_first() {
    let mut input = input(small().held().attempted(0), Some(Vec::new()));
    input.effects.outcome = Some(Outcome::Failed(Action::Create, not_sent()));
    assert_eq!(plan(&input).step, None, "the first intent stays");
    input.effects.used = Some(Permit::Create {
        attempt: attempt(0).id,
        repeated: false,
    });
    let unclaim = Some(Step::Resource(ResourceStep::ClearIntent));
    assert_eq!(plan(&input).step, unclaim, "it was the only one");
}

#[test]
fn a_refusal_of_a_second_request_is_told_and_says_nothing_about_the_first() {
    let mut world = after_lost_create(Fate::request_lost())
        .when(CREATE, Fate::failed(refused(Reason::Forbidden)));
    world.live(40);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Forbidden"
    );
    assert_eq!(world.count(Effect::ClearIntent), 0);
    let late = remote_flow(1, &small(), 1);
    let now = world.now;
    world.service.meddle(now, |flows| flows.push(late));
    world.live(10);
    assert_eq!(world.status().id.as_deref(), Some(id(1).as_str()));
}

#[test]
fn one_list_is_no_proof_however_old_the_attempt_is() {
    let mut world = World::new(small().held().attempted(0));
    world.now = at(3600);
    world.live(28);
    assert_eq!(world.count(Effect::WriteIntent), 0);
    world.live(10);
    assert_eq!(world.count(Effect::WriteIntent), 1);
}

#[test]
fn a_refused_create_is_repeated_slowly_and_at_once_when_something_changes() {
    let refusal = || World::new(small()).when(CREATE, Fate::failed(refused(Reason::Rejected)));
    let mut patient = refusal();
    patient.reconcile();
    patient.live(25);
    assert_eq!(patient.count(CREATE), 0);
    patient.live(10);
    assert_eq!(patient.count(CREATE), 1);

    let changes: [(&str, Edit); 4] = [
        ("spec", |world| {
            world.edit(|flow| flow.with(|spec| spec.reset_token = Some("a".into())));
        }),
        ("annotation", |world| {
            world.edit(|flow| flow.annotated(annotation::REQUESTED_AT, "now"));
        }),
        ("credential", |world| {
            world.target.as_mut().unwrap().revision = "another".into();
        }),
        ("secret", |world| {
            world.related.passwords = Ok(vec![password("2")]);
        }),
    ];
    for (what, change) in changes {
        let mut world = refusal();
        world.reconcile();
        world.reconcile();
        assert_eq!(world.count(CREATE), 0, "{what}");
        change(&mut world);
        world.reconcile();
        assert_eq!(world.count(CREATE), 1, "{what}");
    }
}

#[test]
fn an_answer_without_a_date_or_with_an_odd_one_is_ours_all_the_same() {
    for created in [
        None,
        Some(at(-900).to_string()),
        Some("yesterday".to_owned()),
    ] {
        let mut answered = remote_flow(1, &small(), 30);
        answered.created = created.clone();
        let mut input = input(small().held().attempted(30), Some(vec![answered]));
        input.effects.outcome = Some(Outcome::Done(Action::Create));
        input.effects.written = true;
        let plan = plan(&input);
        assert_eq!(
            plan.status.id.as_deref(),
            Some(id(1).as_str()),
            "{created:?}"
        );
    }
}

#[test]
fn the_service_may_be_an_hour_ahead_or_behind() {
    for skew in [-3600, 3600] {
        let mut world = World::new(small()).when(CREATE, Fate::crash_after());
        world.service.skew = k8s_openapi::jiff::SignedDuration::from_secs(skew);
        world.live(60);
        assert_eq!(world.count(CREATE), 1);
        assert_eq!(world.status().id.as_deref(), Some(id(101).as_str()));
    }
}
