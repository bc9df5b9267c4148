//! What a list shows, and what follows from what it does not show.

use futures::future::join_all;
use industrydata_simulator::{Answer, BodyFault, Effect, NextLink, Operation, Quirk, Rule};
use k8s_openapi::jiff::SignedDuration;

use super::{meet_all, open, other_groups, requests};
use crate::faults::{all_ready, apply_pairs, assert_healed, at, changes, events, names, remote_id};
use crate::test_env::{TestEnv, ready};

/// The lists of the service.
const LISTS: [Operation; 2] = [Operation::ListSets, Operation::ListFlows];

/// So long lists are wrong, which is longer than the visibility window.
const LONG: SignedDuration = SignedDuration::from_secs(75);

/// From now on all lists of a kind are spoilt.
fn spoil(env: &TestEnv, operation: Operation, effect: &Effect) {
    let rule = Rule::new(effect.clone()).on(operation);
    env.simulator.inject(rule.always());
}

/// Waits until lists of a kind have been spoilt for so long.
async fn spoilt_for(env: &TestEnv, operation: Operation, long: SignedDuration) {
    let spoilt = || {
        let journal = env.simulator.journal();
        let entries = journal.entries().iter();
        let hit = entries.filter(|one| one.operation == operation && !one.faults.is_empty());
        let mut times = hit.map(|entry| at(&entry.time));
        let first = times.next()?;
        Some(times.next_back()?.duration_since(first))
    };
    let enough = async || spoilt().is_some_and(|span| span > long);
    env.until("spoilt lists", enough).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_last_page_has_an_empty_link_is_read() {
    lists_are_read_although("empty-link", Effect::NextLink(NextLink::Empty)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_begins_with_a_byte_order_mark_is_read() {
    lists_are_read_although("byte-order-mark", Effect::Body(BodyFault::ByteOrderMark)).await;
}

async fn lists_are_read_although(name: &str, effect: Effect) {
    let env = open(name).await;
    for operation in LISTS {
        spoil(&env, operation, &effect);
    }
    apply_pairs(&env, &names(2)).await;
    assert_healed(&env).await;
    assert_eq!(changes(&env), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_understood_does_not_cost_its_list() {
    let env = open("garbage").await;
    let names = names(1);
    apply_pairs(&env, &names).await;
    all_ready(&env).await;
    let before = changes(&env);
    for operation in LISTS {
        spoil(&env, operation, &Effect::Quirk(Quirk::Garbage));
    }
    let id = remote_id(&env.flow(&names[0]).await);
    for (word, wanted) in [("failed", "False/Failed"), ("ready", "True/Ready")] {
        env.simulator.set_readiness(&id, word).unwrap();
        let told = |flow: &_| ready(flow) == wanted;
        env.flow_where(&names[0], told).await;
    }
    assert_eq!(changes(&env), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_sets_that_is_empty_for_a_while_makes_nothing_anew() {
    nothing_is_made_anew("empty-sets", Operation::ListSets).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_flows_that_is_empty_for_a_while_makes_nothing_anew() {
    nothing_is_made_anew("empty-flows", Operation::ListFlows).await;
}

async fn nothing_is_made_anew(name: &str, operation: Operation) {
    let env = open(name).await;
    apply_pairs(&env, &names(2)).await;
    all_ready(&env).await;
    let (before, start) = (changes(&env), env.audit_position());
    spoil(&env, operation, &Effect::Quirk(Quirk::Emptied));
    spoilt_for(&env, operation, LONG).await;
    assert_eq!(changes(&env), before, "{operation:?}");
    // An intent is the one thing that is written elsewhere than into a status.
    let writes = env.writes_since(start).into_iter();
    let intents = writes.filter(|write| write.contains("flow") && write.contains("/ "));
    assert_eq!(intents.collect::<Vec<_>>(), Vec::<String>::new());
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(changes(&env), before, "{operation:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_disagree_after_an_update_cause_no_second_one() {
    let env = open("replicas-disagree").await;
    let names = names(1);
    apply_pairs(&env, &names).await;
    all_ready(&env).await;
    let id = remote_id(&env.flow(&names[0]).await);
    let past = Rule::new(Effect::AsOf(env.simulator.snapshot().writes));
    let past = past.on(Operation::ListFlows).every(2);
    env.simulator.inject(past.always());
    env.patch_flow(&names[0], other_groups()).await;
    let half_a_minute = SignedDuration::from_secs(30);
    spoilt_for(&env, Operation::ListFlows, half_a_minute).await;
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_appeared_after_our_attempt_is_ours_whatever_its_date() {
    const HOURS: i64 = 4 * 3600;
    let clocks = [
        Effect::Quirk(Quirk::Dates(-HOURS)),
        Effect::Quirk(Quirk::Dates(HOURS)),
        Effect::Date(HOURS),
        Effect::Date(-HOURS),
    ];
    let envs = (0..).zip(clocks);
    join_all(envs.map(|(place, clock)| assert_ours_under(place, clock))).await;
}

async fn assert_ours_under(place: usize, clock: Effect) {
    let what = format!("{clock:?}");
    let env = open(&format!("odd-clock-{place}")).await;
    env.simulator.inject(Rule::new(clock).always());
    let answers = [
        vec![Effect::CutAfterCommit],
        vec![Effect::AnswerAfterCommit(Answer::new(409))],
    ];
    let names = names(answers.len());
    meet_all(&env, Operation::CreateFlow, answers);
    apply_pairs(&env, &names).await;
    all_ready(&env).await;
    assert_eq!(requests(&env, Operation::CreateFlow), names.len(), "{what}");
    let told = events(&env).await;
    assert!(!told.contains("AlreadyExists"), "{what}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_busy_does_not_refuse_the_credential() {
    let env = open("busy-authority").await;
    let codes = ["AADSTS50196", "AADSTS90033", "temporarily_unavailable"];
    let busy = codes.map(|code| vec![Effect::Refuse(Answer::new(400).code(code))]);
    meet_all(&env, Operation::Token, busy);
    apply_pairs(&env, &names(1)).await;
    all_ready(&env).await;
    let told = events(&env).await;
    assert!(!told.contains("CredentialRefused"), "{told}");
    assert!(requests(&env, Operation::Token) > codes.len());
}
