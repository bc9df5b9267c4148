//! Definitions that are deleted while there are resources.

use std::fmt::Debug;

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::{Operation, Options};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::outages::Rough;
use crate::manifests::groups;
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, install};
use crate::times;

const DELETED: [Operation; 2] = [Operation::DeleteFlow, Operation::DeleteSet];

/// When the definitions are back, so is the operator, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_definitions_take_all_with_them_until_they_are_back() {
    let rough = Rough::take().await;
    forget_all(&rough).await;
    let env = TestEnv::set_up_on(rough.plane.clone(), "undefined", Options::default()).await;
    let program = Launch::on(&env).start().await;
    apply_and_wait(&env).await;
    delete_definitions(&env).await;
    definitions_are_gone(&env).await;
    tells_the_way_out(&env, &program).await;
    install(&rough.plane).await;
    apply_and_wait(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
}

/// The definitions wait for the finalizers of their resources, and the operator for new definitions.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_deleted_without_an_operator_wait_for_one() {
    let rough = Rough::take().await;
    forget_all(&rough).await;
    let mut env =
        TestEnv::set_up_on(rough.plane.clone(), "undefined-alone", Options::default()).await;
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
    assert_eq!(DELETED.map(|one| env.committed(one)), [0, 0]);

    env.start_operator(&[]).await;
    definitions_are_gone(&env).await;
    env.stop_operator().await;

    let program = Launch::on(&env).start().await;
    tells_the_way_out(&env, &program).await;
    let (status, text) = program.get("/readyz").await;
    assert!(
        status == 503 && text.contains("CustomResourceDefinitions"),
        "{status} {text}"
    );
    install(&rough.plane).await;
    apply_and_wait(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
}

async fn apply_and_wait(env: &TestEnv) {
    env.ready_sample_set().await;
    env.apply_ready(groups("groups")).await;
}

async fn tells_the_way_out(env: &TestEnv, program: &Process) {
    let told = async || {
        program
            .log()
            .contains("install the CustomResourceDefinitions")
    };
    env.until("the way out in the log", told).await;
}

async fn delete_definitions(env: &TestEnv) {
    let delete = ["delete", "crd", "--all", "--wait=false"];
    env.kubectl(&delete).await.unwrap();
}

async fn definitions_are_gone(env: &TestEnv) {
    let gone = async || {
        let names = env.kubectl(&["get", "crd", "--output", "name"]);
        names.await.unwrap().is_empty()
    };
    env.until("no definitions", gone).await;
    assert_eq!(DELETED.map(|one| env.committed(one)), [1, 1]);
}

/// Lets go of what other tests have left, whose operators are gone.
async fn forget_all(rough: &Rough) {
    let client = rough.plane.client().await.unwrap();
    forget::<ProvisioningFlow>(&client).await;
    forget::<OutboundProvisioningFlowSet>(&client).await;
    forget::<GraphConnection>(&client).await;
}

async fn forget<K>(client: &Client)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug,
{
    let all = Api::<K>::all(client.clone());
    for one in all.list(&ListParams::default()).await.unwrap() {
        let api = Api::<K>::namespaced(client.clone(), &one.namespace().unwrap());
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        let (name, how) = (one.name_any(), PatchParams::default());
        api.patch(&name, &how, &patch).await.unwrap();
        // Gone already if it was being deleted.
        let _ = api.delete(&name, &DeleteParams::default()).await;
    }
}
