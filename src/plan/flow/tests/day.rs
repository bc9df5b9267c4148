//! A day in which nothing happens, or in which the same error lasts.

use super::*;

const DAY: i64 = 24 * 3600;

fn writes(world: &World<ProvisioningFlow>) -> usize {
    let is_write = |effect: &&Effect| !matches!(effect, Effect::Remote(_));
    world.journal.iter().filter(is_write).count()
}

#[test]
fn a_day_in_which_nothing_happens_causes_no_write_and_no_event() {
    let mut world = owned(small());
    world.live(DAY);
    assert_eq!((world.journal, world.events), (vec![], vec![]));
}

#[test]
fn a_service_that_cannot_be_read_for_a_day_is_one_write_and_one_event() {
    for verdict in [unavailable(), refused(Reason::Forbidden)] {
        let mut world = owned(small());
        world.service.unreadable = Some(verdict.clone());
        world.service.failures = 3;
        world.live(DAY);
        assert_eq!(world.events, [verdict.reason.as_str()]);
        assert_eq!(world.journal, [Effect::Status]);
    }
}

#[test]
fn a_change_that_is_refused_for_a_day_is_one_event_and_a_write_for_each_attempt() {
    let mut world = owned(small());
    for _ in 0..1000 {
        world = world.when(UPDATE, Fate::failed(refused(Reason::Rejected)));
    }
    world.edit(|flow| {
        flow.with(|spec| {
            let group = spec.security_group.as_mut().unwrap();
            let options = group.creation_options.as_mut().unwrap();
            options.create_based_on_role_group = false;
        })
    });
    world.live(DAY);
    assert_eq!(world.events, ["Rejected"]);
    let attempts = 1000 - world.script.len();
    // From 30 s, the pause doubles up to 30 min, of which a day has 48.
    assert!((40..=64).contains(&attempts), "{attempts}");
    assert_eq!(writes(&world), attempts);
}
