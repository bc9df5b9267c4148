//! What users write: the three kinds of `industrydata.dev/v1alpha1`, and the names around them.
//!
//! No behaviour lives here. Everything that the API server can check by itself (unions, immutability, sizes,
//! patterns) is a rule of the schema, so that a mistake is refused at `kubectl apply` with a sentence naming the field.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;

pub mod condition;
mod connection;
mod flow;
mod flow_set;
mod flow_type;
mod policy;
pub mod reason;
mod reference;

pub use condition::ConditionStatus;
pub use connection::{
    ClientSecret, Cloud, Credential, GraphConnection, GraphConnectionSpec, GraphConnectionStatus,
    RequestBudget,
};
pub use flow::{
    AppliedSecret, Drift, ProvisioningFlow, ProvisioningFlowSpec, ProvisioningFlowStatus,
    ReadinessEntry, Reset, ResetPhase, Retry,
};
pub use flow_set::{
    FilterAttribute, FlowCount, FlowSetFilter, OutboundProvisioningFlowSet,
    OutboundProvisioningFlowSetSpec, OutboundProvisioningFlowSetStatus,
};
pub use flow_type::{
    AdministrativeUnitCreationOptions, AdministrativeUnitFlow, ClassGroupAttribute,
    ClassGroupConfiguration, ClassGroupFlow, ClassGroupOptions, DefaultPassword,
    EnrollmentMappings, SectionRole, SecurityGroupCreationOptions, SecurityGroupFlow,
    StudentAgeGroup, UserAttribute, UserConfiguration, UserCreationOptions, UserFlow,
    UserManagementOptions, UserOptions,
};
pub use policy::{AdoptionPolicy, DeletionPolicy, DriftPolicy, ManagementPolicy};
pub use reference::{LocalReference, SecretKeyReference};

/// The API group of the three kinds.
pub const GROUP: &str = "industrydata.dev";

/// Keeps a resource in the cluster until its remote object is deleted or let go.
pub const FINALIZER: &str = "industrydata.dev/remote";

/// The annotations that the operator reads or writes.
pub mod annotation {
    /// Set by a user: adopt exactly the remote object with this id.
    pub const REMOTE_ID: &str = "industrydata.dev/remote-id";
    /// Written by the operator before it creates a remote object: `<service time>/<uuid>`.
    pub const CREATE_ATTEMPT: &str = "industrydata.dev/create-attempt";
    /// Set by a user, any new value: look at the service and reconcile now.
    pub const REQUESTED_AT: &str = "industrydata.dev/requested-at";
    /// Flux's twin of [`REQUESTED_AT`].
    pub const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
    /// Set by a user, any new value: reset the flow once, as a new `spec.resetToken` would.
    pub const RESET_REQUESTED_AT: &str = "industrydata.dev/reset-requested-at";
    /// Set by a user to `"true"` on a resource that is being deleted: let go of it without touching the service.
    pub const ABANDON: &str = "industrydata.dev/abandon";
}

/// The definitions of the three kinds as they are installed in a cluster, connection first.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![
        GraphConnection::crd(),
        OutboundProvisioningFlowSet::crd(),
        ProvisioningFlow::crd(),
    ];
    definitions.iter_mut().for_each(default_status);
    definitions
}

/// The same as YAML documents, as the files in `crds/` hold them and `industrydata-operator crds` prints them.
///
/// # Errors
///
/// If a definition cannot be written as YAML, which a test rules out.
pub fn definitions_as_yaml() -> Result<String, serde_saphyr::SerializeError> {
    let documents = custom_resource_definitions().into_iter().map(|definition| {
        serde_saphyr::to_string(&definition).map(|yaml| format!("---\n{yaml}"))
    });
    documents.collect()
}

/// Gives a new object `status.observedGeneration: -1`.
///
/// Tools that follow the kstatus convention compare it with `metadata.generation`: without the default, an object that
/// the operator has not seen yet looks finished.
fn default_status(definition: &mut CustomResourceDefinition) {
    let statuses = definition
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
        .filter_map(|root: &mut JSONSchemaProps| root.properties.as_mut()?.get_mut("status"));
    for status in statuses {
        status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
    }
}
