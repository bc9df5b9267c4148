//! F21, and every other way to be stuck: it is told with the way out, and the way out works.

use std::time::Duration;

use industrydata_operator::api::annotation;
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use serde_json::json;

use super::{open, with_pairs};
use crate::conditions::{advice, is_ready, remote_id, stalled};
use crate::manifests::{connection, groups_in, names};
use crate::oracle::{all_ready, assert_healed};
use crate::test_env::{TestEnv, lenient};

/// Waits until a flow says for what reason it is stuck, and gives back how to help it.
async fn stuck(env: &TestEnv, name: &str, reason: &str) -> String {
    advice(&env.flow_stalled(name, reason).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_flows_go_although_their_credential_went_first() {
    let (env, names) = with_pairs("f21-credential", 2).await;
    let secret = ["delete", "secret", "contoso"];
    env.kubectl(&secret).await.unwrap();
    env.delete_flows().await;
    env.flows_gone(&names).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_whole_namespace_goes_at_once() {
    // A role in the namespace would go with it.
    let service = lenient(Duration::ZERO);
    let mut env = TestEnv::set_up_for_all_namespaces("f21-operator", service).await;
    let namespace = ["create", "namespace", "f21-tenant"];
    env.kubectl(&namespace).await.unwrap();
    "f21-tenant".clone_into(&mut env.namespace);
    let watch = ["--watch-namespace", "f21-tenant"].map(str::to_owned);
    let flags = env.flags().into_iter().chain(watch);
    env.start_with(flags).await;
    env.apply_pairs(&names(3)).await;
    all_ready(&env).await;
    // Of what was just made, all lists over the visibility window have to agree that it is gone.
    let goes = ["delete", "namespace", "f21-tenant", "--timeout=3m"];
    env.kubectl(&goes).await.unwrap();
    assert_eq!(env.simulator.snapshot().sets, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_deletion_without_a_credential_is_told_and_both_ways_out_work() {
    let (mut env, names) = with_pairs("f21-blocked", 2).await;
    // No process remembers the credential.
    env.stop_operator().await;
    let secret = ["delete", "secret", "contoso"];
    env.kubectl(&secret).await.unwrap();
    env.delete_flows().await;
    env.start_operator(&[]).await;
    for name in &names {
        let advice = stuck(&env, name, "DeletionBlocked").await;
        for way_out in ["Secret contoso", annotation::ABANDON] {
            assert!(advice.contains(way_out), "{advice}");
        }
    }
    env.annotate_flow(&names[0], annotation::ABANDON, "true")
        .await;
    env.flows_gone(&names[..1]).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 0);
    env.apply(connection()).await.unwrap();
    env.flows_gone(&names[1..]).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_refused_is_told_and_a_corrected_spec_is_tried_at_once() {
    let env = open("stuck-create").await;
    let names = names(2);
    let refused = [400, 403].map(|status| Effect::Refuse(Answer::new(status)));
    env.meet(Operation::CreateFlow, refused);
    env.apply_pairs(&names).await;
    let mut told = Vec::new();
    for name in &names {
        let refused = |flow: &_| ["True/Rejected", "True/Forbidden"].contains(&&*stalled(flow));
        let flow = env.flow_where(name, refused).await;
        let says = advice(&flow);
        assert!(
            says.contains("HTTP 400") || says.contains("HTTP 403"),
            "{says}"
        );
        told.push(stalled(&flow));
        let corrected = json!({ "progressDeadline": "29m" });
        env.patch_flow(name, corrected).await;
    }
    told.sort();
    assert_eq!(told, ["True/Forbidden", "True/Rejected"]);
    assert_healed(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_the_service_never_accepted_can_be_deleted() {
    let env = open("never-accepted").await;
    let refuse = Rule::new(Effect::Refuse(Answer::new(400))).on(Operation::CreateFlow);
    env.simulator.inject(refuse.always());
    let names = names(1);
    env.apply_pairs(&names).await;
    stuck(&env, &names[0], "Rejected").await;
    env.delete_flows().await;
    env.flows_gone(&names).await;
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::DeleteFlow), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_refused_for_ever_is_told_and_can_be_abandoned() {
    let (env, names) = with_pairs("stuck-delete", 2).await;
    let refused = [400, 403].map(|status| Effect::Refuse(Answer::new(status)));
    env.meet(Operation::DeleteFlow, refused.clone());
    // And whatever comes later.
    let [later, _] = refused;
    env.simulator
        .inject(Rule::new(later).on(Operation::DeleteFlow).after(2).always());
    env.delete_flows().await;
    for name in &names {
        let advice = stuck(&env, name, "DeletionBlocked").await;
        assert!(advice.contains(annotation::ABANDON), "{advice}");
        env.annotate_flow(name, annotation::ABANDON, "true").await;
    }
    env.flows_gone(&names).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_deleted_while_no_operator_ran_are_finished_by_the_next() {
    let (mut env, names) = with_pairs("uninstalled", 2).await;
    env.stop_operator().await;
    env.delete_flows().await;
    for name in &names {
        assert!(env.flow(name).await.metadata.deletion_timestamp.is_some());
    }
    env.start_operator(&[]).await;
    env.flows_gone(&names).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 2);
    assert_healed(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_removed_by_hand_leaves_a_flow_that_can_be_adopted_again() {
    let (mut env, names) = with_pairs("by-hand", 1).await;
    let name = names[0].as_str();
    let id = remote_id(&env.flow(name).await);
    env.stop_operator().await;
    env.delete_flows().await;
    let by_hand = json!({ "metadata": { "finalizers": null } });
    env.patch(name, &by_hand).await;
    env.flows_gone(&[name]).await;
    env.start_operator(&[]).await;
    env.apply_all([groups_in(name, name)]).await;
    let advice = stuck(&env, name, "AlreadyExists").await;
    for way_out in [&id, annotation::REMOTE_ID, "spec.adoptionPolicy"] {
        assert!(advice.contains(way_out), "{advice}");
    }
    env.annotate_flow(name, annotation::REMOTE_ID, &id).await;
    let flow = env.flow_where(name, is_ready).await;
    assert_eq!(remote_id(&flow), id);
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::CreateFlow), 1);
}
