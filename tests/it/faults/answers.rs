//! F2, F5, F6: what was done and whose answer was lost, or that does not show yet.

use std::time::Duration;

use industrydata_simulator::{Answer, BodyFault, Effect, FlowType, Operation, Rule};
use serde_json::json;

use super::open;
use crate::conditions::{advice, is_ready, remote_id};
use crate::manifests::names;
use crate::oracle::assert_healed;
use crate::test_env::TestEnv;

/// Longer than the operator waits for an answer (10 s).
const TOO_LONG: Duration = Duration::from_secs(11);

/// Every way to lose the status of a request that took effect.
fn lost_statuses() -> Vec<Effect> {
    let mut ways = vec![Effect::CutAfterCommit, Effect::DelayAfter(TOO_LONG)];
    let false_alarms = [408, 500, 502, 503, 504, 507];
    ways.extend(false_alarms.map(|status| Effect::AnswerAfterCommit(Answer::new(status))));
    ways
}

/// Every way to lose the answer to a create that took effect.
fn lost_answers() -> Vec<Effect> {
    let bodies = [
        BodyFault::Truncated,
        BodyFault::Empty,
        BodyFault::Html,
        BodyFault::Malformed,
    ];
    let mut ways = lost_statuses();
    ways.extend(bodies.map(Effect::Body));
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_create_whose_answer_is_lost_in_whatever_way_is_sent_once() {
    let env = open("f02").await;
    let ways = lost_answers().len();
    for operation in [Operation::CreateSet, Operation::CreateFlow] {
        env.meet(operation, lost_answers());
    }
    env.apply_pairs(&names(ways)).await;
    assert_healed(&env).await;
    assert_eq!(requests_to_create(&env), [ways; 2]);
    let told = env.events().await;
    for wrong in ["AlreadyExists", "AmbiguousCreate", "Conflict"] {
        assert!(!told.contains(wrong), "{told}");
    }
}

/// In whatever way the answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn f05_a_reset_whose_answer_is_lost_is_sent_once_for_each_token() {
    let env = open("f05").await;
    let names = names(lost_statuses().len());
    env.apply_pairs(&names).await;
    let mut ids = Vec::new();
    for name in &names {
        ids.push(remote_id(&env.flow_where(name, is_ready).await));
    }
    env.meet(Operation::ResetFlow, lost_statuses());
    reset_all(&env, &names, "lost").await;
    for name in &names {
        let flow = env.flow_stalled(name, "ResetUnknown").await;
        assert!(
            advice(&flow).contains("spec.resetToken"),
            "{}",
            advice(&flow)
        );
    }
    env.polls(2).await;
    assert_eq!(resets(&env, &ids), vec![1; ids.len()]);
    reset_all(&env, &names, "again").await;
    let once_more = async || resets(&env, &ids) == vec![2; ids.len()];
    env.until("one reset for the new token", once_more).await;
    assert_healed(&env).await;
    assert_eq!(resets(&env, &ids), vec![2; ids.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_what_was_created_and_does_not_show_yet_is_not_created_again() {
    let env = open("f06").await;
    // The answer to the first arrives, that to the second does not.
    let hidden = Rule::new(Effect::Hide(Duration::from_secs(3))).times(2);
    for operation in [Operation::CreateSet, Operation::CreateFlow] {
        env.simulator.inject(hidden.clone().on(operation));
        let lost = Rule::new(Effect::CutAfterCommit).on(operation).after(1);
        env.simulator.inject(lost);
    }
    env.apply_pairs(&names(2)).await;
    assert_healed(&env).await;
    assert_eq!(requests_to_create(&env), [2, 2]);
    let flows = env
        .simulator
        .snapshot()
        .sets
        .into_iter()
        .flat_map(|set| set.flows);
    assert!(
        flows
            .map(|flow| flow.flow_type)
            .eq([FlowType::SecurityGroup; 2])
    );
}

fn requests_to_create(env: &TestEnv) -> [usize; 2] {
    [Operation::CreateSet, Operation::CreateFlow].map(|one| env.requests(one))
}

async fn reset_all(env: &TestEnv, names: &[String], token: &str) {
    for name in names {
        env.patch_flow(name, json!({ "resetToken": token })).await;
    }
}

fn resets(env: &TestEnv, ids: &[String]) -> Vec<usize> {
    let journal = env.simulator.journal();
    ids.iter().map(|id| journal.resets(id)).collect()
}
