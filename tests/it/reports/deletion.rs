//! A deletion is over when a complete list lacks the object, whatever the answer to DELETE was.

use industrydata_operator::api::annotation;
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::{error, headline, meet_all, open, page, page_after_commit};
use crate::faults::{all_ready, apply_all, apply_pairs, connection, group, names, set};
use crate::test_env::{TestEnv, flow, is_ready, security, stalled};

async fn delete_flows(env: &TestEnv) {
    let (how, all) = (DeleteParams::default(), ListParams::default());
    env.flows().delete_collection(&how, &all).await.unwrap();
}

async fn delete_sets(env: &TestEnv) {
    let (how, all) = (DeleteParams::default(), ListParams::default());
    env.sets().delete_collection(&how, &all).await.unwrap();
}

/// Each flow's deletion is answered in one of these ways, and all are gone in the end, here and there.
async fn flows_are_gone_although(name: &str, answers: Vec<Vec<Effect>>) {
    let env = open(name).await;
    let names = names(answers.len());
    apply_pairs(&env, &names).await;
    all_ready(&env).await;
    meet_all(&env, Operation::DeleteFlow, answers);
    delete_flows(&env).await;
    for name in &names {
        env.gone(&env.flows(), name).await;
    }
    for set in env.simulator.snapshot().sets {
        assert_eq!(set.flows, [], "left at the service");
    }
}

fn unknown_error() -> Vec<Effect> {
    vec![Effect::Refuse(Answer::new(404).code("UnknownError"))]
}

/// The flow is still there, whatever the answer says.
#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_deletion_is_answered_with_404_is_deleted() {
    flows_are_gone_although("delete-404", vec![unknown_error()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_deletion_is_answered_with_a_page_is_deleted() {
    flows_are_gone_although("delete-page", vec![page(200)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_deletion_had_no_effect_is_deleted_whatever_the_answer_was() {
    let answers = vec![
        error(410),
        page(404),
        error(204),
        error(200),
        page(202),
        page_after_commit(200),
        page_after_commit(502),
    ];
    flows_are_gone_although("delete-answers", answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_whose_deletion_had_no_effect_is_deleted_whatever_the_answer_was() {
    let answers = vec![unknown_error(), error(410), page(200), error(204)];
    let env = open("delete-sets").await;
    let names = names(answers.len());
    apply_all(
        &env,
        [connection()]
            .into_iter()
            .chain(names.iter().map(|name| set(name))),
    )
    .await;
    all_ready(&env).await;
    meet_all(&env, Operation::DeleteSet, answers);
    delete_sets(&env).await;
    for name in &names {
        env.gone(&env.sets(), name).await;
    }
    assert_eq!(env.simulator.snapshot().sets, []);
}

/// Declares a flow in a set that somebody else looks after, of which only the id is known.
async fn apply_flow_of_foreign_set(env: &TestEnv, name: &str, set: &str) {
    let spec = json!({ "flowSetRef": null, "flowSetId": set, "connectionRef": { "name": "contoso" },
        "securityGroup": security() });
    apply_all(env, [connection(), flow(name, &spec)]).await;
}

fn foreign_set(env: &TestEnv) -> String {
    let body = json!({ "displayName": "made by hand" });
    env.simulator.create_set(&body).unwrap()
}

/// The create of the flow never arrived.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_gone_settles_the_deletion_of_an_unresolved_create() {
    let env = open("delete-unresolved").await;
    let set = foreign_set(&env);
    let lost = Rule::new(Effect::CutBefore).on(Operation::CreateFlow);
    env.simulator.inject(lost.always());
    apply_flow_of_foreign_set(&env, "groups", &set).await;
    let tried = async || super::requests(&env, Operation::CreateFlow) > 0;
    env.until("a create", tried).await;
    env.simulator.delete_set(&set).unwrap();
    delete_flows(&env).await;
    env.gone(&env.flows(), "groups").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_gone_settles_the_deletion_of_its_flows() {
    let env = open("delete-with-set").await;
    let set = foreign_set(&env);
    apply_flow_of_foreign_set(&env, "groups", &set).await;
    env.flow_where("groups", is_ready).await;
    env.simulator.delete_set(&set).unwrap();
    delete_flows(&env).await;
    env.gone(&env.flows(), "groups").await;
    assert_eq!(env.simulator.journal().sets_created(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_set_was_let_go_names_the_missing_set_and_can_be_abandoned() {
    let env = open("abandoned-set").await;
    apply_all(&env, [connection(), set("north"), group("groups", "north")]).await;
    all_ready(&env).await;
    let abandon = format!("{}=true", annotation::ABANDON);
    env.kubectl(&["annotate", "flowset", "north", &abandon])
        .await
        .unwrap();
    delete_sets(&env).await;
    env.gone(&env.sets(), "north").await;
    delete_flows(&env).await;
    let blocked = |flow: &_| stalled(flow) == "True/DeletionBlocked";
    let says = headline(&env.flow_where("groups", blocked).await).message;
    for part in ["OutboundProvisioningFlowSet north", annotation::ABANDON] {
        assert!(says.contains(part), "{part} is missing in: {says}");
    }
    env.annotate_flow("groups", annotation::ABANDON, "true")
        .await;
    env.gone(&env.flows(), "groups").await;
    assert_eq!(super::requests(&env, Operation::DeleteFlow), 0);
}
