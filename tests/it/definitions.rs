//! The definitions of the three kinds: the files in `crds/`, the shape of the schemas, and what the API server makes of them.

mod cases;
mod cluster;
mod rules;

use std::collections::BTreeSet;
use std::path::Path;

use industrydata_operator::api::{
    custom_resource_definitions, definition_as_yaml, definitions_as_yaml,
};
use serde_json::{Value, json};

use crate::generated::assert_generated;

#[test]
fn the_files_in_crds_and_in_the_chart_are_what_the_code_makes() {
    for directory in ["crds", "charts/industrydata-operator/files/crds"] {
        are_what_the_code_makes(directory);
    }
}

#[test]
fn the_yaml_says_what_the_definitions_say() {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&definitions_as_yaml().unwrap()).unwrap();
    let definitions = custom_resource_definitions();
    assert_eq!(documents.len(), definitions.len());
    for (document, definition) in documents.iter().zip(&definitions) {
        assert_eq!(document, &serde_json::to_value(definition).unwrap());
    }
}

#[test]
fn every_property_has_a_description() {
    for property in properties()
        .iter()
        .filter(|property| !property.path.ends_with("[]"))
    {
        let description = property.schema["description"].as_str().unwrap_or_default();
        assert!(
            !description.trim().is_empty(),
            "{} has no description",
            property.path
        );
    }
}

#[test]
fn nothing_is_nullable() {
    for property in properties() {
        assert_eq!(property.schema.get("nullable"), None, "{}", property.path);
    }
}

#[test]
fn only_formats_that_the_api_server_knows() {
    for property in properties() {
        if let Some(format) = property.schema.get("format") {
            let known = ["date-time", "int32", "int64"]
                .iter()
                .any(|known| format == known);
            assert!(known, "{} has format {format}", property.path);
        }
    }
}

#[test]
fn every_text_and_list_of_a_spec_is_bounded() {
    for property in properties()
        .iter()
        .filter(|property| property.path.contains(".spec."))
    {
        let has = |key: &str| property.schema.get(key).is_some();
        let bounded = match property.schema["type"].as_str() {
            Some("string") => has("maxLength") || has("enum") || has("pattern"),
            Some("array") => has("maxItems"),
            _ => true,
        };
        assert!(bounded, "{} has no limit", property.path);
    }
}

#[test]
fn defaults_read_as_people_write_them() {
    let expected = [
        ("GraphConnection.spec.cloud", json!("Global")),
        ("GraphConnection.spec.pollInterval", json!("60s")),
        (
            "GraphConnection.spec.requestBudget",
            json!({ "perSecond": 20, "burst": 40 }),
        ),
        ("GraphConnection.spec.requestBudget.burst", json!(40)),
        ("GraphConnection.spec.requestBudget.perSecond", json!(20)),
        ("GraphConnection.spec.suspend", json!(false)),
        (
            "OutboundProvisioningFlowSet.spec.adoptionPolicy",
            json!("Never"),
        ),
        (
            "OutboundProvisioningFlowSet.spec.deletionPolicy",
            json!("Delete"),
        ),
        (
            "OutboundProvisioningFlowSet.spec.driftPolicy",
            json!("Correct"),
        ),
        (
            "OutboundProvisioningFlowSet.spec.managementPolicy",
            json!("Manage"),
        ),
        ("OutboundProvisioningFlowSet.spec.suspend", json!(false)),
        ("ProvisioningFlow.spec.adoptionPolicy", json!("Never")),
        ("ProvisioningFlow.spec.deletionPolicy", json!("Delete")),
        ("ProvisioningFlow.spec.driftPolicy", json!("Correct")),
        ("ProvisioningFlow.spec.managementPolicy", json!("Manage")),
        ("ProvisioningFlow.spec.progressDeadline", json!("26h")),
        ("ProvisioningFlow.spec.suspend", json!(false)),
    ];
    let found: Vec<(String, Value)> = properties()
        .into_iter()
        .filter(|property| property.path.contains(".spec."))
        .filter_map(|property| Some((property.path, property.schema.get("default")?.clone())))
        .collect();
    let expected = expected.map(|(path, value)| (path.to_owned(), value));
    assert_eq!(found, expected);
}

