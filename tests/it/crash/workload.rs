//! What is done to the cluster while faults strike.

use industrydata_simulator::Simulator;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::credentials::{by_person, refresh_token};
use crate::manifests::{
    CLIENT, connection, connection_with, groups, object, other_groups, passwords, set, users, with,
};
use crate::test_env::TestEnv;

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
    SignIn,
    Restore,
}

impl Workload {
    pub const ALL: [Self; 9] = [
        Self::CreateSet,
        Self::CreateFlow,
        Self::AdoptFlow,
        Self::UpdateFlow,
        Self::ResetFlow,
        Self::DeleteAll,
        Self::RotateSecrets,
        Self::SignIn,
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
            Self::SignIn => "sign a person in",
            Self::Restore => "restore from a backup",
        }
    }

    /// What there is already, and has been brought to rest by an operator; nothing: there was none yet.
    pub fn before(self) -> Vec<Value> {
        let flow = match self {
            Self::CreateSet => return Vec::new(),
            Self::CreateFlow | Self::AdoptFlow => return vec![connection(), set("north")],
            Self::RotateSecrets => users("north"),
            Self::UpdateFlow | Self::ResetFlow | Self::DeleteAll | Self::SignIn => groups("north"),
            // With a token that it was born with: it is no reason to reset, now or when it is restored.
            Self::Restore => with(groups("north"), &json!({ "resetToken": "born" })),
        };
        vec![
            connection(),
            passwords("Change-me-1-staff"),
            set("north"),
            flow,
        ]
    }

    /// What users do, while no operator runs.
    pub async fn act(self, env: &TestEnv) {
        match self {
            Self::CreateSet => {
                env.put(&connection()).await;
                env.put(&set("north")).await;
            }
            Self::CreateFlow => env.put(&groups("north")).await,
            Self::AdoptFlow => adopt(env).await,
            Self::UpdateFlow => env.put(&with(groups("north"), &other_groups())).await,
            Self::ResetFlow => {
                let reset = json!({ "resetToken": "again" });
                env.put(&with(groups("north"), &reset)).await;
            }
            Self::DeleteAll => {
                for kind in ["OutboundProvisioningFlowSet", "ProvisioningFlow"] {
                    remove(env, kind).await;
                }
            }
            Self::RotateSecrets => rotate(env).await,
            Self::SignIn => sign_in(env).await,
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
    let mut flow = groups("north");
    flow["metadata"]["annotations"] = json!({ "industrydata.dev/remote-id": id });
    env.put(&flow).await;
}

async fn rotate(env: &TestEnv) {
    env.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    env.put(&connection_with("rotated")).await;
    env.put(&passwords("Rotated-2-staff")).await;
}

/// A person signs in, whose refresh token is exchanged, and written back before the flow is changed.
async fn sign_in(env: &TestEnv) {
    let token = "canary-refresh-0".to_owned();
    env.simulator
        .set_refresh_tokens(CLIENT, vec![token])
        .unwrap();
    env.put(&refresh_token("canary-refresh-0")).await;
    env.put(&by_person()).await;
    env.put(&with(groups("north"), &other_groups())).await;
}

/// As from a backup: what users and the operator wrote into the resource comes back, its status does not.
async fn restore(env: &TestEnv, kind: &str) {
    let api = env.api(kind);
    let saved = api.get("north").await.unwrap();
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    api.patch("north", &PatchParams::default(), &free)
        .await
        .unwrap();
    remove(env, kind).await;
    let mut restored = object(kind, "north", &saved.data["spec"]);
    restored["metadata"]["annotations"] = json!(saved.metadata.annotations);
    env.put(&restored).await;
}

async fn remove(env: &TestEnv, kind: &str) {
    let parameters = DeleteParams::default();
    env.api(kind).delete("north", &parameters).await.unwrap();
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
