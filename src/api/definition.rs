//! The definitions of the three kinds as they are installed in a cluster: what the types give, made fit for people.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};

/// The definitions of the three kinds as they are installed in a cluster, connection first.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![
        GraphConnection::crd(),
        OutboundProvisioningFlowSet::crd(),
        ProvisioningFlow::crd(),
    ];
    for root in definitions.iter_mut().flat_map(schemas) {
        default_status(root);
        forbid_null(root);
    }
    definitions
}

/// One definition as a YAML document, as a file in `crds/` holds it.
///
/// # Errors
///
/// If the definition cannot be written as YAML, which a test rules out.
pub fn definition_as_yaml(
    definition: &CustomResourceDefinition,
) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(definition)
}

/// All definitions as YAML documents, as `industrydata-operator crds` prints them.
///
/// # Errors
///
/// If a definition cannot be written as YAML, which a test rules out.
pub fn definitions_as_yaml() -> Result<String, serde_saphyr::SerializeError> {
    let documents = custom_resource_definitions()
        .into_iter()
        .map(|definition| definition_as_yaml(&definition).map(|yaml| format!("---\n{yaml}")));
    documents.collect()
}

/// The schemas of a definition, one for each version.
fn schemas(
    definition: &mut CustomResourceDefinition,
) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = definition.spec.versions.iter_mut();
    versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// Gives a new object `status.observedGeneration: -1`.
///
/// Tools that follow the kstatus convention compare it with `metadata.generation`: without the default, an object that
/// the operator has not seen yet looks finished.
fn default_status(root: &mut JSONSchemaProps) {
    let properties = root.properties.as_mut();
    if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
        status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
    }
}

/// Takes away `nullable`, which would keep every `null` that a tool writes for what is not given.
///
/// Without it the API server drops a null, or puts the default in its place, before rules and programs see the object:
/// null is absent, for every reader.
fn forbid_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(forbid_null);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => forbid_null(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(forbid_null),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        forbid_null(value);
    }
}