#[test]
fn what_has_to_be_given() {
    let expected = [
        "GraphConnection: spec",
        "GraphConnection.spec: clientId credential tenantId",
        "GraphConnection.spec.credential.clientCertificate: secretRef",
        "GraphConnection.spec.credential.clientCertificate.secretRef: name",
        "GraphConnection.spec.credential.clientSecret: secretKeyRef",
        "GraphConnection.spec.credential.clientSecret.secretKeyRef: key name",
        "GraphConnection.spec.credential.refreshToken: secretKeyRef",
        "GraphConnection.spec.credential.refreshToken.clientSecretKeyRef: key name",
        "GraphConnection.spec.credential.refreshToken.secretKeyRef: key name",
        "GraphConnection.spec.credential.workloadIdentity: serviceAccountName",
        "OutboundProvisioningFlowSet: spec",
        "OutboundProvisioningFlowSet.spec: connectionRef displayName",
        "OutboundProvisioningFlowSet.spec.connectionRef: name",
        "OutboundProvisioningFlowSet.spec.filter: attribute in",
        "ProvisioningFlow: spec",
        "ProvisioningFlow.spec.administrativeUnit.creationOptions: createBasedOnOrg createBasedOnOrgPlusRoleGroup",
        "ProvisioningFlow.spec.classGroup.configuration: additionalOptions enrollmentMappings",
        "ProvisioningFlow.spec.classGroup.configuration.additionalOptions: createTeam writeDisplayNameOnCreateOnly",
        "ProvisioningFlow.spec.classGroup.configuration.enrollmentMappings.memberEnrollmentMappings[]: code",
        "ProvisioningFlow.spec.classGroup.configuration.enrollmentMappings.ownerEnrollmentMappings[]: code",
        "ProvisioningFlow.spec.connectionRef: name",
        "ProvisioningFlow.spec.flowSetRef: name",
        "ProvisioningFlow.spec.securityGroup.creationOptions: createBasedOnOrgPlusRoleGroup createBasedOnRoleGroup",
        "ProvisioningFlow.spec.user.creationOptions.configurations[]: roleGroup",
        "ProvisioningFlow.spec.user.creationOptions.configurations[].defaultPassword: secretKeyRef",
        "ProvisioningFlow.spec.user.creationOptions.configurations[].defaultPassword.secretKeyRef: key name",
        "ProvisioningFlow.spec.user.managementOptions: additionalOptions",
    ];
    let found: Vec<String> = properties()
        .iter()
        .filter(|property| !property.path.contains(".status"))
        .filter_map(|property| {
            let required = property.schema.get("required")?.as_array()?;
            let names: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
            Some(format!("{}: {}", property.path, names.join(" ")))
        })
        .collect();
    assert_eq!(found, expected);
}

fn are_what_the_code_makes(directory: &str) {
    let mut made = BTreeSet::new();
    for definition in custom_resource_definitions() {
        let file = format!("{}.yaml", definition.spec.names.plural);
        let yaml = definition_as_yaml(&definition).unwrap();
        assert_generated(&format!("{directory}/{file}"), &yaml);
        made.insert(file);
    }
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: BTreeSet<String> = names.filter(|name| name != "kustomization.yaml").collect();
    assert_eq!(
        kept, made,
        "{directory} holds the definitions and nothing else"
    );
}

/// One place in a schema.
struct Property {
    /// The kind and the fields that lead there: `ProvisioningFlow.spec.user`; `[]` for the members of a list.
    path: String,
    schema: Value,
}

/// All places in the three schemas, in the order of the files.
fn properties() -> Vec<Property> {
    let mut found = Vec::new();
    for definition in custom_resource_definitions() {
        for version in &definition.spec.versions {
            let validation = version.schema.as_ref().unwrap();
            let root = serde_json::to_value(&validation.open_api_v3_schema).unwrap();
            collect(&definition.spec.names.kind, &root, &mut found);
        }
    }
    found
}

fn collect(path: &str, schema: &Value, found: &mut Vec<Property>) {
    found.push(Property {
        path: path.to_owned(),
        schema: schema.clone(),
    });
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(&format!("{path}.{name}"), property, found);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(members) = schema.get(key) {
            collect(&format!("{path}{suffix}"), members, found);
        }
    }
}
