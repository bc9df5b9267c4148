//! `ProvisioningFlow`: one remote flow of one of the four concrete types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AdministrativeUnitFlow, AdoptionPolicy, ClassGroupFlow, DeletionPolicy, DriftPolicy,
    LocalReference, ManagementPolicy, SecurityGroupFlow, UserFlow, rules,
};

/// One outbound provisioning flow: which kind of record is provisioned for the schools of a set.
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
    doc = "One outbound provisioning flow: which kind of record (users, class groups, security groups or administrative units) is provisioned for the schools of a set.",
    printcolumn(name = "Type", type_ = "string", json_path = ".status.type"),
    printcolumn(
        name = "Set",
        type_ = "string",
        json_path = ".spec['flowSetRef.name','flowSetId']"
    ),
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
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.id", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#,
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
    validation = Rule::new("has(self.connectionRef) == has(oldSelf.connectionRef) && (!has(self.connectionRef) || self.connectionRef == oldSelf.connectionRef)").message("connectionRef cannot be changed: create another ProvisioningFlow for another connection")
)]
pub struct ProvisioningFlowSpec {
    /// The `OutboundProvisioningFlowSet` of the same namespace that the flow belongs to. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_set_ref: Option<LocalReference>,

    /// The id (a GUID) of a remote set that no resource stands for; needs `connectionRef`. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::guid("flowSetId"))]
    pub flow_set_id: Option<String>,

    /// The `GraphConnection` of the same namespace through which `flowSetId` is reached. Cannot be changed.
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

    /// Each new value resets the flow once: the service provisions all of its data again. The value that a resource is
    /// created, restored or adopted with is only noted. Absent or unchanged: no reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::trimmed("resetToken"), validation = rules::printable("resetToken"))]
    pub reset_token: Option<String>,

    /// How often the settled flow is looked at, from `1s` to `24h`; overrides the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::duration("pollInterval", "24h"))]
    pub poll_interval: Option<Duration>,

    /// How long the flow may be not ready before it counts as stalled, from `1s` to `720h`. The service runs every 12
    /// hours: the default is two runs and two hours of slack.
    #[serde(default = "default_progress_deadline")]
    #[schemars(extend("default" = "26h"), length(max = 32))]
    #[x_kube(validation = rules::duration("progressDeadline", "720h"))]
    pub progress_deadline: Duration,

    /// `Manage`, or `Observe`: never write to the service.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// `Delete`, or `Retain`: whether the remote flow goes when this resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `Never`, or `IfExists`: take over a flow of this type that the set has already.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// `Correct`, or `Report`: what to do when the remote flow differs from this spec.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// True: leave the remote flow as it is until this is false again. Deletion still works.
    #[serde(default)]
    pub suspend: bool,
}

/// What the operator knows of the remote flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningFlowStatus {
    /// The generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,

    /// The remote flow's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// The id of the remote set that holds the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_set_id: Option<String>,

    /// `administrativeUnit`, `classGroup`, `securityGroup` or `user`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,

    /// When the service created the flow, as the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<String>,

    /// When the flow's configuration was changed last, as the service says it. A change of readiness does not move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<String>,

    /// The service's own word: `notReady`, `ready`, `failed`, `disabled`, `expired`, or one that this version does not
    /// know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_status: Option<String>,

    /// The last ten values of `readinessStatus`, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness_history: Vec<ReadinessEntry>,

    /// The last reset that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,

    /// Where the remote flow differs from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,

    /// Which passwords the remote flow was given, by the versions of their Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_secrets: Vec<AppliedSecret>,

    /// Fingerprint of the definition that the service accepted last; parts that lists do not show are sent again when
    /// it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_definition: Option<String>,

    /// UUID of the create attempt whose outcome is known: the last segment of `industrydata.dev/create-attempt` that
    /// needs no more looking into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_attempt: Option<String>,

    /// The failures since the last success, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// The value of `industrydata.dev/requested-at` (or of Flux's `reconcile.fluxcd.io/requestedAt`) handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// The values of `industrydata.dev/requested-at` and `reconcile.fluxcd.io/requestedAt` that were handled last;
    /// written only while both annotations are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_requests: Option<HandledRequests>,

    /// `Ready` and `Synced`; `Reconciling` and `Stalled` only while True.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A value of `readinessStatus` and when it was first seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ReadinessEntry {
    /// The service's word.
    pub status: String,
    /// When the operator saw it first.
    pub since: Time,
}

/// A reset that was asked for.
///
/// Without a phase it was only noted: the resource was created, restored or adopted with these values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reset {
    /// The value of `spec.resetToken` that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The value of `industrydata.dev/reset-requested-at` that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// How far the reset came. Absent: noted only, nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ResetPhase>,
    /// When the phase began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// How far a reset came. Absent: noted only, nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResetPhase {
    /// Written down before the request is sent.
    Sending,
    /// The service accepted it.
    Accepted,
    /// The service refused it, or it was never sent; it is tried again when the reason passes.
    Refused,
    /// Nobody can tell whether it took effect; it is not sent again. A new token resets anew.
    Unknown,
}

/// One place where the remote object differs from the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Drift {
    /// Where, in the service's words: `managementOptions.additionalOptions.studentAgeGroup`.
    pub path: String,
    /// What the spec declares, as JSON text cut at 256 characters.
    pub desired: String,
    /// What the service says, as JSON text cut at 256 characters.
    pub actual: String,
}

/// Where the password of a role group was read. It tells that a password changed without telling anything about it.
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

/// Failures since the last success. It lives in status so that neither a restart nor a change of leader forgets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many attempts failed in a row.
    pub failures: i32,
    /// When to try again, unless something changes before.
    pub not_before: Time,
    /// A fingerprint of what a person could mend; the failures are forgotten when it changes.
    pub inputs: String,
}

/// The values of the two annotations that ask for a reconciliation, as they were handled last.
///
/// `lastHandledReconcileAt` has room for one of them only, so with both set it cannot show which value is new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandledRequests {
    /// The value of `industrydata.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<String>,
    /// The value of `reconcile.fluxcd.io/requestedAt` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flux_requested_at: Option<String>,
}

/// `status.observedGeneration` of an object that was never looked at.
pub(super) fn never_observed() -> i64 {
    -1
}

fn default_progress_deadline() -> Duration {
    std::time::Duration::from_hours(26).into()
}
