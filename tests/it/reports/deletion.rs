//! A deletion is over when a complete list lacks the object, whatever the answer to DELETE was.

use industrydata_operator::api::annotation;
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use serde_json::json;

use super::{error, page, page_after_commit};
use crate::conditions::{headline, is_ready};
use crate::faults::{open, with_pairs};
use crate::manifests::{connection, groups, groups_by_id, names, set};
use crate::oracle::all_ready;
use crate::test_env::TestEnv;

/// Each flow's deletion is answered in one of these ways, and all are gone in the end, here and there.
async fn flows_are_gone_although(name: &str, answers: Vec<Vec<Effect>>) {
    let (env, names) = with_pairs(name, answers.len()).await;
    env.meet_all(Operation::DeleteFlow, answers);
    env.delete_flows().await;
    env.flows_gone(&names).await;
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
    env.apply_all(
        [connection()]
            .into_iter()
            .chain(names.iter().map(|name| set(name))),
    )
    .await;
    all_ready(&env).await;
    env.meet_all(Operation::DeleteSet, answers);
    env.delete_sets().await;
    for name in &names {
        env.gone(&env.sets(), name).await;
    }
    assert_eq!(env.simulator.snapshot().sets, []);
}

/// A flow in a set that somebody else looks after. Gives back the id of the set.
async fn with_foreign_set(env: &TestEnv) -> String {
    let body = json!({ "displayName": "made by hand" });
    let set = env.simulator.create_set(&body).unwrap();
    env.apply_all([connection(), groups_by_id("groups", &set)])
        .await;
    set
}

/// The create of the flow never arrived.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_gone_settles_the_deletion_of_an_unresolved_create() {
    let env = open("delete-unresolved").await;
    let lost = Rule::new(Effect::CutBefore).on(Operation::CreateFlow);
    env.simulator.inject(lost.always());
    let set = with_foreign_set(&env).await;
    let tried = async || env.requests(Operation::CreateFlow) > 0;
    env.until("a create", tried).await;
    env.simulator.delete_set(&set).unwrap();
    env.delete_flows().await;
    env.flows_gone(&["groups"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_is_gone_settles_the_deletion_of_its_flows() {
    let env = open("delete-with-set").await;
    let set = with_foreign_set(&env).await;
    env.flow_where("groups", is_ready).await;
    env.simulator.delete_set(&set).unwrap();
    env.delete_flows().await;
    env.flows_gone(&["groups"]).await;
    assert_eq!(env.simulator.journal().sets_created(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_set_was_let_go_names_the_missing_set_and_can_be_abandoned() {
    let env = open("abandoned-set").await;
    env.apply_all([connection(), set("north"), groups("groups")])
        .await;
    all_ready(&env).await;
    let abandon = format!("{}=true", annotation::ABANDON);
    env.kubectl(&["annotate", "flowset", "north", &abandon])
        .await
        .unwrap();
    env.delete_sets().await;
    env.gone(&env.sets(), "north").await;
    env.delete_flows().await;
    let says = headline(&env.flow_stalled("groups", "DeletionBlocked").await).message;
    for part in ["OutboundProvisioningFlowSet north", annotation::ABANDON] {
        assert!(says.contains(part), "{part} is missing in: {says}");
    }
    env.annotate_flow("groups", annotation::ABANDON, "true")
        .await;
    env.flows_gone(&["groups"]).await;
    assert_eq!(env.requests(Operation::DeleteFlow), 0);
}
