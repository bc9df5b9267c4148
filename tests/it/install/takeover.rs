//! Definitions that kubectl has applied before the chart is installed.

use industrydata_operator::api::definitions_as_yaml;
use industrydata_testbed::{ControlPlane, run};

use super::{NAMESPACE, RELEASE, helm, kubectl};
use crate::role::CHART;

#[tokio::test(flavor = "multi_thread")]
async fn helm_takes_over_definitions_that_kubectl_has_applied() {
    let plane = ControlPlane::start().await.unwrap();
    let definitions = definitions_as_yaml().unwrap();
    kubectl(&plane, &["apply"], &definitions).await.unwrap();
    install_is_refused(&plane).await;
    install(&plane, &["--take-ownership"]).await.unwrap();
    upgrade(&plane).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_takes_over_definitions_of_another_version() {
    let plane = ControlPlane::start().await.unwrap();
    let definitions = definitions_as_yaml().unwrap();
    let older = definitions.replace("default: 26h", "default: 30m");
    assert_ne!(older, definitions);
    let apply = ["apply", "--server-side"];
    kubectl(&plane, &apply, &older).await.unwrap();
    install_is_refused(&plane).await;
    let told = install(&plane, &["--take-ownership"]).await.unwrap_err();
    assert!(told.contains("conflict with \"kubectl\""), "{told}");
    let uninstall = ["uninstall", RELEASE, "--namespace", NAMESPACE];
    helm(&plane, &uninstall).await.unwrap();
    let flags = ["--take-ownership", "--force-conflicts"];
    install(&plane, &flags).await.unwrap();
    let name = "crd/provisioningflows.industrydata.dev";
    let get = ["get", name, "--output", "yaml"];
    let kept = run(plane.kubectl().args(get)).await.unwrap();
    assert!(kept.contains("default: 26h"), "{kept}");
    upgrade(&plane).await;
}

async fn install(plane: &ControlPlane, flags: &[&str]) -> Result<String, String> {
    let namespace = ["--namespace", NAMESPACE, "--create-namespace"];
    let command = [&["install", RELEASE, CHART][..], &namespace, flags];
    helm(plane, &command.concat()).await
}

async fn install_is_refused(plane: &ControlPlane) {
    let told = install(plane, &[]).await.unwrap_err();
    // These words are in the guide, so that people find it.
    let words = "cannot be imported into the current release";
    assert!(told.contains(words), "{told}");
}

/// The flags are needed once only.
async fn upgrade(plane: &ControlPlane) {
    let change = ["--namespace", NAMESPACE, "--set=log.level=debug"];
    let upgrade = [&["upgrade", RELEASE, CHART][..], &change].concat();
    helm(plane, &upgrade).await.unwrap();
}
