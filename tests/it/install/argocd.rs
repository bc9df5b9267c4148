//! What Argo CD takes resources for at each stage of their lives, and what its actions do: its own code judges live
//! objects, and runs the scripts.

use std::collections::BTreeMap;

use industrydata_operator::api::{ProvisioningFlow, ResetPhase};
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::{Tool, run_with_input};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{path, unsettled};
use crate::conditions::is_ready;
use crate::generated::assert_generated;
use crate::manifests::{groups, sample};
use crate::test_env::TestEnv;

const CONFIG: &str = "deploy/argocd/argocd-cm.yaml";

/// The actions with their scripts. The first is only for flows.
const ACTIONS: [(&str, &str); 4] = [
    (
        "reset",
        include_str!("../../../deploy/argocd/actions/reset.lua"),
    ),
    (
        "sync-now",
        include_str!("../../../deploy/argocd/actions/sync-now.lua"),
    ),
    (
        "suspend",
        include_str!("../../../deploy/argocd/actions/suspend.lua"),
    ),
    (
        "resume",
        include_str!("../../../deploy/argocd/actions/resume.lua"),
    ),
];

#[test]
fn argo_cd_is_given_the_same_scripts_for_each_kind() {
    assert_generated(CONFIG, &config());
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_takes_each_stage_for_what_it_is() {
    let mut env = TestEnv::set_up("argocd", unsettled()).await;
    let argo = Argo::new().await;
    let (flow, other) = ("north-class-groups", "north-users");
    let says = async |env: &TestEnv, health| argo.says(env, &[(flow, health)]).await;
    env.apply_samples().await;
    let unseen = ["contoso", "north", other].map(|name| (name, "Progressing"));
    argo.says(&env, &unseen).await;
    env.start_operator(&[]).await;
    let made = [
        ("contoso", "Healthy"),
        ("north", "Healthy"),
        (other, "Progressing"),
    ];
    argo.says(&env, &made).await;
    let id = |flow: &ProvisioningFlow| flow.status.as_ref()?.id.clone();
    let has_id = |flow: &ProvisioningFlow| id(flow).is_some();
    let id = id(&env.flow_where(flow, has_id).await).unwrap();
    for (word, health) in [
        ("ready", "Healthy"),
        ("failed", "Degraded"),
        ("expired", "Degraded"),
        ("notReady", "Progressing"),
        ("ready", "Healthy"),
    ] {
        env.simulator.set_readiness(&id, word).unwrap();
        says(&env, health).await;
    }
    env.flow_where(flow, is_ready).await;
    env.patch_flow(flow, json!({ "driftPolicy": "Report" }))
        .await;
    // The operator would correct a difference that it sees before this edit.
    says(&env, "Healthy").await;
    let drift = json!({ "configuration": {
        "additionalOptions": { "createTeam": false, "writeDisplayNameOnCreateOnly": false },
        "enrollmentMappings": {
            "ownerEnrollmentMappings": [{ "code": "teacher" }],
            "memberEnrollmentMappings": [{ "code": "student" }],
        },
    } });
    env.simulator.update_flow(&id, &drift).unwrap();
    says(&env, "Degraded").await;
    env.patch_flow(flow, json!({ "driftPolicy": "Correct" }))
        .await;
    says(&env, "Healthy").await;
    env.patch_flow(flow, json!({ "suspend": true })).await;
    says(&env, "Suspended").await;
    // A missing Secret is waited for, but one that holds a wrong value needs a person.
    let refused = sample("connection.yaml")
        .replace("name: contoso", "name: fabrikam")
        .replace("simulator-secret", "expired-secret");
    env.apply(&refused).await.unwrap();
    argo.says(&env, &[("fabrikam", "Degraded")]).await;
    env.stop_operator().await;
    env.patch_flow(flow, json!({ "suspend": false })).await;
    says(&env, "Progressing").await;
    let delete = ["delete", "flowset", "north", "--wait=false"];
    env.kubectl(&delete).await.unwrap();
    argo.says(&env, &[("north", "Progressing"), ("contoso", "Healthy")])
        .await;
    env.start_operator(&[]).await;
    let all = ["delete", "industrydata", "--all"];
    env.kubectl(&all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_argo_cd_do_what_their_names_say() {
    let mut env = TestEnv::set_up("argocd-actions", Options::default()).await;
    let argo = Argo::new().await;
    let (flow, set, connection) = ("pflow/groups", "flowset/north", "gconn/contoso");
    env.apply_sample_set().await;
    env.apply(&groups("groups")).await.unwrap();
    // There is no flow at the service yet that could be reset.
    assert_eq!(argo.actions(&env, flow).await, "suspend sync-now");
    env.start_operator(&[]).await;
    env.flow_where("groups", is_ready).await;
    assert_eq!(argo.actions(&env, flow).await, "reset suspend sync-now");
    for other in [set, connection] {
        assert_eq!(argo.actions(&env, other).await, "suspend sync-now");
    }

    argo.run(&env, "reset", flow).await;
    env.flow_where("groups", |flow| reset(flow) == Some(ResetPhase::Accepted))
        .await;
    assert_eq!(env.committed(Operation::ResetFlow), 1);

    argo.run(&env, "sync-now", flow).await;
    env.flow_where("groups", |flow| {
        let requested = flow.annotations().get("industrydata.dev/requested-at");
        let handled = flow.status.as_ref();
        let handled = handled.and_then(|one| one.last_handled_reconcile_at.as_ref());
        requested.is_some() && requested == handled && is_ready(flow)
    })
    .await;

    for resource in [flow, set, connection] {
        argo.run(&env, "suspend", resource).await;
        argo.says(&env, &[(name(resource), "Suspended")]).await;
        assert_eq!(argo.actions(&env, resource).await, "resume sync-now");
        argo.run(&env, "resume", resource).await;
        argo.says(&env, &[(name(resource), "Healthy")]).await;
    }
    assert_eq!(env.committed(Operation::ResetFlow), 1);
    // An action patches what it is about, and leaves empty objects and lists as they are.
    let declared = live(&env, flow).await["spec"].clone();
    assert_eq!(declared["suspend"], json!(false));

    env.patch_flow("groups", json!({ "managementPolicy": "Observe" }))
        .await;
    assert_eq!(argo.actions(&env, flow).await, "suspend sync-now");
    env.stop_operator().await;
    let delete = ["delete", flow, "--wait=false"];
    env.kubectl(&delete).await.unwrap();
    assert_eq!(argo.actions(&env, flow).await, "");
    env.start_operator(&[]).await;
    env.kubectl(&["delete", "industrydata", "--all"])
        .await
        .unwrap();
}

fn reset(flow: &ProvisioningFlow) -> Option<ResetPhase> {
    flow.status.as_ref()?.reset.as_ref()?.phase
}

fn name(resource: &str) -> &str {
    resource.split('/').next_back().unwrap()
}

/// What no test can hold for long enough on a live object.
#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_knows_each_combination_of_conditions() {
    let argo = Argo::new().await;
    let with = |ready: (&str, &str), other: Option<(&str, &str)>| {
        let condition = |type_: &str, status: &str, reason: &str| json!({ "type": type_, "status": status, "reason": reason, "message": format!("{type_} is {reason}") });
        let ready = condition("Ready", ready.0, ready.1);
        let other = other.map(|(type_, reason)| condition(type_, "True", reason));
        json!({
            "apiVersion": "industrydata.dev/v1alpha1",
            "kind": "ProvisioningFlow",
            "metadata": { "name": "users", "namespace": "default", "generation": 2 },
            "status": { "observedGeneration": 2, "conditions": other.into_iter().chain([ready]).collect::<Vec<_>>() },
        })
    };
    let reconciling = |reason| Some(("Reconciling", reason));
    let stalled = |reason| Some(("Stalled", reason));
    let mut table = vec![
        (with(("True", "Ready"), None), "Healthy"),
        (
            with(("False", "NotReady"), reconciling("NotReady")),
            "Progressing",
        ),
        (
            with(("False", "SecretNotFound"), reconciling("SecretNotFound")),
            "Progressing",
        ),
        (
            with(("False", "SecretNotFound"), stalled("SecretNotFound")),
            "Degraded",
        ),
        // A reset is in progress, or an edit was not applied.
        (
            with(("Unknown", "Resetting"), reconciling("Resetting")),
            "Progressing",
        ),
        // A list cannot be read.
        (
            with(("Unknown", "Unreachable"), reconciling("Unreachable")),
            "Progressing",
        ),
        (with(("Unknown", "Unreachable"), None), "Progressing"),
        (
            with(("Unknown", "ResetUnknown"), stalled("ResetUnknown")),
            "Degraded",
        ),
    ];
    for status in ["True", "False", "Unknown"] {
        let suspended = (status, "Suspended");
        table.push((with(suspended, None), "Suspended"));
        table.push((with(suspended, stalled("Failed")), "Suspended"));
        table.push((with(suspended, reconciling("NotReady")), "Suspended"));
    }
    let mut edited = with(("True", "Ready"), None);
    edited["metadata"]["generation"] = json!(3);
    table.push((edited, "Progressing"));
    let objects: Vec<&Value> = table.iter().map(|(object, _)| object).collect();
    let healths = argo.healths(&objects).await;
    assert_eq!(healths.len(), table.len());
    for ((object, expected), health) in table.iter().zip(&healths) {
        assert_eq!(health, expected, "{object}");
    }
}

/// Argo CD, as it is configured by us.
pub struct Argo {
    config: tempfile::NamedTempFile,
}

impl Argo {
    /// Its program is built before anything is waited for, as all waiting has a limit.
    pub async fn new() -> Self {
        Tool::ArgoCd.command().await.unwrap();
        let config = tempfile::NamedTempFile::new().unwrap();
        let text = std::fs::read_to_string(path(CONFIG)).unwrap();
        let object: Value = serde_saphyr::from_str(&text).unwrap();
        std::fs::write(&config, object.to_string()).unwrap();
        Self { config }
    }

    /// Waits until these resources are as healthy as this.
    async fn says(&self, env: &TestEnv, expected: &[(&str, &str)]) {
        let what = format!("Argo CD to say {expected:?}");
        let holds = async || {
            let healths = self.judge(env).await;
            expected
                .iter()
                .all(|(name, health)| healths[*name] == *health)
        };
        env.until(&what, holds).await;
    }

    /// The health of each resource.
    async fn judge(&self, env: &TestEnv) -> BTreeMap<String, String> {
        let list = env
            .kubectl(&["get", "industrydata", "--output", "json"])
            .await
            .unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let items: Vec<&Value> = list["items"].as_array().unwrap().iter().collect();
        let healths = self.healths(&items).await;
        let names = items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap());
        names.map(str::to_owned).zip(healths).collect()
    }

    pub async fn healths(&self, objects: &[&Value]) -> Vec<String> {
        self.answers(&["health"], objects).await
    }

    /// The names of the actions that can be run on a resource, separated by spaces.
    async fn actions(&self, env: &TestEnv, resource: &str) -> String {
        let object = live(env, resource).await;
        self.answers(&["actions"], &[&object]).await.remove(0)
    }

    /// Runs an action on a resource, as the server of Argo CD does: with a patch.
    async fn run(&self, env: &TestEnv, action: &str, resource: &str) {
        let object = live(env, resource).await;
        let patch = self.answers(&["run", action], &[&object]).await.remove(0);
        let patch = ["patch", resource, "--type=merge", "--patch", &patch];
        env.kubectl(&patch).await.unwrap();
    }

    /// One line of output for each object.
    async fn answers(&self, command: &[&str], objects: &[&Value]) -> Vec<String> {
        let mut argo = Tool::ArgoCd.command().await.unwrap();
        argo.arg(self.config.path()).args(command);
        let input: String = objects.iter().map(ToString::to_string).collect();
        let answers = run_with_input(&mut argo, &input).await.unwrap();
        assert_eq!(answers.lines().count(), objects.len());
        answers.lines().map(str::to_owned).collect()
    }
}

async fn live(env: &TestEnv, resource: &str) -> Value {
    let get = ["get", resource, "--output", "json"];
    serde_json::from_str(&env.kubectl(&get).await.unwrap()).unwrap()
}

/// The file that the scripts make.
fn config() -> String {
    let health = indented(include_str!("../../../deploy/argocd/health.lua"), 4);
    let kinds = [
        ("GraphConnection", &ACTIONS[1..]),
        ("OutboundProvisioningFlowSet", &ACTIONS[1..]),
        ("ProvisioningFlow", &ACTIONS[..]),
    ];
    let healths = kinds.map(|(kind, _)| {
        format!("  resource.customizations.health.industrydata.dev_{kind}: |\n{health}")
    });
    let actions = kinds.map(|(kind, actions)| {
        let discovery = indented(include_str!("../../../deploy/argocd/actions/discovery.lua"), 6);
        let actions = actions.iter().map(|(name, script)| {
            let script = indented(script, 10);
            format!("      - name: {name}\n        action.lua: |\n{script}")
        });
        let actions = actions.collect::<String>();
        format!(
            "  resource.customizations.actions.industrydata.dev_{kind}: |\n    discovery.lua: |\n{discovery}    \
             definitions:\n{actions}"
        )
    });
    format!(
        "# Generated from health.lua and actions/. Merge `data` into the ConfigMap of your Argo CD.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
         app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n{}{}",
        healths.concat(),
        actions.concat()
    )
}

fn indented(script: &str, spaces: usize) -> String {
    let indent = " ".repeat(spaces);
    let lines = script.lines();
    lines.flat_map(|line| [&indent, line, "\n"]).collect()
}
