use super::*;
use crate::api::annotation;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::graph::verdict::Reason;
use crate::plan::event;
use crate::plan::testing::*;
use crate::plan::{Effects, Limits, Memory, Read, Step, Target, Unreadable};

fn input(resource: GraphConnection) -> Input<GraphConnection> {
    Input {
        status: resource.status.clone().unwrap_or_default(),
        resource: resource.into(),
        now: at(30),
        uuid: uuid::Uuid::nil(),
        target: Ok(Target {
            set: None,
            revision: String::new(),
        }),
        collection: Some(listed(Vec::new(), 30)),
        related: ConnectionRelations::default(),
        memory: Memory::default(),
        effects: Effects::default(),
        limits: Limits { ..limits() },
    }
}

/// Returns the connection after a reconcile without problems.
fn ready() -> Input<GraphConnection> {
    let mut input = input(connection().held());
    let status = GraphConnection::plan(&input).status;
    let resource = std::sync::Arc::make_mut(&mut input.resource);
    resource.status = Some(status.clone());
    input.status = status;
    input
}

fn failed(verdict: Verdict, failures: u32) -> Read<FlowSet> {
    Read::Unknown(Unreadable { verdict, failures })
}

fn said(plan: &Plan<GraphConnection>) -> [String; 4] {
    [READY, SYNCED, RECONCILING, STALLED]
        .map(|type_| condition_text(&plan.status.conditions, type_))
}

#[test]
fn a_connection_is_held_first() {
    let plan = GraphConnection::plan(&input(connection()));
    assert_eq!(plan.step, Some(Step::Resource(ResourceStep::AddFinalizer)));
}

#[test]
fn a_connection_is_ready_when_the_service_can_be_read() {
    let mut unread = input(connection().held());
    unread.collection = None;
    assert_eq!(GraphConnection::plan(&unread).step, Some(Step::Refresh));
    let plan = GraphConnection::plan(&input(connection().held()));
    assert_eq!(plan.step, None);
    assert_eq!(said(&plan), ["True/Ready", "True/Synced", "", ""]);
    assert_eq!(plan.status.observed_generation, 1);
    let again = ready();
    assert_eq!(GraphConnection::plan(&again).status, again.status);
}

#[test]
fn only_the_third_failure_in_a_row_that_passes_by_itself_is_news() {
    let unchanged = ["True/Ready", "True/Synced", "", ""];
    let reported = [
        "Unknown/ServiceUnavailable",
        "Unknown/ServiceUnavailable",
        "True/ServiceUnavailable",
        "",
    ];
    for (failures, expected) in [
        (1, unchanged),
        (2, unchanged),
        (3, reported),
        (100, reported),
    ] {
        let mut input = ready();
        input.collection = Some(failed(unavailable(), failures));
        assert_eq!(said(&GraphConnection::plan(&input)), expected, "{failures}");
    }
    let mut new = input(connection().held());
    new.collection = Some(failed(unavailable(), 1));
    assert_eq!(
        said(&GraphConnection::plan(&new)),
        reported.map(|text| text.replace("Unknown", "False")),
        "nothing good is known"
    );
}

#[test]
fn while_a_failure_lasts_the_state_stays_unknown() {
    let mut input = ready();
    for failures in 1..10 {
        input.collection = Some(failed(unavailable(), failures));
        let status = GraphConnection::plan(&input).status;
        std::sync::Arc::make_mut(&mut input.resource).status = Some(status.clone());
        input.status = status;
    }
    let ready = condition_text(&input.status.conditions, READY);
    assert_eq!(ready, "Unknown/ServiceUnavailable");
}

#[test]
fn a_failure_that_a_person_has_to_mend_is_told_at_once() {
    let mut input = ready();
    input.collection = Some(failed(refused(Reason::CredentialRefused), 1));
    let plan = GraphConnection::plan(&input);
    assert_eq!(
        condition_text(&plan.status.conditions, STALLED),
        "True/CredentialRefused"
    );
}

#[test]
fn a_suspended_connection_is_not_looked_at() {
    let mut input = ready();
    std::sync::Arc::make_mut(&mut input.resource).spec.suspend = true;
    input.collection = None;
    let plan = GraphConnection::plan(&input);
    assert_eq!(plan.step, None);
    assert_eq!(said(&plan), ["True/Suspended", "False/Suspended", "", ""]);
}

