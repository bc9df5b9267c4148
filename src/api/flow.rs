//! `ProvisioningFlow`: one remote flow of one of the four concrete types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AdministrativeUnitFlow, AdoptionPolicy, ClassGroupFlow, DeletionPolicy, DriftPolicy,
    LocalReference, ManagementPolicy, ObservedConfiguration, SecurityGroupFlow, UserFlow, rules,
};

/// An outbound provisioning flow: the kind of record that is provisioned for the schools of a set.
#[expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has its own type and priority"
)]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "industrydata.dev",
    version = "v1alpha1",
    kind = "ProvisioningFlow",
    plural = "provisioningflows",
    shortname = "pflow",
    category = "industrydata",
    namespaced,
    status = "ProvisioningFlowStatus",
    derive = "PartialEq",
    doc = "An outbound provisioning flow: the kind of record (users, class groups, security groups or administrative units) that is provisioned for the schools of a set.",
    printcolumn(name = "Type", type_ = "string", json_path = ".status.type"),
    printcolumn(name = "Set", type_ = "string", json_path = ".status.flowSet"),
    printcolumn(
        name = "Readiness",
        type_ = "string",
        json_path = ".status.readinessStatus"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Synced")].status"#,
        priority = 1
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        priority = 1
    ),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.id", priority = 1),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.administrativeUnit), has(self.classGroup), has(self.securityGroup), has(self.user)].filter(given, given).size() == 1").message("give exactly one of administrativeUnit, classGroup, securityGroup and user"),
    validation = Rule::new("has(self.administrativeUnit) == has(oldSelf.administrativeUnit) && has(self.classGroup) == has(oldSelf.classGroup) && has(self.securityGroup) == has(oldSelf.securityGroup) && has(self.user) == has(oldSelf.user)").message("the kind of a flow (administrativeUnit, classGroup, securityGroup or user) cannot be changed: create another ProvisioningFlow"),
    validation = Rule::new("has(self.flowSetRef) != has(self.flowSetId)").message("give exactly one of flowSetRef and flowSetId"),
    validation = Rule::new("has(self.flowSetId) == has(self.connectionRef)").message("connectionRef belongs to flowSetId: give both, or flowSetRef alone"),
    validation = Rule::new("has(self.flowSetRef) == has(oldSelf.flowSetRef) && (!has(self.flowSetRef) || self.flowSetRef == oldSelf.flowSetRef)").message("flowSetRef cannot be changed: create another ProvisioningFlow for another set"),
    validation = Rule::new("has(self.flowSetId) == has(oldSelf.flowSetId) && (!has(self.flowSetId) || self.flowSetId == oldSelf.flowSetId)").message("flowSetId cannot be changed: create another ProvisioningFlow for another set"),
    validation = Rule::new("has(self.connectionRef) == has(oldSelf.connectionRef) && (!has(self.connectionRef) || self.connectionRef == oldSelf.connectionRef)").message("connectionRef cannot be changed: create another ProvisioningFlow for another connection"),
    validation = Rule::new("self.managementPolicy == 'Observe' || !has(self.administrativeUnit) || has(self.administrativeUnit.creationOptions)").message("administrativeUnit.creationOptions is required, unless managementPolicy is Observe"),
    validation = Rule::new("self.managementPolicy == 'Observe' || !has(self.classGroup) || has(self.classGroup.configuration)").message("classGroup.configuration is required, unless managementPolicy is Observe"),
    validation = Rule::new("self.managementPolicy == 'Observe' || !has(self.securityGroup) || has(self.securityGroup.creationOptions)").message("securityGroup.creationOptions is required, unless managementPolicy is Observe"),
    validation = Rule::new("self.managementPolicy == 'Observe' || !has(self.user) || has(self.user.managementOptions)").message("user.managementOptions is required, unless managementPolicy is Observe")
)]
pub struct ProvisioningFlowSpec {
    /// The `OutboundProvisioningFlowSet` in the same namespace that the flow belongs to. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_set_ref: Option<LocalReference>,

    /// The id (a GUID) of a remote set that no resource manages; requires `connectionRef`. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::guid("flowSetId"))]
    pub flow_set_id: Option<String>,

    /// The `GraphConnection` in the same namespace through which `flowSetId` is reached. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<LocalReference>,

    /// Provisions administrative units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrative_unit: Option<AdministrativeUnitFlow>,

    /// Provisions class groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_group: Option<ClassGroupFlow>,

    /// Provisions security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group: Option<SecurityGroupFlow>,

    /// Provisions users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserFlow>,

    /// Each new value resets the flow once: the service provisions all of its data again. The value with which a
    /// resource is created, restored or adopted is only recorded. If absent or unchanged, the flow is not reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::trimmed("resetToken"), validation = rules::printable("resetToken"))]
    pub reset_token: Option<String>,

    /// Interval between polls of the flow while it is settled, from `1s` to `24h`; overrides the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::duration("pollInterval", "24h"))]
    pub poll_interval: Option<Duration>,

    /// How long the flow may stay not ready, or work on it may be in progress, before it counts as stalled, from `1s` to
    /// `720h`. The service runs every 12 hours: the default covers two runs and two hours of slack.
    #[serde(default = "default_progress_deadline")]
    #[schemars(extend("default" = "26h"), length(max = 32))]
    #[x_kube(validation = rules::duration("progressDeadline", "720h"))]
    pub progress_deadline: Duration,

