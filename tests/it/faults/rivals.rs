//! F4, F15, F22: others who write to the same resource, take its name, or want the same remote object.

use std::time::Duration;

use industrydata_operator::api::{ProvisioningFlow, ResetPhase, annotation};
use industrydata_simulator::{Effect, Operation};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{apply_younger, open, open_shortened, prepare_for_all};
use crate::conditions::{advice, is_ready, remote_id, reset_phase};
use crate::manifests::{
    connection, groups, groups_by_id, groups_in, labelled, names, other_groups, set, with,
};
use crate::oracle::{assert_all_owned, assert_at_rest, assert_healed, assert_nothing_twice};
use crate::test_env::TestEnv;

async fn patch_metadata(env: &TestEnv, name: &str, metadata: Value) {
    env.patch(name, &json!({ "metadata": metadata })).await;
}

/// Neither an id is lost, nor is anything created or reset twice.
#[tokio::test(flavor = "multi_thread")]
async fn f04_another_writer_in_a_tight_loop_causes_no_second_change() {
    let env = open("f04").await;
    let names = names(2);
    env.apply_pairs(&names).await;
    let labels = async |name: &String| {
        for count in 0_u64.. {
            let labels = json!({ "labels": { "count": count.to_string() } });
            patch_metadata(&env, name, labels).await;
        }
    };
    let writers = async { tokio::join!(labels(&names[0]), labels(&names[1])) };
    let work = async {
        for name in &names {
            let id = remote_id(&env.flow_where(name, is_ready).await);
            env.patch_flow(name, json!({ "resetToken": "once" })).await;
            let accepted = |flow: &ProvisioningFlow| {
                is_ready(flow) && reset_phase(flow) == Some(ResetPhase::Accepted)
            };
            let flow = env.flow_where(name, accepted).await;
            assert_eq!(remote_id(&flow), id);
            assert_eq!(env.simulator.journal().resets(&id), 1);
        }
    };
    tokio::select! {
        _ = writers => {}
        () = work => {}
    }
    assert_healed(&env).await;
    assert_eq!(env.changes(), 6, "two sets, two flows, two resets");
}

/// Done in time, but not at once.
const SOON: Effect = Effect::DelayBefore(Duration::from_millis(700));
/// Done at once, and answered when nobody waits any more.
const ANSWERED_LATE: Effect = Effect::DelayAfter(Duration::from_secs(2));
/// Done when nobody waits any more.
const DONE_LATE: Effect = Effect::DelayBefore(Duration::from_secs(2));

/// Waits until the create of a flow has been announced.
async fn announced(env: &TestEnv, name: &str) {
    let announced =
        |flow: &ProvisioningFlow| flow.annotations().contains_key(annotation::CREATE_ATTEMPT);
    env.flow_where(name, announced).await;
}

/// Each resource is deleted while its create is in progress, and then applied again.
#[tokio::test(flavor = "multi_thread")]
async fn f15_a_resource_reapplied_during_its_create_leaves_no_orphan() {
    let env = open_shortened("f15-deleted").await;
    let ways = [SOON, Effect::CutAfterCommit, ANSWERED_LATE, DONE_LATE];
    let names = names(ways.len());
    env.meet(Operation::CreateFlow, ways);
    env.apply_pairs(&names).await;
    for name in &names {
        announced(&env, name).await;
        env.delete_flow(name).await;
    }
    env.flows_gone(&names).await;
    env.apply_pairs(&names).await;
    assert_healed(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2 * names.len());
    assert_eq!(env.committed(Operation::DeleteFlow), names.len());
}

/// How a resource is made to go at once, whatever is under way.
#[derive(Clone, Copy)]
enum LetGo {
    Abandoned,
    FinalizerRemoved,
}

