//! How people install it.

pub mod argocd;
mod chart;
mod flux;
mod guard;
mod image;
mod manifests;
mod metadata;
mod monitoring;
mod network;
pub mod node;
mod notifications;
mod olm;
mod policies;
mod release;
mod roles;
mod samples;
mod takeover;
mod values;

use std::path::Path;
use std::sync::Arc;

use industrydata_simulator::{Behavior, Options, ReadinessScript};
use industrydata_testbed::{ControlPlane, run, run_with_input};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::manifests::{SAMPLES, objects, sample};
use crate::role::CHART;

/// The name of the release, and so of all its objects.
const RELEASE: &str = "industrydata-operator";

pub const NAMESPACE: &str = "industrydata-system";

/// A control plane with nothing installed, for what concerns a whole cluster.
async fn empty_plane() -> Arc<ControlPlane> {
    static PLANE: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();
    let start = async || Arc::new(ControlPlane::start().await.unwrap());
    Arc::clone(PLANE.get_or_init(start).await)
}

/// A service where flows become what the test says, when it says so.
fn unsettled() -> Options {
    let behavior = Behavior {
        readiness: ReadinessScript::manual(),
        ..Behavior::default()
    };
    Options {
        behavior,
        ..Options::default()
    }
}

/// Runs helm, and gives back what it says.
async fn helm(plane: &ControlPlane, arguments: &[&str]) -> Result<String, String> {
    let mut helm = plane.helm();
    let said = run(helm.args(arguments)).await;
    said.map_err(|error| error.to_string())
}

/// The objects of the chart with these values, in YAML.
pub async fn render(plane: &ControlPlane, values: &Value) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, values.to_string()).unwrap();
    let values = file.path().display().to_string();
    let template = ["template", RELEASE, CHART, "--namespace", NAMESPACE];
    helm(plane, &[&template[..], &["--values", &values]].concat()).await
}

/// The one object of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there is more than one {kind}");
    one
}

/// Runs kubectl with a manifest, and gives back what it says.
async fn kubectl(
    plane: &ControlPlane,
    arguments: &[&str],
    manifest: &str,
) -> Result<String, String> {
    let mut kubectl = plane.kubectl();
    kubectl.args(arguments).args(["--filename", "-"]);
    let said = run_with_input(&mut kubectl, manifest).await;
    said.map_err(|error| error.to_string())
}

/// Makes a namespace where only what meets the restricted Pod Security Standard may run.
async fn restricted_namespace(plane: &ControlPlane, name: &str) {
    let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let created = kubectl(plane, &["create"], &namespace.to_string()).await;
    created.unwrap();
}

/// The resources of the samples of the main job.
fn sample_resources() -> Vec<Value> {
    let objects = SAMPLES.iter().flat_map(|file| objects(&sample(file)));
    objects
        .filter(|object| object["kind"] != "Secret")
        .collect()
}

/// Values that switch on what the chart can do without definitions of others.
fn everything() -> Value {
    json!({
        "commonLabels": { "team": "schools" },
        "replicaCount": 3,
        "shards": 2,
        "image": { "digest": format!("sha256:{}", "0".repeat(64)) },
        "imagePullSecrets": [{ "name": "registry" }],
        "serviceAccount": { "annotations": { "a": "b" } },
        "rbac": { "secretNames": ["contoso", "passwords"] },
        "watchSelector": "team in (a, b)",
        "deletionGuard": { "enabled": true },
        "ca": { "secretName": "authorities" },
        "proxy": { "https": "http://proxy.example.com:3128", "no": "10.0.0.0/8" },
        "traces": { "endpoint": "http://collector.monitoring:4318" },
        "extraArgs": ["--lease-namespace=industrydata-system"],
        "extraEnv": [{ "name": "RUST_BACKTRACE", "value": "1" }],
        "extraVolumes": [{ "name": "more", "emptyDir": {} }],
        "extraVolumeMounts": [{ "name": "more", "mountPath": "/more" }],
        "podAnnotations": { "a": "b" },
        "podLabels": { "a": "b" },
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "system", "operator": "Exists" }],
        "topologySpreadConstraints": [
            { "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": { "matchLabels": { "app.kubernetes.io/name": RELEASE } } },
        ],
        "priorityClassName": "system-cluster-critical",
        "networkPolicy": {
            "ingress": { "from": [{ "namespaceSelector": {} }] },
            "egress": { "extra": [{ "ports": [{ "port": 1 }] }] },
        },
        "service": { "annotations": { "a": "b" } },
        "metrics": { "perResource": false },
        "dashboards": { "enabled": true, "annotations": { "grafana_folder": "schools" } },
    })
}

/// A file or directory of the workspace.
pub fn path(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    path.display().to_string()
}
