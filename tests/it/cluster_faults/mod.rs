//! What the cluster can do to the operator: refuse and lose writes, lose and hold events, show what is old, stop, or
//! forget the definitions. None of it makes a second create or reset, or loses a flow.
//!
//! The letter and number before a name are those of the fault in `docs/reliability.md`.

mod definitions;
mod outages;
mod proxied;

use industrydata_operator::api::annotation;
use industrydata_simulator::Operation;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::conditions::is_ready;
use crate::manifests::groups;
use crate::oracle::activity;
use crate::test_env::TestEnv;

/// Waits until polls lead to no more writes.
async fn comes_to_rest(env: &TestEnv) {
    let rests = async || activity(env).await.unwrap().is_empty();
    env.until("rest", rests).await;
}

/// Applies a flow of security groups, and waits until all is done.
async fn with_groups_at_rest(env: &TestEnv) {
    env.apply_ready(groups("groups")).await;
    comes_to_rest(env).await;
}

/// What was asked for out of the operator's sight, a second flow and a reset of the first, is done once each.
async fn both_are_done_once(env: &TestEnv) {
    env.flow_where("units", is_ready).await;
    let reset = async || env.committed(Operation::ResetFlow) == 1;
    env.until("the reset", reset).await;
    comes_to_rest(env).await;
    let counts = [Operation::CreateFlow, Operation::ResetFlow].map(|one| env.committed(one));
    assert_eq!(counts, [2, 1]);
}

/// Each create of a flow was sent once, under the name that the resource keeps of it.
async fn each_create_was_announced(env: &TestEnv) {
    let (api, parameters) = (env.flows(), ListParams::default());
    let flows = api.list(&parameters).await.unwrap();
    let announced: Vec<&str> = flows
        .iter()
        .filter_map(|flow| flow.annotations().get(annotation::CREATE_ATTEMPT))
        .filter_map(|attempt| attempt.split('/').nth(1))
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
