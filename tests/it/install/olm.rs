//! `deploy/olm/`: a bundle for the Operator Lifecycle Manager, made from the chart, the definitions and the samples.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use industrydata_operator::api::{custom_resource_definitions, definition_as_yaml};
use industrydata_testbed::Tool;
use serde_json::{Value, json};

use super::manifests::from_chart;
use super::{RELEASE, objects, of_kind, path, sample_resources};
use crate::generated::assert_generated;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test(flavor = "multi_thread")]
async fn the_bundle_is_what_the_chart_makes() {
    let objects = objects(&from_chart().await);
    let mut made = BTreeMap::new();
    let version = serde_saphyr::to_string(&service_version(&objects)).unwrap();
    made.insert(format!("{RELEASE}.clusterserviceversion.yaml"), version);
    for definition in custom_resource_definitions() {
        let file = format!("{}.crd.yaml", definition.spec.names.plural);
        made.insert(file, definition_as_yaml(&definition).unwrap());
    }
    // Accounts, roles and bindings of the operator come from the ClusterServiceVersion. A NetworkPolicy in a bundle is
    // refused by all but the newest versions.
    let is_service = |object: &&Value| object["kind"] == "Service";
    let is_for_users = |object: &&Value| object["kind"] == "ClusterRole" && name(object) != RELEASE;
    for object in objects
        .iter()
        .filter(|one| is_service(one) || is_for_users(one))
    {
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let file = format!("{}.{kind}.yaml", name(object));
        let mut object = object.clone();
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("namespace");
        made.insert(file, serde_saphyr::to_string(&object).unwrap());
    }
    for (file, text) in &made {
        assert_generated(&format!("deploy/olm/manifests/{file}"), text);
    }
    let files = std::fs::read_dir(path("deploy/olm/manifests")).unwrap();
    assert_eq!(
        files.count(),
        made.len(),
        "deploy/olm/manifests/ has files that nothing makes"
    );
}

#[tokio::test]
async fn the_tool_of_the_lifecycle_manager_has_nothing_to_say() {
    let mut verify = Tool::OperatorVerify.command().await.unwrap();
    verify
        .args(["manifests", "--object_validate"])
        .arg(path("deploy/olm/manifests"));
    let said = verify.output().await.unwrap();
    assert!(said.status.success());
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
}

#[test]
fn the_image_of_the_bundle_says_what_the_bundle_says() {
    let read = |file| std::fs::read_to_string(path(&format!("deploy/olm/{file}"))).unwrap();
    let told: Value = serde_saphyr::from_str(&read("metadata/annotations.yaml")).unwrap();
    let annotations = told["annotations"].as_object().unwrap().iter();
    let mut told: Vec<_> = annotations
        .map(|(name, value)| format!("LABEL {name}={}", value.as_str().unwrap()))
        .collect();
    let dockerfile = read("bundle.Dockerfile");
    let mut labels: Vec<_> = dockerfile
        .lines()
        .filter(|line| line.starts_with("LABEL"))
        .collect();
    told.sort();
    labels.sort_unstable();
    assert_eq!(labels, told);
}

/// The template with what it lacks.
fn service_version(objects: &[Value]) -> Value {
    let template = std::fs::read_to_string(path("deploy/olm/clusterserviceversion.yaml")).unwrap();
    let mut version: Value = serde_saphyr::from_str(&template).unwrap();
    let mut deployment = of_kind(objects, "Deployment").clone();
    let pod = &mut deployment["spec"]["template"]["spec"];
    // OpenShift assigns the ids of users and groups, and refuses a pod that demands others.
    let context = pod["securityContext"].as_object_mut().unwrap();
    context.retain(|name, _| !["runAsUser", "runAsGroup", "fsGroup"].contains(&name.as_str()));
    let container = &mut pod["containers"][0];
    let image = container["image"].clone();
    // OLM annotates the pods with the namespaces that the operator was installed for; with nothing if these are all.
    let targets =
        json!({ "fieldRef": { "fieldPath": "metadata.annotations['olm.targetNamespaces']" } });
    container["env"] =
        json!([{ "name": "INDUSTRYDATA_OPERATOR_WATCH_NAMESPACE", "valueFrom": targets }]);
    // OLM grants these in the namespaces that the operator is installed for. As `clusterPermissions` they would be
    // granted in all.
    let roles = objects.iter().filter(|object| {
        object["kind"] == "Role" || object["kind"] == "ClusterRole" && name(object) == RELEASE
    });
    let permissions: Vec<Value> = roles
        .flat_map(|role| role["rules"].as_array().unwrap().clone())
        .collect();
    let account = name(of_kind(objects, "ServiceAccount"));
    let icon = BASE64.encode(include_str!("../../../deploy/olm/icon.svg"));
    version["spec"]["icon"] = json!([{ "base64data": icon, "mediatype": "image/svg+xml" }]);
    version["metadata"]["name"] = json!(format!("{RELEASE}.v{VERSION}"));
    // What a console offers to people who make a resource.
    let examples = serde_json::to_string_pretty(&sample_resources()).unwrap();
    version["metadata"]["annotations"]["alm-examples"] = json!(examples);
    version["metadata"]["annotations"]["containerImage"] = image.clone();
    version["spec"]["version"] = json!(VERSION);
    version["spec"]["relatedImages"] = json!([{ "name": "operator", "image": image }]);
    version["spec"]["customresourcedefinitions"] = json!({ "owned": owned() });
    let deployment = json!({ "name": RELEASE, "label": deployment["metadata"]["labels"], "spec": deployment["spec"] });
    let permissions = json!({ "serviceAccountName": account, "rules": permissions });
    let spec = json!({ "deployments": [deployment], "permissions": [permissions] });
    version["spec"]["install"] = json!({ "strategy": "deployment", "spec": spec });
    version
}

fn owned() -> Vec<Value> {
    let definitions = custom_resource_definitions().into_iter();
    let owned = definitions.flat_map(|definition| {
        let plural = definition.metadata.name.unwrap();
        let kind = definition.spec.names.kind;
        let versions = definition.spec.versions.into_iter();
        versions.map(move |version| {
            let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
            json!({
                "name": plural, "kind": kind, "version": version.name,
                "displayName": kind, "description": schema.description,
            })
        })
    });
    owned.collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}
