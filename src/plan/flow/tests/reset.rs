use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::api::ResetPhase::{self, Accepted, Sending, Unknown};

fn ask(world: &mut World<ProvisioningFlow>, token: Option<&str>) {
    world.edit(|flow| flow.with(|spec| spec.reset_token = token.map(str::to_owned)));
}

fn phase(world: &World<ProvisioningFlow>) -> Option<ResetPhase> {
    world.status().reset.as_ref().and_then(|reset| reset.phase)
}

fn asking(token: &str) -> ProvisioningFlow {
    small().with(|spec| spec.reset_token = Some(token.to_owned()))
}

#[test]
fn the_token_a_flow_is_born_with_is_only_noted() {
    let mut world = World::new(asking("a").annotated(annotation::RESET_REQUESTED_AT, "then"));
    world.live(60);
    assert_eq!(world.journal, [Effect::WriteIntent, CREATE, Effect::Status]);
    let reset = world.status().reset.clone().unwrap();
    assert_eq!((reset.token.as_deref(), reset.phase), (Some("a"), None));
}

#[test]
fn the_token_a_flow_is_adopted_or_restored_with_is_only_noted() {
    let adopted = asking("a").annotated(annotation::REMOTE_ID, &id(1));
    for resource in [adopted, asking("a").attempted(9)] {
        let remote = remote_flow(1, &resource, 10);
        let mut world = World::new(resource).holding(vec![remote]);
        world.live(60);
        assert_eq!(world.count(RESET), 0);
        assert_eq!(world.status().reset.as_ref().unwrap().phase, None);
    }
}

#[test]
fn each_new_token_resets_once() {
    let mut world = owned(asking("a"));
    for (count, token) in ["b", "c", "d"].into_iter().enumerate() {
        ask(&mut world, Some(token));
        world.live(60);
        assert_eq!(world.count(RESET), count + 1);
        assert_eq!(phase(&world), Some(Accepted));
        assert_eq!(
            world.status().reset.as_ref().unwrap().token.as_deref(),
            Some(token)
        );
        assert_eq!(
            condition_text(&world.status().conditions, READY),
            "True/Ready"
        );
    }
    assert_eq!(world.events, ["Reset", "Reset", "Reset"]);
}

#[test]
fn a_reset_is_written_down_before_it_is_sent() {
    let mut world = owned(asking("a"));
    ask(&mut world, Some("b"));
    world.reconcile();
    assert_eq!(world.journal, [Effect::WriteStatus, RESET, Effect::Status]);
}

#[test]
fn a_flow_that_was_reset_is_not_settled_before_it_was_looked_at_again() {
    let mut world = owned(asking("a"));
    ask(&mut world, Some("b"));
    world.reconcile();
    assert_eq!(phase(&world), Some(Accepted));
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/Resetting"
    );
    world.live(30);
    assert_eq!(condition_text(&world.status().conditions, RECONCILING), "");
    assert_eq!(world.count(RESET), 1);
}

#[test]
fn the_annotation_resets_like_a_token() {
    let mut world = owned(small());
    for (count, wish) in ["1", "2"].into_iter().enumerate() {
        world.edit(|flow| flow.annotated(annotation::RESET_REQUESTED_AT, wish));
        world.live(30);
        assert_eq!(world.count(RESET), count + 1);
    }
}

#[test]
fn a_token_taken_out_and_put_back_is_no_new_wish() {
    let mut world = owned(asking("a"));
    ask(&mut world, None);
    world.live(20);
    world.edit(|flow| flow.annotated(annotation::RESET_REQUESTED_AT, "1"));
    world.live(20);
    assert_eq!(world.count(RESET), 1);
    ask(&mut world, Some("a"));
    world.live(20);
    assert_eq!(world.count(RESET), 1);
    ask(&mut world, Some("b"));
    world.live(20);
    assert_eq!(world.count(RESET), 2);
}

