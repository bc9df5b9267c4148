//! What is done to the cluster while faults strike.

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::Simulator;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::test_env::{TestEnv, security};

const CLIENT: &str = "66666666-7777-4888-8999-000000000000";
const VERSION: &str = "industrydata.dev/v1alpha1";

/// One thing that users do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    CreateSet,
    CreateFlow,
    AdoptFlow,
    UpdateFlow,
    ResetFlow,
    DeleteAll,
    RotateSecrets,
    Restore,
}

impl Workload {
    pub const ALL: [Self; 8] = [
        Self::CreateSet,
        Self::CreateFlow,
        Self::AdoptFlow,
        Self::UpdateFlow,
        Self::ResetFlow,
        Self::DeleteAll,
        Self::RotateSecrets,
        Self::Restore,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::CreateSet => "create a set",
            Self::CreateFlow => "create a flow",
            Self::AdoptFlow => "adopt a flow",
            Self::UpdateFlow => "update a flow",
            Self::ResetFlow => "reset a flow",
            Self::DeleteAll => "delete a flow and its set",
            Self::RotateSecrets => "rotate a password and the credential",
            Self::Restore => "restore from a backup",
        }
    }

    /// What there is already, and has been brought to rest by an operator; nothing: there was none yet.
    pub fn before(self) -> Vec<Value> {
        let flow = match self {
            Self::CreateSet => return Vec::new(),
            Self::CreateFlow | Self::AdoptFlow => return [connection(), vec![set()]].concat(),
            Self::RotateSecrets => users(),
            Self::UpdateFlow | Self::ResetFlow | Self::DeleteAll => groups(&json!({})),
            // With a token that it was born with: it is no reason to reset, now or when it is restored.
            Self::Restore => groups(&json!({ "resetToken": "born" })),
        };
        [connection(), vec![passwords("Change-me-1"), set(), flow]].concat()
    }

    /// What users do, while no operator runs.
    pub async fn act(self, env: &TestEnv) {
        match self {
            Self::CreateSet => {
                put_all(env, &connection()).await;
                put(env, &set()).await;
            }
            Self::CreateFlow => put(env, &groups(&json!({}))).await,
            Self::AdoptFlow => adopt(env).await,
            Self::UpdateFlow => put(env, &groups(&other_groups())).await,
            Self::ResetFlow => put(env, &groups(&json!({ "resetToken": "again" }))).await,
            Self::DeleteAll => {
                for kind in ["OutboundProvisioningFlowSet", "ProvisioningFlow"] {
                    remove(env, kind).await;
                }
            }
            Self::RotateSecrets => rotate(env).await,
            Self::Restore => {
                for kind in ["OutboundProvisioningFlowSet", "ProvisioningFlow"] {
                    restore(env, kind).await;
                }
            }
        }
    }
}

async fn adopt(env: &TestEnv) {
    let set = &env.simulator.snapshot().sets[0].id;
    let body = json!({
        "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "creationOptions": { "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": false },
    });
    let id = env.simulator.create_flow(set, &body).unwrap();
    let mut flow = groups(&json!({}));
    flow["metadata"]["annotations"] = json!({ "industrydata.dev/remote-id": id });
    put(env, &flow).await;
}

async fn rotate(env: &TestEnv) {
    env.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    put(
        env,
        &secret("contoso", &json!({ "clientSecret": "rotated" })),
    )
    .await;
    put(env, &passwords("Rotated-2")).await;
}

/// As from a backup: what users and the operator wrote into the resource comes back, its status does not.
async fn restore(env: &TestEnv, kind: &str) {
    let api = api(env, kind);
    let saved = api.get("north").await.unwrap();
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    api.patch("north", &PatchParams::default(), &free)
        .await
        .unwrap();
    remove(env, kind).await;
    let restored = json!({
        "apiVersion": VERSION,
        "kind": kind,
        "metadata": { "name": "north", "annotations": saved.metadata.annotations },
        "spec": saved.data["spec"],
    });
    put(env, &restored).await;
}

async fn remove(env: &TestEnv, kind: &str) {
    let parameters = DeleteParams::default();
    api(env, kind).delete("north", &parameters).await.unwrap();
}

pub async fn put_all(env: &TestEnv, manifests: &[Value]) {
    for manifest in manifests {
        put(env, manifest).await;
    }
}

/// Applies a manifest as a user does, at the cost of one request.
pub async fn put(env: &TestEnv, manifest: &Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let api = api(env, &text(&manifest["kind"]));
    let parameters = PatchParams::apply("user").force();
    let name = text(&manifest["metadata"]["name"]);
    api.patch(&name, &parameters, &Patch::Apply(manifest))
        .await
        .unwrap();
}

pub fn api(env: &TestEnv, kind: &str) -> Api<DynamicObject> {
    let resource = match kind {
        "Secret" => ApiResource::erase::<Secret>(&()),
        "GraphConnection" => ApiResource::erase::<GraphConnection>(&()),
        "OutboundProvisioningFlowSet" => ApiResource::erase::<OutboundProvisioningFlowSet>(&()),
        _ => ApiResource::erase::<ProvisioningFlow>(&()),
    };
    Api::namespaced_with(env.client.clone(), &env.namespace, &resource)
}

/// The credential and the connection, which polls each second.
pub fn connection() -> Vec<Value> {
    let spec = json!({
        "tenantId": "11111111-2222-4333-8444-555555555555",
        "clientId": CLIENT,
        "credential": { "clientSecret": { "secretKeyRef": { "name": "contoso", "key": "clientSecret" } } },
        "pollInterval": "1s",
        "requestBudget": { "perSecond": 20, "burst": 40 },
    });
    let credential = secret("contoso", &json!({ "clientSecret": "simulator-secret" }));
    vec![credential, object("GraphConnection", "contoso", &spec)]
}

pub fn set() -> Value {
    let spec = json!({ "connectionRef": { "name": "contoso" }, "displayName": "District north" });
    object("OutboundProvisioningFlowSet", "north", &spec)
}

fn groups(more: &Value) -> Value {
    let mut spec = json!({ "flowSetRef": { "name": "north" }, "pollInterval": "1s", "securityGroup": security() });
    for (member, value) in more.as_object().unwrap() {
        spec[member] = value.clone();
    }
    object("ProvisioningFlow", "north", &spec)
}

fn other_groups() -> Value {
    json!({ "securityGroup": { "creationOptions": { "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": true } } })
}

fn users() -> Value {
    let password = json!({ "secretKeyRef": { "name": "passwords", "key": "staff" } });
    let spec = json!({
        "flowSetRef": { "name": "north" },
        "pollInterval": "1s",
        "user": {
            "createUnmatchedUsers": true,
            "managementOptions": {
                "additionalAttributes": ["userGradeLevel"],
                "additionalOptions": { "studentAgeGroup": "minor", "allowStudentContactAssociation": false },
            },
            "creationOptions": { "configurations": [{ "roleGroup": "staff", "defaultPassword": password }] },
        },
    });
    object("ProvisioningFlow", "north", &spec)
}

fn passwords(start: &str) -> Value {
    secret("passwords", &json!({ "staff": format!("{start}-staff") }))
}

fn secret(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}

pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// The password that the service has for the staff of a flow.
pub fn password_of(simulator: &Simulator, flow: &str) -> Option<&'static str> {
    let is = |password: &&str| {
        let has = simulator.has_password(flow, "staff", password);
        has.unwrap_or_default()
    };
    ["Change-me-1-staff", "Rotated-2-staff"]
        .into_iter()
        .find(is)
}
