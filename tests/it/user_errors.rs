//! What bad input and plain bad luck get: a sentence that says what to do, and healing once it is done.

use industrydata_operator::api::OutboundProvisioningFlowSet;
use industrydata_simulator::{Operation, Options};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::conditions::{headline, is_ready, ready, stalled, told};
use crate::manifests::{CLIENT, connection_with, groups, groups_in, sample, units};
use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_its_arrival_heals() {
    let env = TestEnv::open("missing-secret").await;
    env.apply_samples().await;
    env.flow_where("north-users", is_ready).await;
    env.kubectl(&["delete", "secret", "contoso"]).await.unwrap();
    // It may be on its way: nobody is needed in the first minutes.
    let missing = |one: &_| told(one, "Reconciling") == "True/SecretNotFound";
    let connection = env.connection_where(missing).await;
    let message = headline(&connection).message;
    assert!(
        message.contains("Secret contoso") && message.contains("clientSecret"),
        "{message}"
    );
    env.apply(sample("connection.yaml")).await.unwrap();
    env.flow_where("north-users", is_ready).await;
    env.connection_where(|one| ready(one) == "True/Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_is_told_and_the_right_one_heals() {
    let mut env = TestEnv::set_up("refused-secret", Options::default()).await;
    env.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    env.start_operator(&[]).await;
    env.apply_samples().await;
    let refused = |one: &_| stalled(one) == "True/ClientSecretInvalid";
    env.connection_where(refused).await;
    env.apply(connection_with("rotated")).await.unwrap();
    for name in ["north-users", "north-security-groups"] {
        env.flow_where(name, is_ready).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_does_not_exist_is_named_and_others_go_on() {
    let env = TestEnv::open("missing-set").await;
    env.apply_samples().await;
    env.apply(groups_in("astray", "south")).await.unwrap();
    let astray = env
        .flow_where("astray", |flow| ready(flow) == "False/FlowSetNotFound")
        .await;
    assert_eq!(stalled(&astray), "", "it may be on its way");
    let message = headline(&astray).message;
    assert!(message.contains("south"), "{message}");
    env.flow_where("north-users", is_ready).await;
    let south = sample("flow-set.yaml")
        .replace("name: north", "name: south")
        .replace("District north", "District south");
    env.apply(&south).await.unwrap();
    env.flow_where("astray", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_a_status_that_is_none_leads_to_no_second_set_and_no_deletion() {
    let mut env = TestEnv::open("odd-id").await;
    env.ready_sample_set().await;
    env.stop_operator().await;
    let (sets, how) = (env.sets(), PatchParams::default());
    let recorded = sets.get("north").await.unwrap().status.unwrap().id.unwrap();
    env.simulator.delete_set(&recorded).unwrap();
    let odd = Patch::Merge(json!({ "status": { "id": "no id" } }));
    sets.patch_status("north", &how, &odd).await.unwrap();
    let deleted = env.committed(Operation::DeleteSet);
    env.start_operator(&[]).await;
    let is_told = |set: &OutboundProvisioningFlowSet| {
        let message = headline(set).message;
        message.contains("the id in the status is invalid")
    };
    env.object_where(&sets, "north", is_told).await;
    env.delete_sets().await;
    let blocked = |set: &_| stalled(set) == "True/DeletionBlocked" && is_told(set);
    env.object_where(&sets, "north", blocked).await;
    assert_eq!(env.committed(Operation::CreateSet), 1);
    assert_eq!(env.committed(Operation::DeleteSet), deleted);
    let abandon = ["annotate", "flowset/north", "industrydata.dev/abandon=true"];
    env.kubectl(&abandon).await.unwrap();
    env.gone(&sets, "north").await;
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
    env.flow_lists(3).await;
    env.stop_operator().await;
    let (versions, start) = (env.versions().await, env.audit_position());
    env.start_operator(&[]).await;
    env.flow_lists(4).await;
    assert_eq!(env.versions().await, versions);
    assert_eq!(env.writes_since(start), Vec::<String>::new());
    env.remove_flow("north-users").await;
    assert_eq!(env.committed(Operation::DeleteFlow), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_cannot_be_parsed_stops_nobody_else() {
    let env = TestEnv::open("unreadable").await;
    env.apply_sample_set().await;
    // A time that the API server accepts and that is past the end of what the operator can count.
    let odd = json!([{ "status": "ready", "since": "9999-12-31T23:59:59Z" }]);
    let patch = async |history: Value| {
        let patch = Patch::Merge(json!({ "status": { "readinessHistory": history } }));
        let how = PatchParams::default();
        let flows = env.api("ProvisioningFlow");
        flows.patch_status("odd", &how, &patch).await.unwrap();
    };
    env.apply_ready(groups("odd")).await;
    patch(odd).await;
    let told = async || env.events().await.contains("Unreadable");
    env.until("an event", told).await;
    env.apply_ready(units("even")).await;
    patch(Value::Null).await;
    env.flow_where("odd", is_ready).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
}
