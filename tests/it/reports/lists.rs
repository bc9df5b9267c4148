//! What a list shows, and what follows from what it does not show.

use futures::future::join_all;
use industrydata_simulator::{Answer, BodyFault, Effect, NextLink, Operation, Quirk, Rule};
use k8s_openapi::jiff::SignedDuration;

use crate::conditions::{ready, remote_id};
use crate::faults::{LISTS, open, spoilt_for, with_pairs};
use crate::manifests::{names, other_groups};
use crate::oracle::{all_ready, assert_healed};
use crate::test_env::TestEnv;

/// So long lists are wrong, which is longer than the visibility window.
const LONG: SignedDuration = SignedDuration::from_secs(75);

/// From now on all lists of a kind are spoilt.
fn spoil(env: &TestEnv, operation: Operation, effect: &Effect) {
    let rule = Rule::new(effect.clone()).on(operation);
    env.simulator.inject(rule.always());
}

/// Waits until lists of a kind have been spoilt for so long.
async fn until_spoilt_for(env: &TestEnv, operation: Operation, long: SignedDuration) {
    let enough = async || spoilt_for(env, operation, long);
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
    env.apply_pairs(&names(2)).await;
    assert_healed(&env).await;
    assert_eq!(env.changes(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_understood_does_not_cost_its_list() {
    let (env, names) = with_pairs("garbage", 1).await;
    let before = env.changes();
    for operation in LISTS {
        spoil(&env, operation, &Effect::Quirk(Quirk::Garbage));
    }
    let id = remote_id(&env.flow(&names[0]).await);
    for (word, wanted) in [("failed", "False/Failed"), ("ready", "True/Ready")] {
        env.simulator.set_readiness(&id, word).unwrap();
        let told = |flow: &_| ready(flow) == wanted;
        env.flow_where(&names[0], told).await;
    }
    assert_eq!(env.changes(), before);
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
    let (env, _) = with_pairs(name, 2).await;
    let (before, start) = (env.changes(), env.audit_position());
    spoil(&env, operation, &Effect::Quirk(Quirk::Emptied));
    until_spoilt_for(&env, operation, LONG).await;
    assert_eq!(env.changes(), before, "{operation:?}");
    // An intent is the one thing that is written elsewhere than into a status.
    let writes = env.writes_since(start).into_iter();
    let intents = writes.filter(|write| write.contains("flow") && write.contains("/ "));
    assert_eq!(intents.collect::<Vec<_>>(), Vec::<String>::new());
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(env.changes(), before, "{operation:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_disagree_after_an_update_cause_no_second_one() {
    let (env, names) = with_pairs("replicas-disagree", 1).await;
    let id = remote_id(&env.flow(&names[0]).await);
    let past = Rule::new(Effect::AsOf(env.simulator.snapshot().writes));
    let past = past.on(Operation::ListFlows).every(2);
    env.simulator.inject(past.always());
    env.patch_flow(&names[0], other_groups()).await;
    let half_a_minute = SignedDuration::from_secs(30);
    until_spoilt_for(&env, Operation::ListFlows, half_a_minute).await;
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
    env.meet_all(Operation::CreateFlow, answers);
    env.apply_pairs(&names).await;
    all_ready(&env).await;
    assert_eq!(env.requests(Operation::CreateFlow), names.len(), "{what}");
    let told = env.events().await;
    assert!(!told.contains("AlreadyExists"), "{what}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_busy_does_not_refuse_the_credential() {
    let env = open("busy-authority").await;
    let codes = ["AADSTS50196", "AADSTS90033", "temporarily_unavailable"];
    let busy = codes.map(|code| vec![Effect::Refuse(Answer::new(400).code(code))]);
    env.meet_all(Operation::Token, busy);
    env.apply_pairs(&names(1)).await;
    all_ready(&env).await;
    let told = env.events().await;
    assert!(!told.contains("CredentialRefused"), "{told}");
    assert!(env.requests(Operation::Token) > codes.len());
}
