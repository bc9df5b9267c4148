//! The API for users: the three kinds of `industrydata.dev/v1alpha1`, with their annotations, conditions, events and
//! reasons.
//!
//! This module has no behaviour. Everything that the API server can check (unions, immutability, sizes, patterns) is a
//! rule of the schema, so that `kubectl apply` rejects a mistake with a message that names the field.

/// Defines constants with their meanings, and a list of all of them, from which `docs/reference/` is generated.
macro_rules! words {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:literal;)+) => {
        $($(#[doc = $meaning])+ pub const $name: &str = $word;)+

        /// Each value with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($word, concat!($($meaning),+))),+];
    };
}

pub mod condition;
mod connection;
mod definition;
pub mod event;
mod flow;
mod flow_set;
mod flow_type;
mod observed;
mod policy;
pub mod reason;
mod reference;
mod rules;

pub use condition::ConditionStatus;
pub use connection::{
    Access, AccessStatus, ClientCertificate, ClientSecret, Cloud, Credential, CredentialExpiry,
    GraphConnection, GraphConnectionSpec, GraphConnectionStatus, RefreshToken, RemoteCount,
    RequestBudget, WorkloadIdentity,
};
pub use definition::{custom_resource_definitions, definition_as_yaml, definitions_as_yaml};
pub use flow::{
    AppliedSecret, Drift, HandledRequests, ProvisioningFlow, ProvisioningFlowSpec,
    ProvisioningFlowStatus, ReadinessEntry, Reset, ResetPhase, Retry,
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
pub use observed::ObservedConfiguration;
pub use policy::{AdoptionPolicy, DeletionPolicy, DriftPolicy, ManagementPolicy};
pub use reference::{LocalReference, SecretKeyReference};

/// The API group of the three kinds.
pub const GROUP: &str = "industrydata.dev";

/// The finalizer that keeps a resource in the cluster until its remote object is deleted or released.
pub const FINALIZER: &str = "industrydata.dev/remote";

/// The annotations of the operator and of its chart.
pub mod annotation {
    words! {
        /// Set by a user: adopt only the remote object with this id.
        REMOTE_ID = "industrydata.dev/remote-id";
        /// Written by the operator before it creates a remote object: `<service time>/<uuid>/<uid of the resource>`.
        CREATE_ATTEMPT = "industrydata.dev/create-attempt";
        /// Set by a user, any new value: list from the service and reconcile now.
        REQUESTED_AT = "industrydata.dev/requested-at";
        /// Set by Flux's `flux reconcile` and by users, any new value: the same as `industrydata.dev/requested-at`.
        FLUX_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt";
        /// Set by a user, any new value: reset the flow once, as a new `spec.resetToken` would.
        RESET_REQUESTED_AT = "industrydata.dev/reset-requested-at";
        /// Set by a user to `"true"` on a resource that is being deleted: release it without a request to the service.
        ABANDON = "industrydata.dev/abandon";
        /// Set by a user to the name of the resource: permits its deletion where the chart's guard against accidental
        /// deletions is installed.
        CONFIRM_DELETION = "industrydata.dev/confirm-deletion";
        /// Set by a user on the Secret of a client secret: when it expires, such as `2027-06-30T00:00:00Z`.
        EXPIRES_AT = "industrydata.dev/expires-at";
        /// Set by a user on an `OutboundProvisioningFlowSet`: the other namespaces, separated by commas, that may have
        /// flows in its remote set.
        ALLOWED_NAMESPACES = "industrydata.dev/allowed-namespaces";
    }
}
