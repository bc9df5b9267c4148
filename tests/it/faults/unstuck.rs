//! F21, and every other way to be stuck: it is told with the way out, and the way out works.

use std::time::Duration;

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::{
    advice, all_ready, apply_all, apply_pairs, assert_healed, connection, group, names, open,
    remote_id, start,
};
use crate::stage::{Stage, is_ready, stalled, unhelpful};

const ABANDON: &str = "industrydata.dev/abandon";

async fn delete_flows(stage: &Stage) {
    let (how, all) = (DeleteParams::default(), ListParams::default());
    stage.flows().delete_collection(&how, &all).await.unwrap();
}

async fn all_gone(stage: &Stage, names: &[String]) {
    for name in names {
        stage.gone(&stage.flows(), name).await;
    }
}

/// Waits until a flow says for what reason it is stuck, and gives back how to help it.
async fn stuck(stage: &Stage, name: &str, reason: &str) -> String {
    let told = |flow: &ProvisioningFlow| stalled(flow) == format!("True/{reason}");
    advice(&stage.flow_where(name, told).await)
}

fn deletions(stage: &Stage) -> usize {
    stage.simulator.journal().committed(Operation::DeleteFlow)
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_flows_go_although_their_credential_went_first() {
    let stage = open("f21-credential").await;
    let names = names(2);
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    let secret = ["delete", "secret", "contoso"];
    stage.kubectl(&secret).await.unwrap();
    delete_flows(&stage).await;
    all_gone(&stage, &names).await;
    assert_eq!(deletions(&stage), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_whole_namespace_goes_at_once() {
    // A role in the namespace would go with it.
    let service = unhelpful(Duration::ZERO);
    let mut stage = Stage::set_up_for_all_namespaces("f21-operator", service).await;
    let namespace = ["create", "namespace", "f21-tenant"];
    stage.kubectl(&namespace).await.unwrap();
    "f21-tenant".clone_into(&mut stage.namespace);
    let watch = ["--watch-namespace", "f21-tenant"].map(str::to_owned);
    let flags = stage.flags().into_iter().chain(watch);
    stage.start_with(flags).await;
    apply_pairs(&stage, &names(3)).await;
    all_ready(&stage).await;
    // Of what was just made, all lists over the visibility window have to agree that it is gone.
    let goes = ["delete", "namespace", "f21-tenant", "--timeout=3m"];
    stage.kubectl(&goes).await.unwrap();
    assert_eq!(stage.simulator.snapshot().sets, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_deletion_without_a_credential_is_told_and_both_ways_out_work() {
    let mut stage = open("f21-blocked").await;
    let names = names(2);
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    // No process remembers the credential.
    stage.stop_operator().await;
    let secret = ["delete", "secret", "contoso"];
    stage.kubectl(&secret).await.unwrap();
    delete_flows(&stage).await;
    start(&mut stage).await;
    for name in &names {
        let advice = stuck(&stage, name, "DeletionBlocked").await;
        for way_out in ["Secret contoso", ABANDON] {
            assert!(advice.contains(way_out), "{advice}");
        }
    }
    stage.annotate_flow(&names[0], ABANDON, "true").await;
    stage.gone(&stage.flows(), &names[0]).await;
    assert_eq!(deletions(&stage), 0);
    stage.apply(&connection()).await.unwrap();
    stage.gone(&stage.flows(), &names[1]).await;
    assert_eq!(deletions(&stage), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_refused_is_told_and_a_corrected_spec_is_tried_at_once() {
    let stage = open("stuck-create").await;
    let names = names(2);
    let refused = [400, 403].map(|status| Effect::Refuse(Answer::new(status)));
    super::meet(&stage, Operation::CreateFlow, refused);
    apply_pairs(&stage, &names).await;
    let mut told = Vec::new();
    for name in &names {
        let refused = |flow: &_| ["True/Rejected", "True/Forbidden"].contains(&&*stalled(flow));
        let flow = stage.flow_where(name, refused).await;
        let says = advice(&flow);
        assert!(
            says.contains("HTTP 400") || says.contains("HTTP 403"),
            "{says}"
        );
        told.push(stalled(&flow));
        let corrected = json!({ "progressDeadline": "29m" });
        stage.patch_flow(name, corrected).await;
    }
    told.sort();
    assert_eq!(told, ["True/Forbidden", "True/Rejected"]);
    assert_healed(&stage).await;
    assert_eq!(
        stage.simulator.journal().committed(Operation::CreateFlow),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_the_service_never_accepted_can_be_deleted() {
    let stage = open("never-accepted").await;
    let refuse = Rule::new(Effect::Refuse(Answer::new(400))).on(Operation::CreateFlow);
    stage.simulator.inject(refuse.always());
    let names = names(1);
    apply_pairs(&stage, &names).await;
    stuck(&stage, &names[0], "Rejected").await;
    delete_flows(&stage).await;
    all_gone(&stage, &names).await;
    assert_healed(&stage).await;
    assert_eq!(stage.simulator.journal().requests(Operation::DeleteFlow), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_refused_for_ever_is_told_and_can_be_abandoned() {
    let stage = open("stuck-delete").await;
    let names = names(2);
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    let refused = [400, 403].map(|status| Effect::Refuse(Answer::new(status)));
    super::meet(&stage, Operation::DeleteFlow, refused.clone());
    // And whatever comes later.
    let [later, _] = refused;
    stage
        .simulator
        .inject(Rule::new(later).on(Operation::DeleteFlow).after(2).always());
    delete_flows(&stage).await;
    for name in &names {
        let advice = stuck(&stage, name, "DeletionBlocked").await;
        assert!(advice.contains(ABANDON), "{advice}");
        stage.annotate_flow(name, ABANDON, "true").await;
    }
    all_gone(&stage, &names).await;
    assert_eq!(deletions(&stage), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_deleted_while_no_operator_ran_are_finished_by_the_next() {
    let mut stage = open("uninstalled").await;
    let names = names(2);
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    stage.stop_operator().await;
    delete_flows(&stage).await;
    for name in &names {
        assert!(stage.flow(name).await.metadata.deletion_timestamp.is_some());
    }
    start(&mut stage).await;
    all_gone(&stage, &names).await;
    assert_eq!(deletions(&stage), 2);
    assert_healed(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_removed_by_hand_leaves_a_flow_that_can_be_adopted_again() {
    let mut stage = open("by-hand").await;
    let names = names(1);
    let name = names[0].as_str();
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    let id = remote_id(&stage.flow(name).await);
    stage.stop_operator().await;
    delete_flows(&stage).await;
    let by_hand = [
        "patch",
        "pflow",
        name,
        "--type=merge",
        "--patch",
        "{\"metadata\":{\"finalizers\":null}}",
    ];
    stage.kubectl(&by_hand).await.unwrap();
    stage.gone(&stage.flows(), name).await;
    start(&mut stage).await;
    apply_all(&stage, [group(name, name)]).await;
    let advice = stuck(&stage, name, "AlreadyExists").await;
    for way_out in [&id, "industrydata.dev/remote-id", "spec.adoptionPolicy"] {
        assert!(advice.contains(way_out), "{advice}");
    }
    stage
        .annotate_flow(name, "industrydata.dev/remote-id", &id)
        .await;
    let flow = stage.flow_where(name, is_ready).await;
    assert_eq!(remote_id(&flow), id);
    assert_healed(&stage).await;
    assert_eq!(stage.simulator.journal().requests(Operation::CreateFlow), 1);
}
