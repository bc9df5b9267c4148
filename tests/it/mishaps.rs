//! What bad input and plain bad luck get: a sentence that says what to do, and healing once it is done.

use industrydata_operator::api::{GraphConnection, ProvisioningFlow};
use industrydata_simulator::{Operation, Options};
use kube::api::DeleteParams;
use serde_json::json;

use crate::stage::{Stage, flow, is_ready, ready, sample, security, stalled, told};

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
    let stage = Stage::open("missing-secret").await;
    stage.apply_samples().await;
    stage.flow_where("north-users", is_ready).await;
    stage
        .kubectl(&["delete", "secret", "contoso"])
        .await
        .unwrap();
    // It may be on its way: nobody is needed in the first minutes.
    let missing = |one: &GraphConnection| {
        let conditions = one.status.iter().flat_map(|status| &status.conditions);
        told(conditions, "Reconciling") == "True/SecretNotFound"
    };
    let connection = stage
        .object_where(&stage.connections(), "contoso", missing)
        .await;
    let message = connection.status.unwrap().conditions[0].message.clone();
    assert!(
        message.contains("Secret contoso") && message.contains("clientSecret"),
        "{message}"
    );
    stage.apply(&sample("connection.yaml")).await.unwrap();
    stage.flow_where("north-users", is_ready).await;
    let healed = |one: &GraphConnection| {
        told(
            one.status.iter().flat_map(|status| &status.conditions),
            "Ready",
        ) == "True/Ready"
    };
    stage
        .object_where(&stage.connections(), "contoso", healed)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_is_told_and_the_right_one_heals() {
    let stage = Stage::set_up("refused-secret", Options::default()).await;
    stage.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    let mut stage = stage;
    stage.start_operator(&[]).await;
    stage.apply_samples().await;
    stage
        .object_where(&stage.connections(), "contoso", |one| {
            connection_stalled(one) == "True/CredentialRefused"
        })
        .await;
    let right = sample("connection.yaml").replace("simulator-secret", "rotated");
    stage.apply(&right).await.unwrap();
    for name in ["north-users", "north-security-groups"] {
        stage.flow_where(name, is_ready).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_does_not_exist_is_named_and_others_go_on() {
    let stage = Stage::open("missing-set").await;
    stage.apply_samples().await;
    stage
        .apply(&security_group("astray", "south"))
        .await
        .unwrap();
    let astray = stage
        .flow_where("astray", |flow| ready(flow) == "False/FlowSetNotFound")
        .await;
    assert_eq!(stalled(&astray), "", "it may be on its way");
    assert!(message(&astray).contains("south"), "{}", message(&astray));
    stage.flow_where("north-users", is_ready).await;
    let south = sample("flow-set.yaml")
        .replace("name: north", "name: south")
        .replace("District north", "District south");
    stage.apply(&south).await.unwrap();
    stage.flow_where("astray", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing_and_forgets_nothing() {
    let mut stage = Stage::open("restart").await;
    stage.apply_samples().await;
    let names = [
        "north-users",
        "north-security-groups",
        "north-class-groups",
        "north-administrative-units",
    ];
    for name in names {
        stage.flow_where(name, is_ready).await;
    }
    let lists = |stage: &Stage| stage.simulator.journal().requests(Operation::ListFlows);
    let before = lists(&stage);
    stage
        .until("polls", async || lists(&stage) > before + 2)
        .await;
    stage.stop_operator().await;
    let (versions, start, before) = (
        stage.versions().await,
        stage.audit_position(),
        lists(&stage),
    );
    stage.start_operator(&[]).await;
    stage
        .until("polls", async || lists(&stage) > before + 3)
        .await;
    assert_eq!(stage.versions().await, versions);
    assert_eq!(stage.writes_since(start), Vec::<String>::new());
    stage
        .flows()
        .delete("north-users", &DeleteParams::default())
        .await
        .unwrap();
    stage.gone(&stage.flows(), "north-users").await;
    assert_eq!(
        stage.simulator.journal().committed(Operation::DeleteFlow),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_cannot_be_parsed_stops_nobody_else() {
    let stage = Stage::open("unreadable").await;
    stage.apply(&sample("connection.yaml")).await.unwrap();
    stage.apply(&sample("flow-set.yaml")).await.unwrap();
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
        stage
            .kubectl(&[&target[..], &[patch]].concat())
            .await
            .unwrap();
    };
    stage.apply(&security_group("odd", "north")).await.unwrap();
    stage.flow_where("odd", is_ready).await;
    patch(odd).await;
    let told = async || {
        let reasons = stage.kubectl(&["get", "events", "--output", "jsonpath={.items[*].reason}"]);
        reasons.await.unwrap().contains("Unreadable")
    };
    stage.until("an event", told).await;
    let other = json!({ "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } });
    let even_flow = flow("even", &json!({ "administrativeUnit": other }));
    stage.apply(&even_flow).await.unwrap();
    stage.flow_where("even", is_ready).await;
    patch(even).await;
    stage.flow_where("odd", is_ready).await;
    assert_eq!(
        stage.simulator.journal().committed(Operation::CreateFlow),
        2
    );
}
