//! Harm to the programs of a control plane of one's own, and how it gets over it.

use std::time::Duration;

use industrydata_testbed::{ControlPlane, ProgramName, run};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, PostParams, WatchParams};

use crate::support::{builder, eventually, is_running};

/// One test for all, as each would need a control plane of its own.
#[tokio::test]
async fn programs_freeze_thaw_and_come_back_with_what_they_knew() {
    let plane = builder().start().await.unwrap();
    the_controllers_are_built(&plane).await;
    a_frozen_api_server_answers_once_it_is_thawed(&plane).await;
    a_killed_program_comes_back_with_its_data(&plane).await;
    a_full_disk_refuses_writes_until_it_is_not(&plane).await;
    an_old_watch_is_gone_after_compaction_and_restart(&plane).await;
    let pids: Vec<u32> = plane
        .programs()
        .iter()
        .map(industrydata_testbed::Program::pid)
        .collect();
    plane
        .program(ProgramName::Etcd)
        .unwrap()
        .freeze()
        .await
        .unwrap();
    drop(plane);
    assert!(!pids.into_iter().any(is_running));
}

/// Waits for the account of the last controller that is built. Until then, kube-controller-manager ends if an API server
/// that has just started refuses it something.
async fn the_controllers_are_built(plane: &ControlPlane) {
    let account = ["get", "serviceaccount", "namespace-controller"];
    let is_built = async || {
        let mut kubectl = plane.kubectl();
        let get = kubectl.args(["--namespace", "kube-system"]).args(account);
        run(get).await.is_ok()
    };
    eventually("the last controller to be built", is_built).await;
}

async fn a_frozen_api_server_answers_once_it_is_thawed(plane: &ControlPlane) {
    let server = plane.program(ProgramName::KubeApiServer).unwrap();
    let client = plane.client().await.unwrap();
    let namespaces = Api::<Namespace>::all(client);
    server.freeze().await.unwrap();
    let parameters = ListParams::default();
    let mut listing = std::pin::pin!(namespaces.list(&parameters));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut listing).await;
    early.unwrap_err();
    server.thaw().await.unwrap();
    listing.await.unwrap();
}

async fn a_killed_program_comes_back_with_its_data(plane: &ControlPlane) {
    for (name, namespace) in [
        (ProgramName::KubeApiServer, "before-the-api-server"),
        (ProgramName::Etcd, "before-etcd"),
    ] {
        run(plane.kubectl().args(["create", "namespace", namespace]))
            .await
            .unwrap();
        let program = plane.program(name).unwrap();
        let pid = program.pid();
        program.kill();
        assert!(!is_running(pid));
        plane.check().unwrap_err();
        plane.restart(name).unwrap();
        plane.ready().await.unwrap();
        assert_ne!(program.pid(), pid);
        run(plane.kubectl().args(["get", "namespace", namespace]))
            .await
            .unwrap();
    }
}

async fn a_full_disk_refuses_writes_until_it_is_not(plane: &ControlPlane) {
    let etcd = plane.etcd().unwrap();
    let client = plane.client().await.unwrap();
    let create = async |name: &str| {
        let map = ConfigMap {
            metadata: kube::core::ObjectMeta {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            ..ConfigMap::default()
        };
        let maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
        maps.create(&PostParams::default(), &map).await
    };
    etcd.raise_no_space().await.unwrap();
    let error = create("full").await.unwrap_err().to_string();
    assert!(error.contains("database space exceeded"), "{error}");
    etcd.end_no_space().await.unwrap();
    create("fits").await.unwrap();
}

async fn an_old_watch_is_gone_after_compaction_and_restart(plane: &ControlPlane) {
    let client = plane.client().await.unwrap();
    let namespaces = Api::<Namespace>::all(client);
    let list = namespaces.list(&ListParams::default()).await.unwrap();
    let old = list.metadata.resource_version.unwrap();
    run(plane.kubectl().args(["create", "namespace", "newer"]))
        .await
        .unwrap();
    plane.etcd().unwrap().compact().await.unwrap();
    plane.restart(ProgramName::KubeApiServer).unwrap();
    plane.ready().await.unwrap();
    let watch = namespaces.watch(&WatchParams::default(), &old).await;
    let mut watch = std::pin::pin!(watch.unwrap());
    let first = futures::StreamExt::next(&mut watch).await.unwrap().unwrap();
    let kube::core::WatchEvent::Error(error) = first else {
        panic!("the watch went on with {first:?}");
    };
    assert_eq!(error.code, 410);
}