/// A resource that is applied again under the name of one that was let go of during its create.
#[tokio::test(flavor = "multi_thread")]
async fn f15_a_namesake_does_not_inherit_a_create_that_was_let_go_of() {
    use LetGo::{Abandoned, FinalizerRemoved};
    let env = open_shortened("f15-let-go").await;
    let ways = [
        (SOON, Abandoned),
        (Effect::CutAfterCommit, Abandoned),
        (ANSWERED_LATE, Abandoned),
        (SOON, FinalizerRemoved),
        (ANSWERED_LATE, FinalizerRemoved),
    ];
    let names = names(ways.len());
    let sets = names.iter().map(|name| set(name));
    env.apply_all([connection()].into_iter().chain(sets)).await;
    env.meet(Operation::CreateFlow, ways.clone().map(|(way, _)| way));
    for (name, (_, how)) in names.iter().zip(ways) {
        env.apply_all([groups_in(name, name)]).await;
        announced(&env, name).await;
        if matches!(how, Abandoned) {
            env.annotate_flow(name, annotation::ABANDON, "true").await;
        }
        env.delete_flow(name).await;
        if matches!(how, FinalizerRemoved) {
            patch_metadata(&env, name, json!({ "finalizers": null })).await;
        }
        env.flows_gone(&[name]).await;
        env.apply_all([groups_in(name, name)]).await;
    }
    for name in &names {
        env.flow_stalled(name, "AlreadyExists").await;
        let adopt = json!({ "adoptionPolicy": "IfExists" });
        env.patch_flow(name, adopt).await;
    }
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::CreateFlow), names.len());
    assert_eq!(env.requests(Operation::DeleteFlow), 0);
}

/// The other waits until the flow is free.
#[tokio::test(flavor = "multi_thread")]
async fn f22_of_two_resources_for_one_flow_the_elder_owns_it() {
    let env = open("f22").await;
    let elder = groups("elder");
    env.apply_all([connection(), set("north"), elder]).await;
    let elder = env.flow_where("elder", is_ready).await;
    apply_younger(&env, &elder, &groups("younger")).await;
    let younger = env.flow_stalled("younger", "Conflict").await;
    assert!(advice(&younger).contains("elder"), "{}", advice(&younger));
    assert_at_rest(&env).await;
    assert_eq!(env.changes(), 2);
    env.delete_flow("elder").await;
    env.flow_where("younger", is_ready).await;
    assert_healed(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_flow_of_another_namespace_is_not_taken_over_before_it_is_let_go() {
    let (mut env, flags) = prepare_for_all("f22-owner", "f22").await;
    env.start_with(flags).await;
    let connection = labelled(connection(), "f22");
    let ours = [set("north"), groups("owner")].map(|manifest| labelled(manifest, "f22"));
    env.apply_all([connection.clone()].into_iter().chain(ours))
        .await;
    let owner = env.flow_where("owner", is_ready).await;
    let id = remote_id(&owner);
    let allowed = format!("{}=f22-other", annotation::ALLOWED_NAMESPACES);
    let allow = ["annotate", "flowset/north", &allowed];
    env.kubectl(&allow).await.unwrap();

    let namespace = ["create", "namespace", "f22-other"];
    env.kubectl(&namespace).await.unwrap();
    let home = std::mem::replace(&mut env.namespace, "f22-other".to_owned());
    env.apply(&connection).await.unwrap();
    let set = owner.status.clone().unwrap().flow_set_id.unwrap();
    let taker = with(groups_by_id("taker", &set), &other_groups());
    let taker = with(taker, &json!({ "adoptionPolicy": "IfExists" }));
    let taker = labelled(taker, "f22");
    apply_younger(&env, &owner, &taker).await;
    let taker = env.flow_stalled("taker", "Conflict").await;
    for name in ["owner", "north", home.as_str()] {
        assert!(!advice(&taker).contains(name), "{}", advice(&taker));
    }
    env.annotate_flow("taker", annotation::REMOTE_ID, &id).await;
    assert_at_rest(&env).await;
    assert_eq!(
        env.changes(),
        2,
        "the set and the flow were made, and that is all"
    );

    env.namespace = home;
    env.patch_flow("owner", json!({ "deletionPolicy": "Retain" }))
        .await;
    env.remove_flow("owner").await;
    env.namespace = "f22-other".to_owned();
    let taker = env.flow_where("taker", is_ready).await;
    assert_eq!(remote_id(&taker), id);
    assert_nothing_twice(&env.simulator.journal());
    assert_all_owned(&env).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
}
