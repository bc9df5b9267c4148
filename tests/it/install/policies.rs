//! What tools of others say of all manifests: that they are as their schemas want them, and safe.

use std::collections::BTreeSet;
use std::path::Path;

use industrydata_testbed::{ControlPlane, Tool, published, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{everything, objects, path, render};
use crate::test_env;
use crate::test_env::TestEnv;

/// The version of the module that has the definitions of `ServiceMonitor` and `PrometheusRule`.
const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";

/// A finding or its answer: tool, check, kind of object.
type Finding = [String; 3];

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_answered_and_every_answer_needed() {
    let plane = test_env::plane().await;
    let mut found = BTreeSet::new();
    for (_, manifest) in installations(&plane).await {
        let directory = in_files(&objects(&manifest));
        found.append(&mut scored(&directory).await);
        found.append(&mut scanned(&directory).await);
    }
    assert_eq!(
        found,
        answers(),
        "left: found, right: answered in deploy/policies.md"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_manifests_are_as_the_schemas_of_the_api_server_want_them() {
    let env = TestEnv::set_up("schemas", industrydata_simulator::Options::default()).await;
    for kind in ["servicemonitors", "prometheusrules"] {
        let definition = definition_of_monitoring(kind).await;
        let apply = ["apply", "--server-side", "-f", &definition];
        env.kubectl(&apply).await.unwrap();
    }
    let schemas = tempfile::tempdir().unwrap();
    let mut manifests = installations(&env.plane).await;
    manifests.extend(samples());
    for (name, manifest) in manifests {
        let objects = objects(&manifest);
        for object in &objects {
            keep_schema(&env, object, schemas.path()).await;
        }
        let directory = in_files(&objects);
        let location = schemas
            .path()
            .join("{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json");
        let mut kubeconform = Tool::Kubeconform.command().await.unwrap();
        kubeconform
            .args(["-strict", "-summary", "-schema-location"])
            .arg(location);
        let output = kubeconform.arg(directory.path()).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{name}: {said}");
    }
}

/// All ways to install, as what is installed.
async fn installations(plane: &ControlPlane) -> Vec<(String, String)> {
    let mut everything = everything();
    everything["watchNamespaces"] = json!(["north", "south"]);
    everything["ca"] = json!({ "configMapName": "authorities" });
    for kind in ["serviceMonitor", "prometheusRule"] {
        everything[kind] = json!({ "enabled": true, "labels": { "release": "prometheus" } });
    }
    let mut found = Vec::new();
    for (name, values) in [("the defaults", json!({})), ("everything", everything)] {
        found.push((
            format!("the chart with {name}"),
            render(plane, &values).await.unwrap(),
        ));
    }
    for directory in [
        "base",
        "overlays/one-namespace",
        "overlays/highly-available",
    ] {
        let directory = path(&format!("deploy/kustomize/{directory}"));
        let built = run(plane.kubectl().args(["kustomize", &directory])).await;
        found.push((directory, built.unwrap()));
    }
    found
}

fn samples() -> impl Iterator<Item = (String, String)> {
    let files = std::fs::read_dir(path("deploy/samples")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.map(|file| {
        (
            file.display().to_string(),
            std::fs::read_to_string(file).unwrap(),
        )
    })
}

/// A file for each object, called after its kind.
fn in_files(objects: &[Value]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (number, object) in objects.iter().enumerate() {
        let file = format!("{}.{number}.yaml", object["kind"].as_str().unwrap());
        std::fs::write(directory.path().join(file), object.to_string()).unwrap();
    }
    directory
}

async fn scored(directory: &TempDir) -> BTreeSet<Finding> {
    let mut kube_score = Tool::KubeScore.command().await.unwrap();
    kube_score.args([
        "score",
        "--output-format",
        "json",
        "--kubernetes-version",
        "v1.29",
    ]);
    let files = std::fs::read_dir(directory).unwrap();
    kube_score.args(files.map(|file| file.unwrap().path()));
    // It fails where it finds something.
    let output = kube_score.output().await.unwrap();
    let scores: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut found = BTreeSet::new();
    for object in &scores {
        let kind = text(&object["type_meta"]["kind"]);
        let checks = object["checks"].as_array().into_iter().flatten();
        let failed =
            checks.filter(|check| check["skipped"] == false && check["grade"].as_i64() < Some(10));
        found.extend(failed.map(|check| {
            [
                "kube-score".to_owned(),
                text(&check["check"]["id"]),
                kind.clone(),
            ]
        }));
    }
    found
}

async fn scanned(directory: &TempDir) -> BTreeSet<Finding> {
    let mut trivy = Tool::TrivyManifests.command().await.unwrap();
    let said = run(trivy.arg(directory.path())).await.unwrap();
    let findings = said.lines().map(|line| {
        let mut columns = line.split('\t');
        let check = columns.next().unwrap().to_owned();
        let kind = columns.nth(1).unwrap().split('.').next().unwrap();
        ["trivy".to_owned(), check, kind.to_owned()]
    });
    findings.collect()
}

fn answers() -> BTreeSet<Finding> {
    let document = std::fs::read_to_string(path("deploy/policies.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.map(|row| {
        let mut columns = row
            .split(" | ")
            .map(|column| column.trim_matches('`').to_owned());
        std::array::from_fn(|_| columns.next().unwrap())
    });
    rows.filter(|row: &Finding| row[0] != "tool").collect()
}

/// Keeps the schema of an object where kubeconform looks for it, if it is not there yet.
async fn keep_schema(env: &TestEnv, object: &Value, directory: &Path) {
    let (kind, version) = (text(&object["kind"]), text(&object["apiVersion"]));
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    // kubeconform takes the version for the group where there is none.
    let prefix = if group.is_empty() { version } else { group };
    let file = directory.join(format!("{prefix}_{}_{version}.json", kind.to_lowercase()));
    if file.exists() {
        return;
    }
    let place = match group {
        "" => format!("/openapi/v3/api/{version}"),
        group => format!("/openapi/v3/apis/{group}/{version}"),
    };
    let get = async || env.kubectl(&["get", "--raw", &place]).await;
    // What was just defined is published a moment later.
    env.until("a published schema", async || get().await.is_ok())
        .await;
    let mut all: Value = serde_json::from_str(&get().await.unwrap()).unwrap();
    let schemas = all["components"]["schemas"].as_object_mut().unwrap();
    schemas.values_mut().for_each(close);
    let is_it = |schema: &Value| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        let sought = json!({ "group": group, "kind": kind, "version": version });
        kinds.is_some_and(|kinds| kinds.contains(&sought))
    };
    let found = schemas.iter().find(|(_, schema)| is_it(schema));
    let (name, _) = found.unwrap_or_else(|| panic!("{place} has no {kind}"));
    let reference = format!("#/components/schemas/{name}");
    let schema = json!({ "$ref": reference, "components": all["components"] });
    std::fs::write(file, schema.to_string()).unwrap();
}

/// Forbids what a schema does not name, as the API server does under strict validation.
fn close(schema: &mut Value) {
    let open = schema.get("additionalProperties").is_some()
        || schema.get("x-kubernetes-preserve-unknown-fields").is_some();
    if schema.get("properties").is_some_and(Value::is_object) && !open {
        schema["additionalProperties"] = json!(false);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get_mut(inner).filter(|schema| schema.is_object()) {
            close(schema);
        }
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties
        .into_iter()
        .flatten()
        .for_each(|(_, schema)| close(schema));
}

/// The file that others install to have a kind of the Prometheus operator.
async fn definition_of_monitoring(kind: &str) -> String {
    let module = published(PROMETHEUS_OPERATOR).await.unwrap();
    let directory = module.join("example/prometheus-operator-crd");
    directory
        .join(format!("monitoring.coreos.com_{kind}.yaml"))
        .display()
        .to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
