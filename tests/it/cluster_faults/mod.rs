//! What the cluster can do to the operator: refuse and lose writes, lose and hold events, show what is old, stop, or
//! forget the definitions. None of it makes a second create or reset, or loses a flow.
//!
//! The letter and number before a name are those of the fault in `docs/reliability.md`.

mod definitions;
mod outages;
mod proxied;

use industrydata_operator::api::{OutboundProvisioningFlowSet, annotation};
use industrydata_simulator::Operation;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use crate::test_env::{TestEnv, flow, is_ready, sample, security, told};

/// A manifest of a flow of security groups in the sample set.
fn groups(name: &str) -> String {
    flow(name, &json!({ "securityGroup": security() }))
}

/// A manifest of a flow of administrative units in the sample set.
fn units(name: &str) -> String {
    let options = json!({ "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false });
    flow(
        name,
        &json!({ "administrativeUnit": { "creationOptions": options } }),
    )
}

/// Applies the sample connection and set, and waits until the set is there.
async fn apply_set(env: &TestEnv) {
    let manifests = ["connection.yaml", "flow-set.yaml"]
        .map(sample)
        .join("---\n");
    let manifests = manifests.replace("pollInterval: 60s", "pollInterval: 1s");
    env.apply(&manifests).await.unwrap();
}

/// Waits until the sample set is ready.
async fn set_is_ready(env: &TestEnv) {
    let is_ready = |set: &OutboundProvisioningFlowSet| {
        let conditions = set.status.iter().flat_map(|status| &status.conditions);
        told(conditions, "Ready") == "True/Ready"
    };
    env.object_where(&env.sets(), "north", is_ready).await;
}

/// Changes of an operation that took effect.
fn done(env: &TestEnv, operation: Operation) -> usize {
    env.simulator.journal().committed(operation)
}

/// Waits for so many more lists of flows.
async fn polls(env: &TestEnv, more: usize) {
    let lists = || env.simulator.journal().requests(Operation::ListFlows);
    let enough = lists() + more;
    env.until("polls", async || lists() >= enough).await;
}

/// Waits until polls lead to no more writes.
async fn comes_to_rest(env: &TestEnv) {
    let rests = async || {
        let start = env.audit_position();
        polls(env, 2).await;
        env.writes_since(start).is_empty()
    };
    env.until("rest", rests).await;
}

/// What was asked for out of the operator's sight, a second flow and a reset of the first, is done once each.
async fn both_are_done_once(env: &TestEnv) {
    env.flow_where("units", is_ready).await;
    env.until("the reset", async || done(env, Operation::ResetFlow) == 1)
        .await;
    comes_to_rest(env).await;
    let counts = [Operation::CreateFlow, Operation::ResetFlow].map(|one| done(env, one));
    assert_eq!(counts, [2, 1]);
}

/// Each create of a flow was sent once, under the name that the resource keeps of it.
async fn each_create_was_announced(env: &TestEnv) {
    let (api, parameters) = (env.flows(), ListParams::default());
    let flows = api.list(&parameters).await.unwrap();
    let announced: Vec<&str> = flows
        .iter()
        .filter_map(|flow| flow.annotations().get(annotation::CREATE_ATTEMPT))
        .filter_map(|attempt| attempt.rsplit('/').next())
        .collect();
    let journal = env.simulator.journal();
    let sent: Vec<_> = journal
        .entries()
        .iter()
        .filter(|entry| entry.operation == Operation::CreateFlow)
        .filter_map(|entry| entry.client_request_id.as_deref())
        .collect();
    assert_eq!(sent.len(), announced.len());
    assert!(
        sent.iter().all(|id| announced.contains(id)),
        "sent {sent:?}, announced {announced:?}"
    );
}
