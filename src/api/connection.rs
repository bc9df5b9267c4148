//! `GraphConnection`: a tenant, a credential and a request budget.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HandledRequests, LocalReference, SecretKeyReference, rules};

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
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Last-Poll", type_ = "string", json_path = ".status.lastPoll"),
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.clientSecret), has(self.clientCertificate), has(self.workloadIdentity), has(self.refreshToken)].filter(given, given).size() == 1").message("credential needs exactly one member: clientSecret, clientCertificate, workloadIdentity or refreshToken"))]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// A client secret of the app registration, kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,

    /// A certificate of the app registration, kept in a Secret of the type `kubernetes.io/tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,

    /// A service account of the same namespace that the app registration trusts as a federated credential. Nothing is
    /// kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentity>,

    /// The refresh token of a person who has signed in, kept in a Secret: access on that person's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshToken>,
}

/// A client secret of the app registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// The Secret and the key in it that hold the client secret.
    pub secret_key_ref: SecretKeyReference,

    /// When the client secret expires, for instance `2027-06-30T00:00:00Z`, as the app registration shows it. The
    /// connection reports the end 30, 7 and 1 days ahead. The annotation `industrydata.dev/expires-at` of the Secret has
    /// the same effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    #[x_kube(validation = rules::date_time("expiresAt"))]
    pub expires_at: Option<String>,
}

/// A certificate of the app registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The Secret that holds the certificate under `tls.crt` and its private key under `tls.key`, both as PEM. The key is
    /// RSA, with 2048 to 4096 bits.
    pub secret_ref: LocalReference,
}

/// A service account that the app registration trusts as a federated credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// Name of the service account, in the same namespace. Its annotation `azure.workload.identity/client-id` must equal
    /// `spec.clientId`, which permits the operator to act for it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::service_account_name())]
    pub service_account_name: String,
}

/// The refresh token of a person who has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    /// The Secret and the key in it that hold the refresh token. `kubectl industrydata login` creates it. The authority
    /// replaces the token from time to time; the operator writes the new one back if it may patch the Secret.
    pub secret_key_ref: SecretKeyReference,

    /// The Secret and the key in it that hold the client secret, if the app registration is not a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_key_ref: Option<SecretKeyReference>,
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

    /// What the credential may do at the service, as its responses and the token show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessStatus>,

    /// When the credential expires, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_expiry: Option<CredentialExpiry>,

    /// Whether polls list all sets: `current` while the last one did, which is not older than about `spec.pollInterval`.
    /// Otherwise the time of the last one that did, or `unknown` if an earlier process made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_poll: Option<String>,

    /// Since when the service has been throttling requests, which are then sent at a lower rate than
    /// `spec.requestBudget` allows. Absent if it has throttled none for ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_since: Option<String>,

    /// What the tenant contains, as of a poll that found a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteCount>,

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

/// What the credential of a connection may do at the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// Whether it may list and read: `Allowed`, `Refused` or `Unknown`.
    #[serde(default)]
    pub read: Access,
    /// Whether it may create, update, reset and delete: `Allowed`, `Refused` or `Unknown`.
    #[serde(default)]
    pub write: Access,
    /// When one of these last changed.
    #[serde(default)]
    pub checked_at: String,
}

/// Numbers of remote objects, and of those that no resource declares through this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteCount {
    /// Number of sets.
    #[serde(default)]
    pub sets: i32,
    /// Number of sets that no resource declares and no flow refers to.
    #[serde(default)]
    pub sets_undeclared: i32,
    /// Number of flows in the other sets. The flows of undeclared sets are not listed.
    #[serde(default)]
    pub flows: i32,
    /// Number of these flows that no resource declares.
    #[serde(default)]
    pub flows_undeclared: i32,
}

/// Whether a credential may do something.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Access {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
    /// Nothing shows it yet.
    #[default]
    Unknown,
}

/// When the credential of a connection expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialExpiry {
    /// The time at which it expires.
    #[serde(default)]
    pub time: String,
    /// What has been reported of it: `30d`, `7d` or `1d` before the end, or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
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
