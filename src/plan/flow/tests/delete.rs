use super::*;
use crate::api::DeletionPolicy;

fn delete(world: &mut World<ProvisioningFlow>) {
    world.edit(Building::deleting);
    world.reconcile();
}

#[test]
fn a_flow_is_deleted_before_its_resource() {
    let mut world = owned(small());
    delete(&mut world);
    assert_eq!(world.journal, [DELETE, Effect::RemoveFinalizer]);
    assert!(world.resource.is_none());
    assert!(world.service.items().is_empty());
    assert_eq!(world.events, ["Deleted"]);
}

#[test]
fn what_is_to_stay_is_let_go_without_a_request() {
    let retain = small().with(|spec| spec.deletion_policy = DeletionPolicy::Retain);
    let observe = small().with(|spec| spec.management_policy = ManagementPolicy::Observe);
    let abandon = small().annotated(annotation::ABANDON, "true");
    for resource in [retain, observe, abandon] {
        let mut world = owned(resource);
        world.target = Err(Blocked::person(reason::CONNECTION_NOT_FOUND, "create it"));
        delete(&mut world);
        assert_eq!(world.journal, [Effect::RemoveFinalizer]);
        assert_eq!(world.service.items().len(), 1);
    }
}

#[test]
fn a_flow_that_was_never_created_is_let_go_at_once() {
    let mut world = World::new(small().held());
    world.target = Err(Blocked::person(reason::CONNECTION_NOT_FOUND, "create it"));
    delete(&mut world);
    assert_eq!(world.journal, [Effect::RemoveFinalizer]);
}

#[test]
fn a_resource_that_is_not_held_is_left_alone() {
    let plan = plan(&input(small().deleting(), None));
    assert_eq!(plan.step, None);
    assert!(plan.status.conditions.is_empty());
}

#[test]
fn any_other_value_of_abandon_lets_nothing_go() {
    let mut world = owned(small().annotated(annotation::ABANDON, "yes"));
    delete(&mut world);
    assert_eq!(world.journal, [DELETE, Effect::RemoveFinalizer]);
}

#[test]
fn an_unresolved_create_is_resolved_before_the_resource_goes() {
    for (fate, deleted) in [
        (Fate::answer_lost(), 1),
        (Fate::crash_after(), 1),
        (Fate::request_lost(), 0),
    ] {
        let mut world = World::new(small()).when(CREATE, fate.clone());
        world.reconcile();
        delete(&mut world);
        if deleted == 0 {
            assert!(world.resource.is_some(), "absence is not certain yet");
            assert_eq!(
                condition_text(&world.status().conditions, RECONCILING),
                "True/Deleting"
            );
        }
        world.live(60);
        assert_eq!(world.count(DELETE), deleted, "{fate:?}");
        assert!(world.resource.is_none(), "{fate:?}");
        assert!(world.service.items().is_empty(), "{fate:?}");
    }
}

#[test]
fn what_an_old_picture_takes_for_ours_is_not_deleted() {
    let mut world = World::new(small().held().attempted(0).deleting())
        .holding(vec![remote_flow(1, &small(), 20)])
        .when(Effect::WriteStatus, Fate::failed(unavailable()));
    world.now = at(70);
    world.reconcile();
    assert_eq!(world.journal, []);
    world.reconcile();
    assert_eq!(
        world.journal,
        [Effect::WriteStatus, DELETE, Effect::RemoveFinalizer]
    );
}

#[test]
fn a_flow_that_shows_up_late_is_deleted_too() {
    let mut world = World::new(small()).when(CREATE, Fate::crash_after());
    world.service.lag = k8s_openapi::jiff::SignedDuration::from_secs(20);
    world.reconcile();
    world.edit(Building::deleting);
    world.live(60);
    assert_eq!(world.count(DELETE), 1);
    assert!(world.service.items().is_empty());
}

#[test]
fn the_flow_of_somebody_else_survives_a_create_that_never_left() {
    let foreign = remote_flow(2, &small(), 10);
    let mut world = World::new(small()).when(CREATE, Fate::held_back());
    world.reconcile();
    let now = world.now;
    world.service.meddle(now, |flows| flows.push(foreign));
    world.edit(Building::deleting);
    world.live(60);
    assert_eq!(world.count(DELETE), 0);
    assert!(world.resource.is_none());
}

#[test]
fn whatever_a_deletion_is_answered_the_resource_stays_until_a_list_lacks_the_flow() {
    let pretended = Fate {
        happens: false,
        ..Fate::done()
    };
    let answers = [
        pretended,
        Fate::failed(refused(Reason::NotFound)),
        Fate::failed(verdict(
            Reason::UnexpectedAnswer,
            crate::graph::verdict::Certainty::Unknown,
            crate::graph::verdict::Disposition::Retry,
        )),
    ];
    for answer in answers {
        let mut world = owned(small()).when(DELETE, answer.clone());
        delete(&mut world);
        assert!(world.resource.is_some(), "{answer:?}");
        world.live(90);
        assert!(world.resource.is_none(), "{answer:?}");
        assert!(world.service.items().is_empty(), "{answer:?}");
    }
}

