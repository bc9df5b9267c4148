//! What users write: the three kinds of `industrydata.dev/v1alpha1`, and the names around them.
//!
//! No behaviour lives here. Everything that the API server can check by itself (unions, immutability, sizes,
//! patterns) is a rule of the schema, so that a mistake is refused at `kubectl apply` with a sentence naming the field.

pub mod condition;
mod connection;
mod definition;
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
pub use definition::{custom_resource_definitions, definition_as_yaml, definitions_as_yaml};
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
