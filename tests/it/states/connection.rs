//! What a connection shows of polls, of throttling and of the tenant.

use industrydata_operator::api::{GraphConnection, GraphConnectionStatus, RemoteCount};
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::conditions::{headline, ready};
use crate::manifests::{connection, groups_by_id, security, unit_options};
use crate::oracle::assert_at_rest;
use crate::test_env::TestEnv;

fn status(connection: &GraphConnection) -> GraphConnectionStatus {
    connection.status.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_counts_what_the_tenant_contains_and_what_nobody_declares() {
    let env = TestEnv::open("remote-count").await;
    let made = |name: &str| {
        let set = env
            .simulator
            .create_set(&json!({ "displayName": name }))
            .unwrap();
        for (kind, mut body) in [
            ("securityGroup", security()),
            ("administrativeUnit", unit_options()),
        ] {
            let type_ = format!("#microsoft.graph.industryData.{kind}ProvisioningFlow");
            body["@odata.type"] = json!(type_);
            env.simulator.create_flow(&set, &body).unwrap();
        }
        set
    };
    let (declared, _) = (made("declared"), made("undeclared"));
    let mut flow = groups_by_id("groups", &declared);
    flow["spec"]["adoptionPolicy"] = json!("IfExists");
    env.apply_all([connection(), flow]).await;
    let counted = RemoteCount {
        sets: 2,
        sets_undeclared: 1,
        flows: 2,
        flows_undeclared: 1,
    };
    env.connection_where(|one| status(one).remote == Some(counted))
        .await;
    assert_at_rest(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_poll_is_current_until_polls_fail() {
    let env = TestEnv::open("last-poll").await;
    env.apply(connection()).await.unwrap();
    let is_current = |one: &GraphConnection| status(one).last_poll.as_deref() == Some("current");
    env.connection_where(is_current).await;
    let fail = Rule::new(Effect::Refuse(Answer::new(500))).on(Operation::ListSets);
    let fail = env.simulator.inject(fail.always());
    let failing = env.connection_where(|one| !is_current(one)).await;
    let last: Timestamp = status(&failing).last_poll.unwrap().parse().unwrap();
    assert_eq!(ready(&failing), "Unknown/ServiceUnavailable");
    assert!(last < headline(&failing).last_transition_time.0);
    env.simulator.remove_rule(fail);
    env.connection_where(is_current).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_shows_that_the_service_throttles_it() {
    let env = TestEnv::open("throttled").await;
    env.apply(connection()).await.unwrap();
    env.connection_where(|one| ready(one) == "True/Ready").await;
    env.meet(Operation::ListSets, [Effect::Refuse(Answer::new(429))]);
    let is_told = |one: &GraphConnection| {
        status(one).throttled_since.is_some() && headline(one).message.contains("throttles")
    };
    env.connection_where(is_told).await;
    assert_at_rest(&env).await;
}
