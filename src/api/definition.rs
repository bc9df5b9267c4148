//! The definitions of the three kinds as they are installed in a cluster: the schemas derived from the types, adapted
//! to the conventions of Kubernetes tools.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};

/// Returns the definitions of the three kinds as they are installed in a cluster, connection first.
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

/// Renders one definition as a YAML document, in the form of the files in `crds/`.
///
/// # Errors
///
/// If the definition cannot be serialized as YAML, which a test rules out.
pub fn definition_as_yaml(
    definition: &CustomResourceDefinition,
) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(definition)
}

/// Renders all definitions as YAML documents, as `industrydata-operator crds` prints them.
///
/// # Errors
///
/// If a definition cannot be serialized as YAML, which a test rules out.
pub fn definitions_as_yaml() -> Result<String, serde_saphyr::SerializeError> {
    let documents = custom_resource_definitions()
        .into_iter()
        .map(|definition| definition_as_yaml(&definition).map(|yaml| format!("---\n{yaml}")));
    documents.collect()
}

/// Returns the schemas of a definition, one per version.
fn schemas(
    definition: &mut CustomResourceDefinition,
) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = definition.spec.versions.iter_mut();
    versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// Defaults `status.observedGeneration` of a new object to -1.
///
/// Tools that follow the kstatus convention compare it with `metadata.generation`: without the default, they would
/// consider an object finished that the operator has not observed yet.
fn default_status(root: &mut JSONSchemaProps) {
    let properties = root.properties.as_mut();
    if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
        status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
    }
}

/// Removes `nullable`, which would preserve every `null` that a tool writes for an absent value.
///
/// Without it, the API server drops a null or replaces it with the default before validation rules and clients read the
/// object, so null means absent for every reader.
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
