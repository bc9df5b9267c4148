//! Resources that are deleted.

use super::*;
use crate::api::DeletionPolicy;
use crate::api::condition::RECONCILING;
use crate::plan::Blocked;

#[test]
fn a_set_waits_for_its_flows_and_then_goes() {
    let mut world = owned(flow_set());
    world.related.flows = FlowCount::new(2, 1);
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
