//! Definitions that are deleted while there are resources.

use std::fmt::Debug;

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::{Operation, Options};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::outages::Rough;
use super::{apply_set, done, groups, set_is_ready};
use crate::process::Launch;
use crate::test_env::{TestEnv, install, is_ready};
use crate::times;

const DELETED: [Operation; 2] = [Operation::DeleteFlow, Operation::DeleteSet];

/// When the definitions are back, so is the operator, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_definitions_take_all_with_them_until_they_are_back() {
    let rough = Rough::take().await;
    forget_all(&rough).await;
    let env = TestEnv::set_up_on(rough.plane, "undefined", Options::default()).await;
    let program = Launch::on(&env).start().await;
    apply_and_wait(&env).await;
    delete_definitions(&env).await;
    env.until("no definitions", async || are_gone(&env).await)
        .await;
    assert_eq!(DELETED.map(|one| done(&env, one)), [1, 1]);
    let told = || {
        program
            .log()
            .contains("install the CustomResourceDefinitions")
    };
    env.until("the way out in the log", async || told()).await;
    install(rough.plane).await;
    apply_and_wait(&env).await;
    assert_eq!(done(&env, Operation::CreateFlow), 2);
}

/// The definitions wait for the finalizers of their resources, and the operator for new definitions.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_deleted_without_an_operator_wait_for_one() {
    let rough = Rough::take().await;
    forget_all(&rough).await;
    let mut env = TestEnv::set_up_on(rough.plane, "undefined-alone", Options::default()).await;
    env = env.shortened(&times::ALONE);
    env.start_operator(&[]).await;
    apply_and_wait(&env).await;
    env.stop_operator().await;
    delete_definitions(&env).await;
    let path = "jsonpath={.status.conditions[?(@.type=='Terminating')].message}";
    let definition = "provisioningflows.industrydata.dev";
    let waits = async || {
        let asked = ["get", "crd", definition, "--output", path];
        let told = env.kubectl(&asked).await.unwrap();
        told.contains("deletion is in progress")
    };
    env.until("the definition to wait for its resources", waits)
        .await;
    assert_eq!(DELETED.map(|one| done(&env, one)), [0, 0]);

    env.start_operator(&[]).await;
    env.until("no definitions", async || are_gone(&env).await)
        .await;
    assert_eq!(DELETED.map(|one| done(&env, one)), [1, 1]);
    env.stop_operator().await;

    let program = Launch::on(&env).start().await;
    let told = || {
        program
            .log()
            .contains("install the CustomResourceDefinitions")
    };
    env.until("the way out in the log", async || told()).await;
    let (status, text) = program.get("/readyz").await;
    assert!(
        status == 503 && text.contains("CustomResourceDefinitions"),
        "{status} {text}"
    );
    install(rough.plane).await;
    apply_and_wait(&env).await;
    assert_eq!(done(&env, Operation::CreateFlow), 2);
}

async fn apply_and_wait(env: &TestEnv) {
    apply_set(env).await;
    set_is_ready(env).await;
    env.apply(&groups("groups")).await.unwrap();
    env.flow_where("groups", is_ready).await;
}

async fn delete_definitions(env: &TestEnv) {
    let delete = ["delete", "crd", "--all", "--wait=false"];
    env.kubectl(&delete).await.unwrap();
}

async fn are_gone(env: &TestEnv) -> bool {
    let names = env.kubectl(&["get", "crd", "--output", "name"]);
    names.await.unwrap().is_empty()
}

/// Lets go of what other tests have left, whose operators are gone.
async fn forget_all(rough: &Rough) {
    let client = rough.plane.client().await.unwrap();
    forget(Api::<ProvisioningFlow>::all(client.clone()), |namespace| {
        Api::namespaced(client.clone(), namespace)
    })
    .await;
    forget(
        Api::<OutboundProvisioningFlowSet>::all(client.clone()),
        |namespace| Api::namespaced(client.clone(), namespace),
    )
    .await;
    forget(Api::<GraphConnection>::all(client.clone()), |namespace| {
        Api::namespaced(client.clone(), namespace)
    })
    .await;
}

async fn forget<K>(all: Api<K>, within: impl Fn(&str) -> Api<K>)
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    for one in all.list(&ListParams::default()).await.unwrap() {
        let api = within(&one.namespace().unwrap());
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        let name = one.name_any();
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
        // Gone already if it was being deleted.
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }
}
