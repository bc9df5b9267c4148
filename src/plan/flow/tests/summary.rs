use k8s_openapi::jiff::SignedDuration;

use super::*;

#[test]
fn a_conflicting_resource_touches_nothing_and_looks_again_by_itself() {
    let mut input = input(small(), Some(Vec::new()));
    input.related.conflict = Some("students".to_owned());
    let plan = plan(&input);
    assert_eq!(plan.step, None);
    assert_eq!(stalled(&plan), "True/Conflict");
    assert!(
        plan.status.conditions[0]
            .message
            .starts_with("students manages the securityGroup flow")
    );
    assert_eq!(plan.requeue_after, Some(SignedDuration::from_mins(1)));
}

#[test]
fn a_suspended_flow_keeps_its_readiness_and_is_left_alone() {
    let mut world = owned(small());
    world.edit(|flow| flow.with(|spec| spec.suspend = true));
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.live(120);
    assert_eq!(world.journal, [Effect::Status]);
    let status = world.status();
    assert_eq!(condition_text(&status.conditions, READY), "True/Suspended");
    assert_eq!(
        condition_text(&status.conditions, SYNCED),
        "False/Suspended"
    );
    assert_eq!(condition_text(&status.conditions, RECONCILING), "");
    assert_eq!(status.observed_generation, 2);
}

#[test]
fn what_a_new_flow_refers_to_may_come_a_little_later() {
    let mut world = World::new(small());
    world.target = Err(Blocked::progress(reason::FLOW_SET_NOT_READY, "wait"));
    world.now = at(1);
    world.reconcile();
    assert_eq!(world.journal, [], "nothing is said that lives for a second");
    assert!(world.again.unwrap() <= SignedDuration::from_secs(4));
    world.live(6);
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/FlowSetNotReady"
    );
    assert_eq!(world.journal, [Effect::Status]);
}

#[test]
fn obstacles_wait_for_whom_they_say() {
    let cases = [
        (
            Blocked::progress("Wait", "wait"),
            "True/Wait",
            "",
            "False/Wait",
        ),
        (
            Blocked::person("Fix", "fix it"),
            "",
            "True/Fix",
            "False/Fix",
        ),
        (
            Blocked::suspension("Suspended", "off"),
            "",
            "",
            "True/Suspended",
        ),
    ];
    for (blocked, reconciling, stalled, ready) in cases {
        let mut world = owned(small());
        world.target = Err(blocked);
        world.reconcile();
        let conditions = &world.status().conditions;
        assert_eq!(condition_text(conditions, RECONCILING), reconciling);
        assert_eq!(condition_text(conditions, STALLED), stalled);
        assert_eq!(condition_text(conditions, READY), ready);
    }
}

#[test]
fn a_failing_list_changes_nothing_of_a_known_flow_unless_a_person_has_to_act() {
    let cases = [
        (unavailable(), "True/Ready", ""),
        (throttled(60), "True/Ready", ""),
        (
            refused(Reason::Forbidden),
            "False/Forbidden",
            "True/Forbidden",
        ),
    ];
    for (verdict, ready, stalled) in cases {
        let mut world = owned(small());
        world.service.unreadable = Some(verdict.clone());
        world.poll();
        world.live(60);
        assert_eq!(
            condition_text(&world.status().conditions, READY),
            ready,
            "{verdict:?}"
        );
        assert_eq!(
            condition_text(&world.status().conditions, STALLED),
            stalled,
            "{verdict:?}"
        );
    }
}

#[test]
fn a_failing_list_is_told_of_a_flow_that_is_not_known_yet() {
    let mut world = World::new(small());
    world.service.unreadable = Some(unavailable());
    world.reconcile();
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/ServiceUnavailable"
    );
    assert_eq!(world.journal, [Effect::Status]);
}

#[test]
fn a_wish_for_a_look_is_a_fresh_list_and_is_echoed() {
    for name in [annotation::REQUESTED_AT, annotation::FLUX_REQUESTED_AT] {
        let mut world = owned(small());
        world.edit(|flow| flow.annotated(name, "2026-11-24T00:00:00Z"));
        let input = world.observe().unwrap();
        assert_eq!(plan(&input).step, Some(Step::Refresh));
        world.reconcile();
        assert_eq!(
            world.status().last_handled_reconcile_at.as_deref(),
            Some("2026-11-24T00:00:00Z")
        );
        world.live(60);
        assert_eq!(world.journal, [Effect::Status]);
    }
}

#[test]
fn without_a_list_the_first_step_is_to_look() {
    assert_eq!(plan(&input(small(), None)).step, Some(Step::Refresh));
}

#[test]
fn a_list_that_fails_for_long_or_before_an_edit_has_arrived_leaves_readiness_unknown() {
    for (failures, edited, ready) in [
        (1, false, "True/Ready"),
        (2, false, "True/Ready"),
        (3, false, "Unknown/ServiceUnavailable"),
        (1, true, "Unknown/ServiceUnavailable"),
    ] {
        let mut world = owned(small());
        world.service.unreadable = Some(unavailable());
        world.service.failures = failures;
        if edited {
            world.edit(|flow| flow.with(|spec| spec.reset_token = Some("a".to_owned())));
        }
        world.poll();
        world.reconcile();
        let conditions = &world.status().conditions;
        assert_eq!(
            condition_text(conditions, READY),
            ready,
            "{failures} {edited}"
        );
        world.service.unreadable = None;
        world.live(30);
        assert_eq!(
            condition_text(&world.status().conditions, READY),
            "True/Ready"
        );
    }
}

#[test]
fn a_missing_dependency_needs_a_person_after_five_minutes_only() {
    let mut world = owned(small());
    world.target = Err(Blocked::missing(reason::CONNECTION_NOT_FOUND, "create it"));
    world.live(290);
    let problems = |world: &World<_>| {
        let status: &ProvisioningFlowStatus = world.status();
        [RECONCILING, STALLED].map(|type_| condition_text(&status.conditions, type_))
    };
    assert_eq!(problems(&world), ["True/ConnectionNotFound", ""]);
    world.live(20);
    assert_eq!(problems(&world), ["", "True/ConnectionNotFound"]);
    world.memory = crate::plan::Memory::default();
    world.live(20);
    assert_eq!(
        problems(&world),
        ["", "True/ConnectionNotFound"],
        "also after a restart"
    );
    world.target = Ok(ProvisioningFlow::target());
    world.live(20);
    assert_eq!(problems(&world), ["", ""]);
}

#[test]
fn a_set_that_the_service_does_not_have_is_reported_where_it_was_named_by_id() {
    for (by_id, expected) in [
        (true, ["", "True/FlowSetNotFound"]),
        (false, ["True/FlowSetNotReady", ""]),
    ] {
        let mut world = World::new(small().with(|spec| {
            if by_id {
                spec.flow_set_id = Some(SET.to_owned());
                spec.flow_set_ref = None;
            }
        }));
        world.service.container = crate::plan::Container::Gone;
        world.live(60);
        let status = world.status();
        let problems =
            [RECONCILING, STALLED].map(|type_| condition_text(&status.conditions, type_));
        assert_eq!(problems, expected);
        assert_eq!(world.journal, [Effect::Status]);
    }
}

#[test]
fn a_flow_that_lists_leave_out_is_not_recreated_while_its_id_is_answered_for() {
    let mut world = owned(small());
    world.service.lists_nothing = true;
    world.live(120);
    assert_eq!(world.count(CREATE), 0);
    assert_eq!(world.count(Effect::WriteIntent), 0);
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "Unknown/Unlisted"
    );
    world.service.lists_nothing = false;
    world.live(20);
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
}