#[test]
fn a_missing_credential_is_told() {
    let mut input = ready();
    input.target = Err(Blocked::person(reason::SECRET_NOT_FOUND, "create it"));
    let plan = GraphConnection::plan(&input);
    assert_eq!(
        condition_text(&plan.status.conditions, STALLED),
        "True/SecretNotFound"
    );
}

#[test]
fn a_wish_for_a_look_needs_a_fresh_list() {
    let mut input = input(
        connection()
            .held()
            .annotated(annotation::REQUESTED_AT, "now"),
    );
    let fresh = GraphConnection::plan(&input);
    assert_eq!(
        fresh.status.last_handled_reconcile_at.as_deref(),
        Some("now")
    );
    let Some(Read::Known(view)) = &mut input.collection else {
        unreachable!()
    };
    view.fresh = false;
    assert_eq!(GraphConnection::plan(&input).step, Some(Step::Refresh));
}

#[test]
fn a_connection_in_use_stays_whatever_else_is_wrong() {
    let mut input = input(connection().held().deleting());
    input.target = Err(Blocked::person(reason::SECRET_NOT_FOUND, "create it"));
    input.related.users = 1;
    let plan = GraphConnection::plan(&input);
    assert_eq!(plan.step, None);
    assert_eq!(
        condition_text(&plan.status.conditions, RECONCILING),
        "True/InUse"
    );
    input.related.users = 0;
    let step = GraphConnection::plan(&input).step;
    assert_eq!(step, Some(Step::Resource(ResourceStep::RemoveFinalizer)));
    let gone = self::input(connection().deleting());
    assert_eq!(GraphConnection::plan(&gone).step, None);
}

#[test]
fn the_requests_in_progress_wait_no_longer_for_the_budget_than_it_lets_them() {
    let of = |per_second| {
        concurrent_reconciles(&RequestBudget {
            per_second,
            burst: 1,
        })
    };
    assert_eq!([-1, 1, 5, 20, 100, 1_000].map(of), [4, 4, 4, 16, 80, 256]);
    let max_wait = crate::graph::DEFAULT_MAX_WAIT.as_secs_f64();
    for per_second in 5..=1_000 {
        let waiting = f64::from(u32::try_from(2 * of(per_second)).unwrap());
        assert!(waiting / f64::from(per_second) < max_wait, "{per_second}");
    }
}

fn message(plan: &Plan<GraphConnection>) -> String {
    let ready = crate::plan::conditions::find(&plan.status.conditions, READY);
    ready.unwrap().message.clone()
}

#[test]
fn what_the_credential_may_do_is_recorded_and_a_limit_is_in_the_message() {
    let mut input = ready();
    assert_eq!(
        message(&GraphConnection::plan(&input)),
        "the service accepts this credential"
    );
    input.related.access = ObservedAccess {
        read: Access::Allowed,
        write: Access::Refused,
        is_of_new_credential: false,
    };
    let plan = GraphConnection::plan(&input);
    let access = plan.status.access.clone().unwrap();
    assert_eq!(
        (access.read, access.write),
        (Access::Allowed, Access::Refused)
    );
    assert_eq!(
        said(&plan),
        ["True/Ready", "True/Synced", "", ""],
        "it can still be read"
    );
    let text = message(&plan);
    for part in [
        "delegated",
        "IndustryData-OutboundFlow.ReadWrite.All",
        "kubectl industrydata login",
    ] {
        assert!(text.contains(part), "{text}");
    }
    input.collection = Some(failed(refused(Reason::Forbidden), 1));
    assert_eq!(
        GraphConnection::plan(&input).status.access,
        plan.status.access
    );
}

#[test]
fn a_credential_that_expires_is_reported_ahead_and_once() {
    let day = SignedDuration::from_hours(24);
    let mut input = ready();
    let expiry = input.now + day * 31;
    input.related.expiry = Some(expiry);
    let plan = GraphConnection::plan(&input);
    assert_eq!(plan.events, []);
    assert_eq!(plan.requeue_after, Some(day));
    input.status = plan.status;
    input.now += day * 2;
    let plan = GraphConnection::plan(&input);
    let [event] = &plan.events[..] else {
        panic!("{:?}", plan.events);
    };
    assert_eq!(event.reason.as_str(), "CredentialExpires");
    assert!(
        event.message.contains(&expiry.to_string()),
        "{}",
        event.message
    );
    assert!(message(&plan).contains(&event.message));
    input.status = plan.status;
    assert_eq!(GraphConnection::plan(&input).events, []);
}

