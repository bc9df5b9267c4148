//! What kube-controller-manager is there for.

use industrydata_testbed::run;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};

use crate::support::{eventually, shared};

#[tokio::test]
async fn a_deleted_namespace_is_gone_in_the_end_with_all_that_is_in_it() {
    let client = shared().await.client().await.unwrap();
    run(shared()
        .await
        .kubectl()
        .args(["create", "namespace", "doomed"]))
    .await
    .unwrap();
    run(shared()
        .await
        .kubectl()
        .args(["create", "configmap", "map", "-n", "doomed"]))
    .await
    .unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .delete("doomed", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the namespace to be gone", async || {
        namespaces.get_opt("doomed").await.unwrap().is_none()
    })
    .await;
    let maps = Api::<ConfigMap>::namespaced(client, "doomed");
    assert!(maps.get_opt("map").await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_deleted_object_owned_is_collected() {
    let maps = Api::<ConfigMap>::default_namespaced(shared().await.client().await.unwrap());
    let mut owner = ConfigMap {
        metadata: named("owner"),
        ..ConfigMap::default()
    };
    owner = maps.create(&PostParams::default(), &owner).await.unwrap();
    let reference: OwnerReference = owner.owner_ref(&()).unwrap();
    let metadata = ObjectMeta {
        owner_references: Some(vec![reference]),
        ..named("owned")
    };
    maps.create(
        &PostParams::default(),
        &ConfigMap {
            metadata,
            ..ConfigMap::default()
        },
    )
    .await
    .unwrap();
    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the owned object to be gone", async || {
        maps.get_opt("owned").await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn an_aggregated_role_gets_the_rules_of_its_parts() {
    let role = ["get", "clusterrole", "view", "-o", "jsonpath={.rules}"];
    let aggregated = async || {
        !run(shared().await.kubectl().args(role))
            .await
            .unwrap()
            .is_empty()
    };
    eventually("the rules of the role", aggregated).await;
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
