//! What is not known is told: lists that cannot be read, sets that do not exist, words that nobody knows.

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Answer, Effect, Operation, Quirk, Rule};
use serde_json::json;

use crate::conditions::{headline, is_ready, ready, remote_id, stalled};
use crate::faults::{open, with_pairs};
use crate::manifests::{connection, groups_by_id, other_groups, units, with};
use crate::oracle::assert_healed;
use crate::test_env::TestEnv;

const UNREADABLE: &str = "Unknown/ServiceUnavailable";

/// The flows of the set of one flow cannot be listed any more.
async fn fail_list(env: &TestEnv, name: &str) {
    let status = env.flow(name).await.status.unwrap();
    let path = format!("*/{}/provisioningFlows*", status.flow_set_id.unwrap());
    let fail = Rule::new(Effect::Refuse(Answer::new(500))).method("GET");
    env.simulator.inject(fail.path(path).always());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_list_cannot_be_read_says_so_and_others_stay_ready() {
    let (env, names) = with_pairs("unreadable-list", 2).await;
    fail_list(&env, &names[0]).await;
    let unknown = |flow: &_| ready(flow) == UNREADABLE;
    env.flow_where(&names[0], unknown).await;
    assert!(is_ready(&env.flow(&names[1]).await));
    env.simulator.clear_rules();
    assert_healed(&env).await;
}

/// The deadline is the flow's own; for sets and connections, only unit tests can wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_lasts_beyond_the_deadline_calls_a_person_and_heals_by_itself() {
    let (env, _) = with_pairs("overdue", 1).await;
    let fail = Rule::new(Effect::Refuse(Answer::new(503))).on(Operation::CreateFlow);
    env.simulator.inject(fail.always());
    let hurried = json!({ "progressDeadline": "5s", "flowSetRef": { "name": "pair-0" } });
    env.apply(with(units("hurried"), &hurried)).await.unwrap();
    env.flow_where("hurried", |flow| ready(flow) == "False/CreateUnresolved")
        .await;
    let flow = env.flow_stalled("hurried", "CreateUnresolved").await;
    let message = headline(&flow).message;
    assert!(message.starts_with("Overdue: "), "{message}");
    env.simulator.clear_rules();
    assert_healed(&env).await;
    env.flow_where("hurried", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_has_not_reached_the_service_is_not_under_ready() {
    let (env, names) = with_pairs("unreadable-edit", 1).await;
    let name = &names[0];
    let id = remote_id(&env.flow(name).await);
    fail_list(&env, name).await;
    let fail = Rule::new(Effect::Refuse(Answer::new(500))).on(Operation::UpdateFlow);
    env.simulator.inject(fail.always());
    env.patch_flow(name, other_groups()).await;
    let told = |flow: &ProvisioningFlow| {
        let current = headline(flow).observed_generation == flow.metadata.generation;
        let claims = current && headline(flow).status == "True";
        assert!(!claims, "the edit counts as done: {:#?}", flow.status);
        current && ready(flow) == UNREADABLE
    };
    env.flow_where(name, told).await;
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_id_that_does_not_exist_is_told_and_its_flow_can_be_deleted() {
    let env = open("no-such-set").await;
    let astray = groups_by_id("astray", "99999999-0000-4000-8000-000000000000");
    env.apply_all([connection(), astray]).await;
    let flow = env.flow_stalled("astray", "FlowSetNotFound").await;
    assert_eq!(headline(&flow).reason, "FlowSetNotFound");
    assert_ne!(headline(&flow).status, "True");
    let says = headline(&flow).message;
    assert!(says.contains("spec.flowSetId"), "{says}");
    env.remove_flow("astray").await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_id_whose_set_was_deleted_is_told() {
    let env = open("lost-set").await;
    let body = json!({ "displayName": "made by hand" });
    let set = env.simulator.create_set(&body).unwrap();
    env.apply_all([connection(), groups_by_id("groups", &set)])
        .await;
    env.flow_where("groups", is_ready).await;
    env.simulator.delete_set(&set).unwrap();
    env.flow_stalled("groups", "FlowSetNotFound").await;
    assert_eq!(env.requests(Operation::CreateFlow), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readiness_is_understood_in_any_letter_case() {
    let (env, names) = with_pairs("loud-readiness", 1).await;
    let id = remote_id(&env.flow(&names[0]).await);
    for (word, wanted) in [
        ("NotReady", "False/NotReady"),
        ("Ready", "True/Ready"),
        ("FAILED", "False/Failed"),
        ("READY", "True/Ready"),
    ] {
        env.simulator.set_readiness(&id, word).unwrap();
        let told = |flow: &ProvisioningFlow| {
            let status = flow.status.as_ref().unwrap();
            status.readiness_status.as_deref() == Some(word)
        };
        let flow = env.flow_where(&names[0], told).await;
        assert_eq!(ready(&flow), wanted, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readiness_that_nobody_knows_meets_the_deadline_like_any_other() {
    meets_the_deadline("odd-readiness", |env, id| {
        let word = "unknownFutureValue";
        env.simulator.set_readiness(id, word).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readiness_that_is_absent_meets_the_deadline_like_any_other() {
    meets_the_deadline("no-readiness", |env, _| {
        let missing = Effect::Quirk(Quirk::Missing("readinessStatus".to_owned()));
        env.simulator.inject(Rule::new(missing).always());
    })
    .await;
}

async fn meets_the_deadline(name: &str, change: impl FnOnce(&TestEnv, &str)) {
    let (env, names) = with_pairs(name, 1).await;
    let id = remote_id(&env.flow(&names[0]).await);
    change(&env, &id);
    let deadline = json!({ "progressDeadline": "30s" });
    env.patch_flow(&names[0], deadline).await;
    let flow = env
        .flow_stalled(&names[0], "ProgressDeadlineExceeded")
        .await;
    assert_ne!(headline(&flow).status, "True");
    assert_eq!(headline(&flow).reason, "ProgressDeadlineExceeded");
    let lists = || env.simulator.journal().requests(Operation::ListFlows);
    let enough = lists() + 2;
    env.until("two lists", async || lists() >= enough).await;
    let later = env.flow(&names[0]).await;
    assert_eq!(
        stalled(&later),
        "True/ProgressDeadlineExceeded",
        "it stays exceeded"
    );
    env.simulator.clear_rules();
    env.simulator.set_readiness(&id, "ready").unwrap();
    assert_healed(&env).await;
}