#[test]
fn a_young_flow_counts_as_deleted_only_after_the_window() {
    let mut world = World::new(small());
    world.reconcile();
    delete(&mut world);
    assert_eq!(world.count(DELETE), 1);
    assert!(
        world.resource.is_some(),
        "a replica may not have the flow yet"
    );
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/Deleting"
    );
    world.live(60);
    assert_eq!(world.count(DELETE), 1);
    assert!(world.resource.is_none());
}

#[test]
fn a_set_that_is_gone_settles_a_deletion_and_an_unresolved_create_after_the_window() {
    let unresolved = World::new(small().held().attempted(0).deleting());
    let mut known = owned(small());
    known.edit(Building::deleting);
    for mut world in [unresolved, known] {
        world.service.container = crate::plan::Container::Gone;
        world.live(25);
        assert!(world.resource.is_some());
        world.live(30);
        assert!(world.resource.is_none());
    }
}

#[test]
fn a_deletion_that_fails_is_repeated_or_told() {
    let cases = [
        (unavailable(), RECONCILING, "True/Deleting"),
        (throttled(5), RECONCILING, "True/Deleting"),
        (not_sent(), RECONCILING, "True/Deleting"),
        (refused(Reason::Forbidden), STALLED, "True/DeletionBlocked"),
        (
            refused(Reason::CredentialRefused),
            STALLED,
            "True/DeletionBlocked",
        ),
    ];
    for (verdict, type_, expected) in cases {
        let mut world = owned(small()).when(DELETE, Fate::failed(verdict.clone()));
        delete(&mut world);
        assert_eq!(
            condition_text(&world.status().conditions, type_),
            expected,
            "{verdict:?}"
        );
        world.reconcile();
        assert!(world.resource.is_some(), "not again at once");
        world.live(70);
        assert!(world.resource.is_none(), "{verdict:?}");
    }
}

#[test]
fn a_lost_deletion_is_repeated() {
    for fate in [
        Fate::answer_lost(),
        Fate::crash_after(),
        Fate::crash_before(),
    ] {
        for effect in [DELETE, Effect::RemoveFinalizer] {
            let mut world = owned(small()).when(effect, fate.clone());
            world.edit(Building::deleting);
            world.live(60);
            assert!(world.resource.is_none(), "{effect:?} {fate:?}");
            assert!(world.service.items().is_empty(), "{effect:?} {fate:?}");
        }
    }
}

#[test]
fn an_obstacle_blocks_the_deletion_and_the_way_out_is_told() {
    for resource in [
        owned(small()).resource().clone(),
        small().held().attempted(9),
    ] {
        let mut world = World::new(resource);
        world.now = at(60);
        world.target = Err(Blocked::person(
            reason::SECRET_NOT_FOUND,
            "the Secret contoso is gone",
        ));
        delete(&mut world);
        assert_eq!(
            condition_text(&world.status().conditions, STALLED),
            "True/DeletionBlocked"
        );
        let message = &world.status().conditions[0].message;
        assert!(message.contains("the Secret contoso is gone") && message.contains("abandon"));
        assert!(world.again.is_some(), "requeued automatically");
        world.edit(|flow| flow.annotated(annotation::ABANDON, "true"));
        world.reconcile();
        assert!(world.resource.is_none());
    }
}

#[test]
fn an_unreadable_set_does_not_let_an_unresolved_create_go() {
    let mut world = World::new(small().held().attempted(0));
    world.service.unreadable = Some(refused(Reason::Forbidden));
    delete(&mut world);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/DeletionBlocked"
    );
    world.service.unreadable = None;
    world.live(120);
    assert!(world.resource.is_none());
}

#[test]
fn a_suspended_resource_can_still_be_deleted() {
    let mut world = owned(small());
    world.edit(|flow| flow.with(|spec| spec.suspend = true));
    delete(&mut world);
    assert_eq!(world.journal, [DELETE, Effect::RemoveFinalizer]);
}

#[test]
fn the_flow_of_another_resource_is_left_alone_when_one_that_records_it_is_deleted() {
    let unresolved = World::new(small().held().attempted(0));
    for mut world in [owned(small()), unresolved] {
        world.related.conflict = Some("the owner".to_owned());
        delete(&mut world);
        assert_eq!(world.journal, [Effect::RemoveFinalizer]);
        assert!(world.resource.is_none());
    }
}