#[test]
fn whoever_finds_a_reset_begun_does_not_send_it() {
    let mut world = owned(asking("a")).when(Effect::WriteStatus, Fate::crash_after());
    ask(&mut world, Some("b"));
    world.live(60);
    assert_eq!(world.count(RESET), 0);
    assert_eq!(phase(&world), Some(Unknown));
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/ResetUnknown"
    );
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
    assert_eq!(world.events, ["ResetUnknown"]);
    ask(&mut world, Some("c"));
    world.live(10);
    assert_eq!((world.count(RESET), phase(&world)), (1, Some(Accepted)));
    assert_eq!(condition_text(&world.status().conditions, STALLED), "");
}

#[test]
fn no_fault_makes_a_second_reset_of_a_token() {
    let fates = [
        Fate::answer_lost(),
        Fate::request_lost(),
        Fate::crash_before(),
        Fate::crash_after(),
        Fate::failed(not_sent()),
    ];
    for effect in [Effect::WriteStatus, RESET, Effect::Status] {
        for fate in &fates {
            let mut world = owned(asking("a")).when(effect, fate.clone());
            ask(&mut world, Some("b"));
            world.live(300);
            let certain = phase(&world) == Some(Accepted);
            assert!(
                certain || phase(&world) == Some(Unknown),
                "{effect:?} {fate:?}"
            );
            assert!(world.count(RESET) <= 1, "{effect:?} {fate:?}");
            assert!(world.count(RESET) == 1 || !certain, "{effect:?} {fate:?}");
        }
    }
}

#[test]
fn an_ambiguous_reset_is_told_and_not_repeated() {
    for fate in [Fate::answer_lost(), Fate::request_lost()] {
        let mut world = owned(asking("a")).when(RESET, fate.clone());
        ask(&mut world, Some("b"));
        world.live(600);
        assert_eq!(phase(&world), Some(Unknown));
        assert_eq!(world.count(RESET), usize::from(fate.happens));
        assert_eq!(
            condition_text(&world.status().conditions, STALLED),
            "True/ResetUnknown"
        );
    }
}

