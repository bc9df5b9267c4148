//! The manifests that tests declare, as values of JSON.

use std::path::Path;

use serde_json::{Value, json};

/// The manifests of the main job, in the order in which people apply them.
pub const SAMPLES: [&str; 3] = ["connection.yaml", "flow-set.yaml", "flows.yaml"];

/// The application of the sample connection.
pub const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

/// A sample manifest.
pub fn sample(file: &str) -> String {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    std::fs::read_to_string(samples.join(file)).unwrap()
}

/// A sample manifest, polled each second.
pub fn polled(file: &str) -> String {
    sample(file).replace("pollInterval: 60s", "pollInterval: 1s")
}

/// The objects in a manifest.
pub fn objects(manifest: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    objects.into_iter().filter(|one| !one.is_null()).collect()
}

/// A resource of one of the three kinds.
pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "industrydata.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

pub fn secret(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}

/// A Secret with the password of the staff.
pub fn passwords(staff: &str) -> Value {
    secret("passwords", &json!({ "staff": staff }))
}

/// The sample connection and its Secret, with polls each second.
pub fn connection() -> Value {
    connection_with("simulator-secret")
}

/// The same with another credential.
pub fn connection_with(secret: &str) -> Value {
    let sample = polled("connection.yaml").replace("simulator-secret", secret);
    json!({ "apiVersion": "v1", "kind": "List", "items": objects(&sample) })
}

pub fn set(name: &str) -> Value {
    let spec = json!({ "connectionRef": { "name": "contoso" }, "displayName": name });
    object("OutboundProvisioningFlowSet", name, &spec)
}

/// A flow in the set `north`; members of `spec` that are null are left out.
pub fn flow(name: &str, spec: &Value) -> Value {
    let whole = json!({ "flowSetRef": { "name": "north" }, "pollInterval": "1s" });
    with(object("ProvisioningFlow", name, &whole), spec)
}

/// With more in its `spec`, or without what is null.
pub fn with(mut object: Value, more: &Value) -> Value {
    let spec = object["spec"].as_object_mut().unwrap();
    spec.extend(more.as_object().unwrap().clone());
    spec.retain(|_, value| !value.is_null());
    object
}

/// A flow of security groups in the set `north`.
pub fn groups(name: &str) -> Value {
    groups_in(name, "north")
}

pub fn groups_in(name: &str, set: &str) -> Value {
    let spec = json!({ "flowSetRef": { "name": set }, "securityGroup": security() });
    flow(name, &spec)
}

/// A flow of security groups in a set that somebody else looks after, of which only the id is known.
pub fn groups_by_id(name: &str, set: &str) -> Value {
    let spec = json!({ "flowSetRef": null, "flowSetId": set, "connectionRef": { "name": "contoso" },
        "securityGroup": security() });
    flow(name, &spec)
}

/// A flow of administrative units in the set `north`.
pub fn units(name: &str) -> Value {
    flow(name, &json!({ "administrativeUnit": unit_options() }))
}

/// A flow of users in the set `north`, with a password of [`passwords`].
pub fn users(name: &str) -> Value {
    let password = json!({ "secretKeyRef": { "name": "passwords", "key": "staff" } });
    let user = json!({
        "createUnmatchedUsers": true,
        "managementOptions": {
            "additionalAttributes": ["userGradeLevel"],
            "additionalOptions": { "studentAgeGroup": "minor", "allowStudentContactAssociation": false },
        },
        "creationOptions": { "configurations": [{ "roleGroup": "staff", "defaultPassword": password }] },
    });
    flow(name, &json!({ "user": user }))
}

/// What makes a flow one of security groups.
pub fn security() -> Value {
    json!({ "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false } })
}

/// Other options for a flow of security groups than those that the tests begin with.
pub fn other_groups() -> Value {
    json!({ "securityGroup": { "creationOptions": { "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": true } } })
}

/// What makes a flow one of administrative units.
pub fn unit_options() -> Value {
    json!({ "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } })
}

/// The types of flow, each with what is declared first and what it is changed to.
pub fn types() -> [(&'static str, Value, Value); 4] {
    let mut units = unit_options();
    units["creationOptions"]["createBasedOnOrgPlusRoleGroup"] = json!(true);
    let classes = |team: bool| {
        json!({ "configuration": { "enrollmentMappings": {},
            "additionalOptions": { "createTeam": team, "writeDisplayNameOnCreateOnly": true } } })
    };
    let users = |unmatched: bool| json!({ "createUnmatchedUsers": unmatched, "managementOptions": { "additionalOptions": {} } });
    let groups = json!({ "creationOptions": { "createBasedOnOrgPlusRoleGroup": true } });
    [
        ("securityGroup", security(), groups),
        ("administrativeUnit", unit_options(), units),
        ("classGroup", classes(true), classes(false)),
        ("user", users(false), users(true)),
    ]
}

/// With a label on each resource.
pub fn labelled(mut manifest: Value, label: &str) -> Value {
    let objects = match manifest.get_mut("items") {
        Some(Value::Array(items)) => items.iter_mut().collect(),
        _ => vec![&mut manifest],
    };
    for object in objects.into_iter().filter(|one| one["kind"] != "Secret") {
        object["metadata"]["labels"] = json!({ "test": label });
    }
    manifest
}

/// Names of sets and of the one flow in each.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("pair-{place}")).collect()
}