#[test]
fn a_refresh_token_that_cannot_be_written_back_is_in_the_message() {
    let mut input = ready();
    input.related.not_stored = Some("grant it patch".to_owned());
    let text = message(&GraphConnection::plan(&input));
    assert!(text.ends_with("; grant it patch"), "{text}");
}

#[test]
fn a_credential_that_is_refused_for_a_day_is_one_event_and_one_change_of_the_status() {
    for verdict in [refused(Reason::CredentialRefused), not_sent()] {
        let (mut input, mut events, mut changes) = (ready(), Vec::new(), 0);
        for failures in 1..=24 * 60 {
            input.now += SignedDuration::from_mins(1);
            input.collection = Some(failed(verdict.clone(), failures));
            let plan = GraphConnection::plan(&input);
            let (old, new) = (&input.status.conditions, &plan.status.conditions);
            let transition = event::of_transition(old, new).into_iter();
            let reasons = transition.chain(plan.events).map(|event| event.reason);
            events.extend(reasons.map(|reason| reason.as_str().to_owned()));
            changes += usize::from(plan.status != input.status);
            let resource = std::sync::Arc::make_mut(&mut input.resource);
            resource.status = Some(plan.status.clone());
            (input.status, input.memory) = (plan.status, plan.memory);
        }
        assert_eq!(events, [verdict.reason.as_str()]);
        assert_eq!(changes, 1);
    }
}

fn last_poll(input: &Input<GraphConnection>) -> Option<String> {
    GraphConnection::plan(input).status.last_poll
}

#[test]
fn a_poll_is_current_until_polls_fail_for_long_or_end() {
    let current = Some("current".to_owned());
    let mut failing = ready();
    assert_eq!(failing.status.last_poll, current);
    failing.related.last_poll = Some(at(20));
    for failures in [1, 2] {
        failing.collection = Some(failed(unavailable(), failures));
        assert_eq!(last_poll(&failing), current, "{failures}");
    }
    failing.collection = Some(failed(unavailable(), 3));
    let plan = GraphConnection::plan(&failing);
    let since = Some("2026-11-23T08:00:20Z".to_owned());
    assert_eq!(plan.status.last_poll, since);
    failing.status = plan.status;
    failing.related.last_poll = None;
    assert_eq!(last_poll(&failing), since, "a restart forgets nothing");
    failing.collection = Some(listed(Vec::new(), 30));
    assert_eq!(last_poll(&failing), current);

    let mut suspended = ready();
    std::sync::Arc::make_mut(&mut suspended.resource)
        .spec
        .suspend = true;
    assert_eq!(last_poll(&suspended), Some("unknown".to_owned()));
    suspended.related.last_poll = Some(at(20));
    assert_eq!(last_poll(&suspended), since);

    let mut never = input(connection().held());
    never.collection = Some(failed(refused(Reason::Forbidden), 1));
    assert_eq!(last_poll(&never), None);
}

#[test]
fn throttling_is_reported_once_and_for_ten_minutes_after_the_last_time() {
    let mut input = ready();
    let mut writes = Vec::new();
    for second in 0..3600 {
        input.now = at(60 + second);
        // Throttled every five minutes, for half an hour.
        let ago = if second < 1800 {
            second % 300
        } else {
            second - 1500
        };
        input.related.throttled_ago = Some(SignedDuration::from_secs(ago));
        let plan = GraphConnection::plan(&input);
        if plan.status != input.status {
            writes.push((second, message(&plan).contains("throttles")));
        }
        input.status = plan.status;
    }
    assert_eq!(writes, [(0, true), (2100, false)]);
    assert_eq!(input.status.throttled_since, None);
}

#[test]
fn what_is_not_counted_stays_as_it_was() {
    let mut input = ready();
    let remote = RemoteCount {
        sets: 3,
        ..RemoteCount::default()
    };
    input.related.remote = Some(remote);
    input.status = GraphConnection::plan(&input).status;
    input.related.remote = None;
    assert_eq!(GraphConnection::plan(&input).status.remote, Some(remote));
}