    /// `Manage`, or `Observe` to never write to the service.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// Whether the remote flow is deleted with this resource: `Delete` or `Retain`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `Never`, or `IfExists` to adopt a flow of this type that already exists in the set.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// What to do when the remote flow differs from this spec: `Correct` or `Report`.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// If true, the remote flow is left unchanged until this is false again. Deletion still works.
    #[serde(default)]
    pub suspend: bool,
}

/// The observed state of the remote flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningFlowStatus {
    /// The generation of the spec that this status describes; -1 before the first reconcile.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,

    /// The remote flow's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Whether this resource manages the remote object with this id: then no other resource can.
    // Also written if false, so that it replaces the value of another writer.
    #[serde(default)]
    pub owned: bool,

    /// The id of the remote set that contains the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_set_id: Option<String>,

    /// The set as the spec refers to it: the name of the `OutboundProvisioningFlowSet`, or the value of
    /// `spec.flowSetId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_set: Option<String>,

    /// The type of the flow: `administrativeUnit`, `classGroup`, `securityGroup` or `user`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,

    /// When the service created the flow, as the service reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<String>,

    /// When the flow's configuration was last changed, as the service reports it. A change of readiness does not affect
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<String>,

    /// The readiness that the service reports: `notReady`, `ready`, `failed`, `disabled`, `expired`, or a value that
    /// this version does not recognize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_status: Option<String>,

    /// The last ten values of `readinessStatus`, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness_history: Vec<ReadinessEntry>,

    /// The configuration of the flow as the service returns it, in the form of the spec: its member for the type of the
    /// flow, without passwords. Lists have no order. Absent while the flow has not been listed, or if it takes more than
    /// 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedConfiguration>,

    /// The last reset that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,

    /// Where the remote flow differs from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,

    /// The passwords that were last sent for the remote flow, by the versions of their Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_secrets: Vec<AppliedSecret>,

    /// Fingerprint of the definition that the service last accepted; parts that lists do not include are sent again
    /// when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_definition: Option<String>,

    /// UUID of the create attempt whose outcome is known: the id in `industrydata.dev/create-attempt` that needs no
    /// further investigation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_attempt: Option<String>,

    /// The failures since the last success, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// The last handled value of `industrydata.dev/requested-at` (or of Flux's `reconcile.fluxcd.io/requestedAt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// The last handled values of `industrydata.dev/requested-at` and `reconcile.fluxcd.io/requestedAt`; recorded only
    /// while both annotations are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_requests: Option<HandledRequests>,

    /// `Ready` and `Synced`; `Reconciling` and `Stalled` only while True.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A value of `readinessStatus` and when it was first observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ReadinessEntry {
    /// The value of `readinessStatus`.
    pub status: String,
    /// When the operator first observed the value.
    pub since: Time,
}

/// A reset that was requested.
///
/// Without a phase, the request was only recorded: the resource was created, restored or adopted with these values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reset {
    /// The value of `spec.resetToken` that requested the reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The value of `industrydata.dev/reset-requested-at` that requested the reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// The progress of the reset. If absent, the request was only recorded and nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ResetPhase>,
    /// When the phase began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// The progress of a reset. If absent, the request was only recorded and nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResetPhase {
    /// Recorded before the request is sent.
    Sending,
    /// The service accepted the request.
    Accepted,
    /// The service refused the request, or it was never sent; it is retried when the cause is resolved.
    Refused,
    /// The outcome of the request is unknown; it is not retried. A new token resets the flow again.
    Unknown,
}

/// One place where the remote object differs from the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Drift {
    /// Path of the property at the service, for instance `managementOptions.additionalOptions.studentAgeGroup`.
    pub path: String,
    /// The declared value, as JSON text truncated to 256 characters. Of a longer list, the number of its values.
    pub desired: String,
    /// The value at the service, in the same form.
    pub actual: String,
    /// If the values are lists: what the one at the service has in addition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// If the values are lists: what the one at the service lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// The source of the password of a role group. It reveals that a password changed, and nothing about the password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedSecret {
    /// The role group that the password is for.
    pub role_group: String,
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
    /// The Secret's `metadata.uid`.
    pub uid: String,
    /// The Secret's `metadata.resourceVersion`.
    pub resource_version: String,
}

/// Failures since the last success. Recorded in the status so that they survive a restart and a change of leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Number of consecutive failures.
    pub failures: i32,
    /// When to retry, unless the inputs change earlier.
    pub not_before: Time,
    /// A fingerprint of the inputs that a person could fix; the failures are discarded when it changes.
    pub inputs: String,
}

/// The values of the two annotations that request a reconciliation, as they were last handled.
///
/// `lastHandledReconcileAt` can record only one of them, so with both set it cannot determine which value is new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandledRequests {
    /// The last handled value of `industrydata.dev/requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// The last handled value of `reconcile.fluxcd.io/requestedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flux_requested_at: Option<String>,
}

/// Returns `status.observedGeneration` of an object that was never reconciled.
pub(super) fn never_observed() -> i64 {
    -1
}

fn default_progress_deadline() -> Duration {
    std::time::Duration::from_hours(26).into()
}
