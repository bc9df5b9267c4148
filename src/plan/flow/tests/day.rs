//! A day in which nothing happens, or in which the same error lasts.

use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::failure_log::FailureLog;
use crate::plan::{Verdict, event};

const DAY: i64 = 24 * 3600;

/// More than a day can have.
const REFUSALS: usize = 2000;

/// What an error costs that lasts for a day.
#[derive(Debug)]
struct Cost {
    events: Vec<String>,
    /// Requests for a change at the service.
    attempts: usize,
    /// Writes to the cluster.
    writes: usize,
    /// Lines of the log about the resource.
    lines: usize,
}

/// Lives for a day, and logs as `Reconciliation::log_trouble` does, but not after each reconcile: that the problem stays the
/// same meanwhile is seen by the events.
async fn day(mut world: World<ProvisioningFlow>) -> Cost {
    let (mut log, mut lines) = (FailureLog::default(), 0);
    let fates = world.script.len();
    let end = world.now + SignedDuration::from_secs(DAY);
    while world.now < end {
        let before = world.now;
        world.live(300);
        let trouble = event::trouble(&world.status().conditions);
        let line = trouble.and_then(|trouble| log.failed(&trouble.reason));
        lines += usize::from(line.is_some());
        let passed = world.now.duration_since(before).unsigned_abs();
        tokio::time::advance(passed).await;
    }
    Cost {
        attempts: fates - world.script.len(),
        writes: writes(&world),
        events: world.events,
        lines,
    }
}

fn writes(world: &World<ProvisioningFlow>) -> usize {
    let is_write = |effect: &&Effect| !matches!(effect, Effect::Remote(_));
    world.journal.iter().filter(is_write).count()
}

/// A flow at rest whose change is always refused.
fn refusing(change: Effect, reason: Reason) -> World<ProvisioningFlow> {
    let mut world = owned(small());
    for _ in 0..REFUSALS {
        world = world.when(change, Fate::failed(refused(reason)));
    }
    world
}

fn edited(mut world: World<ProvisioningFlow>) -> World<ProvisioningFlow> {
    world.edit(|flow| {
        flow.with(|spec| {
            let group = spec.security_group.as_mut().unwrap();
            let options = group.creation_options.as_mut().unwrap();
            options.create_based_on_role_group = false;
        })
    });
    world
}

fn deleted(mut world: World<ProvisioningFlow>) -> World<ProvisioningFlow> {
    world.edit(Building::deleting);
    world
}

#[test]
fn a_day_in_which_nothing_happens_causes_no_write_and_no_event() {
    let mut world = owned(small());
    world.live(DAY);
    assert_eq!((world.journal, world.events), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_lasts_for_a_day_is_one_event_one_or_two_writes_and_a_line_an_hour() {
    let unreadable = |verdict: Verdict| {
        let mut world = owned(small());
        world.service.unreadable = Some(verdict);
        world.service.failures = 3;
        world
    };
    let blocked = |mut world: World<ProvisioningFlow>, blocked| {
        world.target = Err(blocked);
        world
    };
    let no_set = Blocked::missing(reason::FLOW_SET_NOT_FOUND, "create the set");
    let no_secret = Blocked::person(reason::SECRET_NOT_FOUND, "create the Secret");
    for (world, reason) in [
        (
            unreadable(refused(Reason::CredentialRefused)),
            "CredentialRefused",
        ),
        (unreadable(refused(Reason::Forbidden)), "Forbidden"),
        (unreadable(not_sent()), "Unreachable"),
        (blocked(owned(small()), no_set), reason::FLOW_SET_NOT_FOUND),
        (
            blocked(deleted(owned(small())), no_secret),
            reason::DELETION_BLOCKED,
        ),
    ] {
        let cost = day(world).await;
        assert_eq!(cost.events, [reason], "{cost:?}");
        assert!((1..=2).contains(&cost.writes), "{cost:?}");
        assert!((24..=25).contains(&cost.lines), "{cost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_for_a_day_is_one_event_and_a_line_an_hour() {
    // From 30 s, the pause doubles up to 30 min, of which a day has 48.
    let with_backoff = 40..=64;
    // A permission may be granted at any time, and works within a minute: a day has 1571 pauses of 55 s. Several resources
    // of a connection take turns.
    let each_minute = 1440..=1571;
    for (world, reason, attempts) in [
        (
            edited(refusing(UPDATE, Reason::Rejected)),
            "Rejected",
            with_backoff,
        ),
        (
            edited(refusing(UPDATE, Reason::Forbidden)),
            "Forbidden",
            each_minute.clone(),
        ),
        (
            deleted(refusing(DELETE, Reason::Forbidden)),
            reason::DELETION_BLOCKED,
            each_minute,
        ),
    ] {
        let cost = day(world).await;
        assert_eq!(cost.events, [reason], "{cost:?}");
        assert!(attempts.contains(&cost.attempts), "{cost:?}");
        assert!(cost.writes <= cost.attempts + 1, "{cost:?}");
        assert!((24..=25).contains(&cost.lines), "{cost:?}");
    }
}
