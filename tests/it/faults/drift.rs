//! F11: somebody else changes, deletes or makes anew what the operator keeps.

use industrydata_operator::api::{OutboundProvisioningFlowSet, ProvisioningFlow, annotation};
use industrydata_simulator::Operation;
use serde_json::{Value, json};

use super::with_pairs;
use crate::conditions::{advice, is_ready, ready, remote_id};
use crate::manifests::other_groups;
use crate::oracle::{all_ready, assert_at_rest, assert_healed};
use crate::test_env::TestEnv;

const NAME: &str = "pair-0";

/// An environment with one set and its flow, and the flow's remote id.
async fn settled(name: &str) -> (TestEnv, String) {
    let (env, _) = with_pairs(name, 1).await;
    let id = remote_id(&env.flow(NAME).await);
    (env, id)
}

fn edited() -> Value {
    let mut edited = other_groups()["securityGroup"].take();
    edited["@odata.type"] = json!("#microsoft.graph.industryData.securityGroupProvisioningFlow");
    edited
}

fn has_other_id(flow: &ProvisioningFlow, id: &str) -> bool {
    is_ready(flow) && remote_id(flow) != id
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_flow_that_vanishes_is_made_anew_once_that_is_certain() {
    let (env, id) = settled("f11-vanished").await;
    env.simulator.delete_flow(&id).unwrap();
    env.flow_where(NAME, |flow| has_other_id(flow, &id)).await;
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::CreateFlow), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_an_edit_behind_our_back_is_corrected_after_one_look_or_reported() {
    let (env, id) = settled("f11-edited").await;
    env.simulator.update_flow(&id, &edited()).unwrap();
    let edit = env.simulator.journal().entries().len() as u64;
    let option = || {
        let remote = env.simulator.flow(&id).unwrap().resource;
        remote["creationOptions"]["createBasedOnRoleGroup"].clone()
    };
    env.until("correction", async || option() == json!(true))
        .await;
    let after = env.simulator.journal().since(edit);
    let correction = |operation| operation == Operation::UpdateFlow;
    let place = after
        .entries()
        .iter()
        .position(|entry| correction(entry.operation))
        .unwrap();
    let looks = after.entries()[..place].iter();
    let looks = looks
        .filter(|entry| entry.operation == Operation::ListFlows)
        .count();
    // One may have been under way when the flow was edited.
    assert!(looks <= 2, "{after:#?}");
    all_ready(&env).await;

    env.patch_flow(NAME, json!({ "driftPolicy": "Report" }))
        .await;
    env.flow_where(NAME, is_ready).await;
    env.simulator.update_flow(&id, &edited()).unwrap();
    let flow = env.flow_stalled(NAME, "Drifted").await;
    let drift = &flow.status.unwrap().drift[0];
    let told = [&drift.path, &drift.desired, &drift.actual].map(String::as_str);
    assert_eq!(
        told,
        [
            "creationOptions.createBasedOnOrgPlusRoleGroup",
            "false",
            "true"
        ]
    );
    assert_eq!(option(), json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_flow_recreated_by_somebody_is_adopted_only_if_allowed() {
    let (env, id) = settled("f11-anew").await;
    let set = env.flow(NAME).await.status.unwrap().flow_set_id.unwrap();
    env.simulator.delete_flow(&id).unwrap();
    let theirs = env.simulator.create_flow(&set, &edited()).unwrap();
    let before = env.changes();
    let flow = env.flow_stalled(NAME, "AlreadyExists").await;
    assert!(advice(&flow).contains(&theirs), "{}", advice(&flow));
    assert_at_rest(&env).await;
    assert_eq!(env.changes(), before);
    env.annotate_flow(NAME, annotation::REMOTE_ID, &theirs)
        .await;
    env.flow_where(NAME, |flow| has_other_id(flow, &id)).await;
    assert_healed(&env).await;
    let journal = env.simulator.journal();
    assert_eq!(journal.committed(Operation::CreateFlow), 1);
    assert_eq!(journal.updates(&theirs), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_readiness_that_flaps_is_mirrored_and_costs_one_write_each_time() {
    let (env, id) = settled("f11-flapping").await;
    let (start, before) = (env.audit_position(), env.changes());
    let flips = ["notReady", "ready"].into_iter().cycle().take(6);
    for word in flips.clone() {
        env.simulator.set_readiness(&id, word).unwrap();
        let wanted = if word == "ready" {
            "True/Ready"
        } else {
            "False/NotReady"
        };
        env.flow_where(NAME, |flow| ready(flow) == wanted).await;
    }
    assert_healed(&env).await;
    let writes = env.writes_since(start);
    let of_flow = format!("patch provisioningflows/status {NAME}");
    let count = writes.iter().filter(|write| **write == of_flow).count();
    assert_eq!(count, flips.count(), "{writes:#?}");
    assert_eq!(env.changes(), before);
}

/// A set that is deleted is recreated together with its flows.
#[tokio::test(flavor = "multi_thread")]
async fn f11_an_edited_set_is_corrected_and_a_deleted_one_is_recreated() {
    let (env, id) = settled("f11-set").await;
    let set = env.sets().get(NAME).await.unwrap();
    let set = set.status.unwrap().id.unwrap();
    let edit = json!({ "displayName": "by hand", "filter": null });
    env.simulator.update_set(&set, &edit).unwrap();
    let name = || env.simulator.snapshot().sets[0].display_name.clone();
    env.until("correction", async || name() == NAME).await;
    all_ready(&env).await;
    env.simulator.delete_set(&set).unwrap();
    let moved =
        |one: &OutboundProvisioningFlowSet| one.status.as_ref().unwrap().id.as_ref() != Some(&set);
    env.object_where(&env.sets(), NAME, moved).await;
    env.flow_where(NAME, |flow| has_other_id(flow, &id)).await;
    assert_healed(&env).await;
    let requests = [Operation::CreateSet, Operation::CreateFlow].map(|one| env.requests(one));
    assert_eq!(requests, [2, 2]);
}
