//! A cluster that is already there.

use industrydata_testbed::{Builder, ControlPlane, Error, Source};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;

use crate::support::shared;

/// To others, the shared control plane is a cluster like any.
async fn existing(context: &str) -> Builder {
    let kubeconfig = shared().await.admin().kubeconfig_path().to_owned();
    ControlPlane::builder().source(Source::Existing {
        kubeconfig,
        context: Some(context.to_owned()),
    })
}

#[tokio::test]
async fn an_existing_cluster_is_used_and_left_running() {
    let control_plane = existing("testbed").await.start().await.unwrap();
    assert_eq!(control_plane.admin().user(), "admin");
    assert_eq!(control_plane.url(), shared().await.url());
    assert!(control_plane.programs().is_empty() && control_plane.audit().is_none());

    let account = control_plane
        .service_account("existing", "user")
        .await
        .unwrap();
    assert_eq!(account.user(), "system:serviceaccount:existing:user");
    control_plane.stop().await.unwrap();

    let namespaces = Api::<Namespace>::all(shared().await.client().await.unwrap());
    namespaces.get("existing").await.unwrap();
}

#[tokio::test]
async fn a_context_that_is_missing_is_told() {
    let error = existing("no-such-context").await.start().await.unwrap_err();
    assert!(matches!(error, Error::NoCluster { .. }), "{error}");
}
