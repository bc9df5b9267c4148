//! `OutboundProvisioningFlowSet`: a remote flow set, which consists of a display name and a school filter.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AdoptionPolicy, DeletionPolicy, Drift, DriftPolicy, HandledRequests, LocalReference,
    ManagementPolicy, Retry, rules,
};

/// A set of provisioning flows for the same schools.
#[expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has its own type and priority"
)]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "industrydata.dev",
    version = "v1alpha1",
    kind = "OutboundProvisioningFlowSet",
    plural = "outboundprovisioningflowsets",
    shortname = "flowset",
    category = "industrydata",
    namespaced,
    status = "OutboundProvisioningFlowSetStatus",
    derive = "PartialEq",
    doc = "A set of provisioning flows for the same schools: a display name and a filter.",
    printcolumn(
        name = "DisplayName",
        type_ = "string",
        json_path = ".spec.displayName"
    ),
    printcolumn(name = "Flows", type_ = "string", json_path = ".status.flows.summary"),
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
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct OutboundProvisioningFlowSetSpec {
    /// The `GraphConnection` in the same namespace through which the set is reached. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("connectionRef cannot be changed: create another OutboundProvisioningFlowSet for another connection"))]
    pub connection_ref: LocalReference,

    /// The name of the set in the School Data Sync portal, 1 to 256 characters.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::trimmed("displayName"), validation = rules::printable("displayName"))]
    pub display_name: String,

    /// The schools whose records the set's flows provision. If absent, all schools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FlowSetFilter>,

    /// `Manage`, or `Observe` to never write to the service.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// Whether the remote set is deleted with this resource: `Delete` or `Retain`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `Never`, or `IfExists` to adopt a remote set that already has this display name.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// What to do when the remote set differs from this spec: `Correct` or `Report`.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// If true, the remote set is left unchanged until this is false again. Deletion still works.
    #[serde(default)]
    pub suspend: bool,
}

/// A filter that selects schools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowSetFilter {
    /// The attribute of a school that is compared with the values.
    pub attribute: FilterAttribute,

    /// The values that select a school, 1 to 1000 of at most 256 characters. Their order has no meaning.
    #[serde(rename = "in")]
    #[schemars(
        length(min = 1, max = 1000),
        inner(length(min = 1, max = 256)),
        transform = rules::of_members(vec![rules::trimmed("a value in filter.in"), rules::printable("a value in filter.in")])
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub values: Vec<String>,
}

/// An attribute of a school that a filter can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FilterAttribute {
    /// The school's id in the student information system.
    #[serde(rename = "orgExternalId")]
    OrgExternalId,
}

/// The observed state of the remote set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboundProvisioningFlowSetStatus {
    /// The generation of the spec that this status describes; -1 before the first reconcile.
    #[serde(default = "super::flow::never_observed")]
    pub observed_generation: i64,

    /// The remote set's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Whether this resource manages the remote object with this id: then no other resource can.
    // Also written if false, so that it replaces the value of another writer.
    #[serde(default)]
    pub owned: bool,

    /// When the service created the set, as the service reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<String>,

    /// When the set was last changed, as the service reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<String>,

    /// The `ProvisioningFlow` resources that refer to this set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<FlowCount>,

    /// Where the remote set differs from the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,

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

/// Numbers of the flows of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct FlowCount {
    /// Number of `ProvisioningFlow` resources that refer to the set.
    pub total: i32,
    /// Number of those that are `Ready`.
    pub ready: i32,
    /// Both, for people and columns: `3/4` if three of four are `Ready`.
    #[serde(default)]
    pub summary: String,
}

impl FlowCount {
    /// Creates the numbers of a set with `total` flows, of which `ready` are `Ready`.
    #[must_use]
    pub fn new(total: i32, ready: i32) -> Self {
        Self {
            total,
            ready,
            summary: format!("{ready}/{total}"),
        }
    }
}
