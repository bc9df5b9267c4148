//! What bad input and plain bad luck get: a sentence that says what to do, and healing once it is done.

use industrydata_operator::api::{GraphConnection, ProvisioningFlow};
use industrydata_simulator::{Operation, Options};
use kube::api::DeleteParams;
use serde_json::json;

use crate::test_env::{TestEnv, flow, is_ready, ready, sample, security, stalled, told};

const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

fn connection_stalled(connection: &GraphConnection) -> String {
    let conditions = connection
        .status
        .iter()
        .flat_map(|status| &status.conditions);
    told(conditions, "Stalled")
}

fn message(flow: &ProvisioningFlow) -> String {
    let conditions = flow.status.iter().flat_map(|status| &status.conditions);
    conditions
        .map(|condition| condition.message.clone())
        .next()
        .unwrap_or_default()
}

fn security_group(name: &str, set: &str) -> String {
    flow(
        name,
        &json!({ "flowSetRef": { "name": set }, "securityGroup": security() }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_its_arrival_heals() {
    let env = TestEnv::open("missing-secret").await;
    env.apply_samples().await;
    env.flow_where("north-users", is_ready).await;
    env.kubectl(&["delete", "secret", "contoso"]).await.unwrap();
    // It may be on its way: nobody is needed in the first minutes.
    let missing = |one: &GraphConnection| {
        let conditions = one.status.iter().flat_map(|status| &status.conditions);
        told(conditions, "Reconciling") == "True/SecretNotFound"
    };
    let connection = env
        .object_where(&env.connections(), "contoso", missing)
        .await;
    let message = connection.status.unwrap().conditions[0].message.clone();
    assert!(
        message.contains("Secret contoso") && message.contains("clientSecret"),
        "{message}"
    );
    env.apply(&sample("connection.yaml")).await.unwrap();
    env.flow_where("north-users", is_ready).await;
    let healed = |one: &GraphConnection| {
        told(
            one.status.iter().flat_map(|status| &status.conditions),
            "Ready",
        ) == "True/Ready"
    };
    env.object_where(&env.connections(), "contoso", healed)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_is_told_and_the_right_one_heals() {
    let env = TestEnv::set_up("refused-secret", Options::default()).await;
    env.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    let mut env = env;
    env.start_operator(&[]).await;
    env.apply_samples().await;
    env.object_where(&env.connections(), "contoso", |one| {
        connection_stalled(one) == "True/CredentialRefused"
    })
    .await;
    let right = sample("connection.yaml").replace("simulator-secret", "rotated");
    env.apply(&right).await.unwrap();
    for name in ["north-users", "north-security-groups"] {
        env.flow_where(name, is_ready).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_does_not_exist_is_named_and_others_go_on() {
    let env = TestEnv::open("missing-set").await;
    env.apply_samples().await;
    env.apply(&security_group("astray", "south")).await.unwrap();
    let astray = env
        .flow_where("astray", |flow| ready(flow) == "False/FlowSetNotFound")
        .await;
    assert_eq!(stalled(&astray), "", "it may be on its way");
    assert!(message(&astray).contains("south"), "{}", message(&astray));
    env.flow_where("north-users", is_ready).await;
    let south = sample("flow-set.yaml")
        .replace("name: north", "name: south")
        .replace("District north", "District south");
    env.apply(&south).await.unwrap();
    env.flow_where("astray", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing_and_forgets_nothing() {
    let mut env = TestEnv::open("restart").await;
    env.apply_samples().await;
    let names = [
        "north-users",
        "north-security-groups",
        "north-class-groups",
        "north-administrative-units",
    ];
    for name in names {
        env.flow_where(name, is_ready).await;
    }
    let lists = |env: &TestEnv| env.simulator.journal().requests(Operation::ListFlows);
    let before = lists(&env);
    env.until("polls", async || lists(&env) > before + 2).await;
    env.stop_operator().await;
    let (versions, start, before) = (env.versions().await, env.audit_position(), lists(&env));
    env.start_operator(&[]).await;
    env.until("polls", async || lists(&env) > before + 3).await;
    assert_eq!(env.versions().await, versions);
    assert_eq!(env.writes_since(start), Vec::<String>::new());
    env.flows()
        .delete("north-users", &DeleteParams::default())
        .await
        .unwrap();
    env.gone(&env.flows(), "north-users").await;
    assert_eq!(env.simulator.journal().committed(Operation::DeleteFlow), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_cannot_be_parsed_stops_nobody_else() {
    let env = TestEnv::open("unreadable").await;
    env.apply(&sample("connection.yaml")).await.unwrap();
    env.apply(&sample("flow-set.yaml")).await.unwrap();
    // A time that the API server accepts and that is past the end of what the operator can count.
    let odd = "{\"status\":{\"readinessHistory\":[{\"status\":\"ready\",\"since\":\"9999-12-31T23:59:59Z\"}]}}";
    let even = "{\"status\":{\"readinessHistory\":null}}";
    let patch = async |patch: &str| {
        let target = [
            "patch",
            "pflow",
            "odd",
            "--subresource=status",
            "--type=merge",
            "--patch",
        ];
        env.kubectl(&[&target[..], &[patch]].concat())
            .await
            .unwrap();
    };
    env.apply(&security_group("odd", "north")).await.unwrap();
    env.flow_where("odd", is_ready).await;
    patch(odd).await;
    let told = async || {
        let reasons = env.kubectl(&["get", "events", "--output", "jsonpath={.items[*].reason}"]);
        reasons.await.unwrap().contains("Unreadable")
    };
    env.until("an event", told).await;
    let other = json!({ "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } });
    let even_flow = flow("even", &json!({ "administrativeUnit": other }));
    env.apply(&even_flow).await.unwrap();
    env.flow_where("even", is_ready).await;
    patch(even).await;
    env.flow_where("odd", is_ready).await;
    assert_eq!(env.simulator.journal().committed(Operation::CreateFlow), 2);
}
