//! `GraphConnection`: a tenant, a credential and a request budget.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HandledRequests, SecretKeyReference, rules};

/// Access to the School Data Sync service of one Microsoft Entra tenant.
#[expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has its own type and priority"
)]
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "industrydata.dev",
    version = "v1alpha1",
    kind = "GraphConnection",
    plural = "graphconnections",
    shortname = "gconn",
    category = "industrydata",
    namespaced,
    status = "GraphConnectionStatus",
    derive = "PartialEq",
    doc = "A tenant, a credential and a request budget: access to the School Data Sync service of one Microsoft Entra tenant.",
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantId"),
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
pub struct GraphConnectionSpec {
    /// The tenant: its id (a GUID) or one of its verified domains, for instance `contoso.edu`. Cannot be changed.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::tenant(), validation = Rule::new("self == oldSelf").message("tenantId cannot be changed: create another GraphConnection for another tenant"))]
    pub tenant_id: String,

    /// The application (client) id of the app registration, a GUID.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::guid("clientId"))]
    pub client_id: String,

    /// The cloud of the tenant. The service exists only in the global cloud, which GCC tenants use too. The endpoints
    /// come from the operator's settings, never from a resource.
    #[serde(default)]
    pub cloud: Cloud,

    /// The credential with which the app authenticates.
    pub credential: Credential,

    /// Interval between polls of settled flows, from `1s` to `24h`, for instance `60s`, `5m` or `1h30m`. Each poll
    /// consists of a few list requests for all flows together.
    #[serde(default = "default_poll_interval")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::duration("pollInterval", "24h"))]
    pub poll_interval: Duration,

    /// The maximum rate of requests to the service; lowered automatically while the service throttles.
    #[serde(default)]
    pub request_budget: RequestBudget,

    /// If true, nothing that uses this connection is created, changed, reset or polled. Deletions still work.
    #[serde(default)]
    pub suspend: bool,
}

/// The cloud of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cloud {
    /// The worldwide cloud, including GCC.
    #[default]
    Global,
}

/// The credential with which the app authenticates: exactly one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.clientSecret)").message("credential needs exactly one member: clientSecret"))]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// A client secret of the app registration, kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,
}

/// A client secret of the app registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// The Secret and the key in it that hold the client secret.
    pub secret_key_ref: SecretKeyReference,
}

/// The maximum rate of requests to the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestBudget {
    /// Average number of requests per second, 1 to 1000.
    #[serde(default = "default_per_second")]
    #[schemars(range(min = 1, max = 1000))]
    pub per_second: i32,

    /// Number of requests that may be sent in a burst after a pause, 1 to 1000.
    #[serde(default = "default_burst")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: i32,
}

/// The observed state of the connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphConnectionStatus {
    /// The generation of the spec that this status describes; -1 before the first reconcile.
    #[serde(default = "super::flow::never_observed")]
    pub observed_generation: i64,

    /// Whether the service has ever answered through this connection. Only then do resources that use it own anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reached: bool,

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

impl Default for RequestBudget {
    fn default() -> Self {
        Self {
            per_second: default_per_second(),
            burst: default_burst(),
        }
    }
}

fn default_poll_interval() -> Duration {
    std::time::Duration::from_mins(1).into()
}

fn default_per_second() -> i32 {
    20
}

fn default_burst() -> i32 {
    40
}