#[test]
fn a_refused_reset_is_repeated_when_the_reason_passes() {
    for verdict in [throttled(3), not_sent(), refused(Reason::Forbidden)] {
        let mut world = owned(asking("a")).when(RESET, Fate::failed(verdict.clone()));
        ask(&mut world, Some("b"));
        world.reconcile();
        assert_eq!(phase(&world), Some(ResetPhase::Refused));
        assert_eq!(
            condition_text(&world.status().conditions, SYNCED),
            "True/Synced"
        );
        world.reconcile();
        assert_eq!(world.count(RESET), 0, "not at once");
        world.live(60);
        assert_eq!(
            (world.count(RESET), phase(&world)),
            (1, Some(Accepted)),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_refused_reset_can_be_taken_back() {
    let mut world = owned(asking("a")).when(RESET, Fate::failed(refused(Reason::Forbidden)));
    ask(&mut world, Some("b"));
    world.reconcile();
    ask(&mut world, None);
    world.live(300);
    assert_eq!(world.count(RESET), 0);
    assert_eq!(condition_text(&world.status().conditions, STALLED), "");
}

#[test]
fn a_difference_that_is_only_reported_does_not_keep_a_reset_from_being_sent() {
    for (fate, resets, expected) in [
        (Fate::done(), 1, Accepted),
        (Fate::request_lost(), 0, Unknown),
    ] {
        let reporting =
            asking("a").with(|spec| spec.drift_policy = crate::api::DriftPolicy::Report);
        let mut world = owned(reporting).when(RESET, fate);
        let now = world.now;
        world.service.meddle(now, |flows| {
            set_role_group_option(&mut flows[0], false);
        });
        world.poll();
        ask(&mut world, Some("b"));
        world.live(60);
        assert_eq!(
            (world.count(RESET), phase(&world)),
            (resets, Some(expected))
        );
        assert_eq!(
            condition_text(&world.status().conditions, STALLED),
            "True/Drifted"
        );
        assert_eq!(
            condition_text(&world.status().conditions, SYNCED),
            "False/Drifted"
        );
        assert_eq!(world.status().drift.len(), 1);
    }
}

#[test]
fn a_reset_waits_for_the_update_that_was_declared_with_it() {
    let mut world = owned(asking("a"));
    world.edit(|flow| {
        flow.with(|spec| {
            spec.reset_token = Some("b".to_owned());
            spec.security_group
                .as_mut()
                .unwrap()
                .creation_options
                .as_mut()
                .unwrap()
                .create_based_on_role_group = false;
        })
    });
    world.reconcile();
    assert_eq!(
        world.journal,
        [UPDATE, Effect::WriteStatus, RESET, Effect::Status]
    );
}

#[test]
fn an_observed_flow_is_never_reset() {
    let mut world =
        owned(asking("a").with(|spec| spec.management_policy = ManagementPolicy::Observe));
    ask(&mut world, Some("b"));
    world.live(60);
    assert_eq!(world.count(RESET), 0);
}

#[test]
fn a_token_that_changes_while_the_flow_is_only_observed_is_noted() {
    use crate::api::ManagementPolicy::{Manage, Observe};
    let mut world = owned(asking("a"));
    let set = |world: &mut World<_>, policy| {
        world.edit(|flow: ProvisioningFlow| flow.with(|spec| spec.management_policy = policy));
    };
    set(&mut world, Observe);
    ask(&mut world, Some("b"));
    world.live(10);
    set(&mut world, Manage);
    world.live(60);
    assert_eq!((world.count(RESET), phase(&world)), (0, None));
    ask(&mut world, Some("c"));
    world.live(10);
    assert_eq!(world.count(RESET), 1);
}

#[test]
fn a_reset_that_a_clock_of_tomorrow_has_dated_is_settled_by_one_look() {
    let mut world = owned(asking("a"));
    ask(&mut world, Some("b"));
    world.reconcile();
    let tomorrow = world.now + SignedDuration::from_hours(24);
    world.edit(|flow| {
        flow.knowing(|status: &mut ProvisioningFlowStatus| {
            status.reset.as_mut().unwrap().time = Some(Time(tomorrow));
        })
    });
    assert_eq!((world.count(RESET), phase(&world)), (1, Some(Accepted)));
    world.live(10);
    assert_eq!(condition_text(&world.status().conditions, RECONCILING), "");
    assert_eq!(world.count(RESET), 1);
}

#[test]
fn the_permit_to_reset_is_needed() {
    let reset = |token: &str| Permit::Reset {
        token: Some(token.to_owned()),
        requested_at: None,
    };
    let create = Permit::Create {
        attempt: attempt(0).id,
        repeated: false,
    };
    for (permit, sends) in [
        (None, false),
        (Some(create), false),
        (Some(reset("a")), false),
        (Some(reset("b")), true),
    ] {
        let resource = asking("b")
            .held()
            .knowing(|status: &mut ProvisioningFlowStatus| {
                status.id = Some(id(1));
                status.reset = Some(crate::api::Reset {
                    token: Some("b".to_owned()),
                    phase: Some(Sending),
                    ..crate::api::Reset::default()
                });
            });
        let remote = remote_flow(1, &resource, 10);
        let mut input = input(resource, Some(vec![remote]));
        input.memory.permit.clone_from(&permit);
        let sent = plan(&input).step
            == Some(Step::Remote(FlowChange::Reset {
                id: id(1).parse().unwrap(),
            }));
        assert_eq!(sent, sends, "{permit:?}");
    }
}

#[test]
fn a_reset_that_never_left_is_sent_by_the_next_run_of_the_same_process() {
    let mut world = owned(asking("a")).when(RESET, Fate::held_back());
    ask(&mut world, Some("b"));
    world.reconcile();
    assert_eq!((world.count(RESET), phase(&world)), (0, Some(Sending)));
    world.reconcile();
    assert_eq!((world.count(RESET), phase(&world)), (1, Some(Accepted)));
    assert_eq!(
        world.count(Effect::WriteStatus),
        1,
        "the intent is not written twice"
    );
}

#[test]
fn an_update_in_between_does_not_use_up_what_a_reset_was_permitted() {
    let mut world = owned(asking("a")).when(RESET, Fate::held_back());
    ask(&mut world, Some("b"));
    world.reconcile();
    let now = world.now;
    world.service.meddle(now, |flows| {
        set_role_group_option(&mut flows[0], false);
    });
    world.poll();
    world.reconcile();
    assert_eq!(world.count(UPDATE), 1);
    assert_eq!((world.count(RESET), phase(&world)), (1, Some(Accepted)));
}
