//! Stands in for what a cluster without nodes lacks: it runs the operator as its Deployment says.

use std::time::Duration;

use industrydata_simulator::Simulator;
use industrydata_testbed::ControlPlane;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::process::{Launch, Process};

pub const NAMESPACE: &str = "industrydata-system";
const NAME: &str = "industrydata-operator";

/// Runs the operator for as long as it is itself polled.
pub async fn run(plane: &ControlPlane, simulator: &Simulator) {
    let deployments: Api<Deployment> = Api::namespaced(plane.client().await.unwrap(), NAMESPACE);
    let mut running: Option<Running> = None;
    loop {
        let deployment = deployments.get_opt(NAME).await.unwrap();
        let wanted = deployment
            .as_ref()
            .filter(|deployment| replicas(deployment) > 0);
        let generation = wanted.and_then(|deployment| deployment.metadata.generation);
        if running.as_ref().and_then(|running| running.generation) != generation {
            if let Some(running) = running.take() {
                running.operator.stop().await;
            }
            if let Some(deployment) = wanted {
                running = Some(Running::start(plane, simulator, deployment).await);
            }
        }
        if let Some(deployment) = deployment.filter(|deployment| !is_told(deployment)) {
            // Whoever deletes it meanwhile has no use for its status.
            let status = Patch::Merge(status(&deployment));
            let _ = deployments
                .patch_status(NAME, &PatchParams::default(), &status)
                .await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The operator of one generation of the Deployment.
struct Running {
    generation: Option<i64>,
    operator: Process,
}

impl Running {
    async fn start(plane: &ControlPlane, simulator: &Simulator, deployment: &Deployment) -> Self {
        let value = serde_json::to_value(deployment).unwrap();
        let account = &value["spec"]["template"]["spec"]["serviceAccountName"];
        let account = plane.service_account(NAMESPACE, account.as_str().unwrap());
        // Files of a pod are not there.
        let launch = Launch::of(&value, &account.await.unwrap())
            .without("--ca-file")
            .flag("--graph-endpoint", &simulator.graph_endpoint())
            .flag("--authority-endpoint", &simulator.authority_endpoint());
        Self {
            generation: deployment.metadata.generation,
            operator: launch.start().await,
        }
    }
}

fn replicas(deployment: &Deployment) -> i32 {
    deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
}

fn is_told(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    status.and_then(|status| status.observed_generation) == deployment.metadata.generation
}

/// What the controllers would say once all pods are ready.
fn status(deployment: &Deployment) -> serde_json::Value {
    let replicas = replicas(deployment);
    let condition = |type_: &str, reason: &str| json!({ "type": type_, "status": "True", "reason": reason, "message": "" });
    json!({ "status": {
        "observedGeneration": deployment.metadata.generation,
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
    }})
}
