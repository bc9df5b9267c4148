//! Flows that have vanished at the service.

use super::*;

#[test]
fn a_vanished_flow_is_made_anew_only_after_the_window_and_only_under_correct() {
    use crate::api::DriftPolicy::{Correct, Report};
    for (policy, creates) in [(Correct, 1), (Report, 0)] {
        let mut world = owned(small().with(|spec| spec.drift_policy = policy));
        let now = world.now;
        world.service.meddle(now, Vec::clear);
        world.poll();
        world.live(28);
        assert_eq!(world.count(CREATE), 0, "{policy:?}");
        world.live(30);
        assert_eq!(world.count(CREATE), creates, "{policy:?}");
        assert_eq!(world.service.items().len(), creates);
    }
}

#[test]
fn a_vanished_flow_without_dates_is_made_anew_too() {
    let mut world = owned(small());
    world.edit(|flow| {
        flow.knowing(|status: &mut ProvisioningFlowStatus| status.created_date_time = None)
    });
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.live(60);
    assert_eq!(world.count(CREATE), 1);
    assert_eq!(world.status().id.as_deref(), Some(id(101).as_str()));
}

#[test]
fn a_known_flow_whose_type_is_not_told_is_there() {
    let mut world = owned(small());
    let now = world.now;
    let forget = |flows: &mut Vec<Flow>| flows.iter_mut().for_each(|flow| flow.flow_type = None);
    world.service.meddle(now, forget);
    world.live(120);
    assert_eq!(world.count(CREATE), 0);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
}

#[test]
fn a_flow_that_is_missing_from_one_list_is_not_made_anew() {
    let mut world = owned(small());
    let (now, items) = (world.now, world.service.items().to_vec());
    world.service.meddle(now, Vec::clear);
    world.live(20);
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/Creating"
    );
    let now = world.now;
    world.service.meddle(now, |flows| *flows = items);
    world.live(10);
    world.service.meddle(world.now, Vec::clear);
    world.live(25);
    assert_eq!(world.count(CREATE), 0, "the window restarts");
    assert_eq!(world.count(Effect::WriteIntent), 0);
}

#[test]
fn a_flow_made_anew_has_its_own_deadline() {
    let mut world = World::new(small().with(|spec| {
        spec.progress_deadline = std::time::Duration::from_mins(1).into();
    }));
    world.live(100);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/ProgressDeadlineExceeded"
    );
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.live(50);
    assert_eq!(world.count(CREATE), 2);
    assert_eq!(
        condition_text(&world.status().conditions, RECONCILING),
        "True/NotReady"
    );
}
