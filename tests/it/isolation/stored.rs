//! Objects that were stored before the API server had the rules of today.

use std::sync::Arc;

use industrydata_operator::api::definitions_as_yaml;
use industrydata_simulator::Options;
use industrydata_testbed::{ControlPlane, run, run_with_input};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::secrets::ASTRAY;
use crate::manifests::{connection, flow, groups, object, objects, sample, security, set, users};
use crate::test_env::{TestEnv, install};

const OWN: &str = "stored-a";
/// The namespace that the first of the names leads to.
const OTHER: &str = "isolated-b";

/// A control plane whose definitions have no rules, on which texts may be anything.
async fn start_plane() -> Arc<ControlPlane> {
    let plane = ControlPlane::start().await.unwrap();
    let mut definitions = objects(&definitions_as_yaml().unwrap());
    definitions.iter_mut().for_each(remove_rules);
    let definitions: Vec<String> = definitions.iter().map(Value::to_string).collect();
    let mut kubectl = plane.kubectl();
    kubectl.args(["apply", "--filename", "-"]);
    let applied = run_with_input(&mut kubectl, &definitions.join("\n---\n")).await;
    applied.unwrap();
    plane.established().await.unwrap();
    let other = ["create", "namespace", OTHER];
    run(plane.kubectl().args(other)).await.unwrap();
    Arc::new(plane)
}

fn remove_rules(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("x-kubernetes-validations");
            members.remove("pattern");
            members.values_mut().for_each(remove_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_rules),
        _ => {}
    }
}

/// A resource for each reference that a spec can have, all of this name.
fn astray(place: usize, name: &str) -> [Value; 4] {
    let (named, secret) = (
        json!({ "name": name }),
        json!({ "name": name, "key": "clientSecret" }),
    );
    let mut connection = objects(&sample("connection.yaml"))
        .into_iter()
        .find(|one| one["kind"] == "GraphConnection")
        .unwrap();
    connection["spec"]["credential"]["clientSecret"]["secretKeyRef"] = secret.clone();
    connection["metadata"]["name"] = json!(format!("connection-{place}"));
    let mut users = users(&format!("users-{place}"));
    users["spec"]["user"]["creationOptions"]["configurations"][0]["defaultPassword"]["secretKeyRef"] =
        secret;
    let spec = json!({ "flowSetRef": named, "securityGroup": security() });
    let of_set = flow(&format!("flow-{place}"), &spec);
    let spec = json!({ "connectionRef": named, "displayName": format!("astray {place}") });
    let of_connection = object(
        "OutboundProvisioningFlowSet",
        &format!("set-{place}"),
        &spec,
    );
    [connection, users, of_set, of_connection]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_name_that_leads_elsewhere_leads_to_no_request() {
    let mut env = TestEnv::set_up_on(start_plane().await, OWN, Options::default()).await;
    let of_name = |(place, name)| astray(place, name).map(|one| (name, one));
    let astray: Vec<(&str, Value)> = (0..).zip(ASTRAY).flat_map(of_name).collect();
    env.apply_all(astray.iter().map(|(_, one)| one.clone()))
        .await;
    install(&env.plane).await;
    let start = env.audit_position();
    env.start_operator(&[]).await;
    env.apply_all([connection(), set("north")]).await;
    env.apply_ready(groups("groups")).await;

    for (name, one) in &astray {
        let kind = one["kind"].as_str().unwrap();
        let is_told = |object: &DynamicObject| {
            let conditions = &object.data["status"]["conditions"];
            conditions.to_string().contains(name)
        };
        let own = one["metadata"]["name"].as_str().unwrap();
        env.object_where(&env.api(kind), own, is_told).await;
    }
    env.polls(4).await;
    let mut reads = 0;
    for entry in env.requests_since(start) {
        let is_own = entry.namespace == OWN || entry.namespace.is_empty();
        let leads_elsewhere = ["..", "%2e", OTHER]
            .iter()
            .any(|part| entry.uri.contains(part));
        assert!(is_own && !leads_elsewhere, "{entry:?}");
        if entry.resource == "secrets" {
            let read = (entry.verb.as_str(), entry.name.as_str(), entry.code);
            assert_eq!(read, ("get", "contoso", 200), "{entry:?}");
            reads += 1;
        }
    }
    assert!(reads > 0, "the audit log shows what is read");
}
