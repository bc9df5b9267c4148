//! `deploy/admission/`: policies for those who want more than the operator enforces, on a control plane of their own, as
//! they concern all namespaces.

use std::sync::Arc;

use industrydata_operator::api::{ProvisioningFlow, ResetPhase};
use industrydata_simulator::{Operation, Options, Simulator};
use industrydata_testbed::{Account, ControlPlane, run, run_with_input};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::conditions::is_ready;
use crate::install::{NAMESPACE, path, render};
use crate::manifests::{groups, groups_by_id, objects, set, with};
use crate::test_env::{TestEnv, start_plane};

/// A control plane with the policies in force, and with the roles that the chart gives to users.
async fn plane() -> Arc<ControlPlane> {
    static PLANE: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();
    Arc::clone(PLANE.get_or_init(start).await)
}

async fn start() -> Arc<ControlPlane> {
    let plane = start_plane().await;
    let namespace = ["create", "namespace", NAMESPACE];
    run(plane.kubectl().args(namespace)).await.unwrap();
    let chart = objects(&render(&plane, &json!({})).await.unwrap());
    let is_of_users = |object: &&Value| {
        let labels = &object["metadata"]["labels"];
        labels["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    };
    let roles: Vec<String> = chart
        .iter()
        .filter(is_of_users)
        .map(Value::to_string)
        .collect();
    assert_eq!(roles.len(), 2);
    let mut apply = plane.kubectl();
    apply.args(["apply", "--filename", "-"]);
    run_with_input(&mut apply, &roles.join("\n---\n"))
        .await
        .unwrap();
    let policies = path("deploy/admission");
    let apply = ["apply", "--validate=strict", "--filename", &policies];
    run(plane.kubectl().args(apply)).await.unwrap();
    plane
}

/// A user who may edit the namespace of an environment.
async fn editor(env: &TestEnv, name: &str) -> Account {
    let account = env.plane.service_account(&env.namespace, name).await;
    for role in ["view", "edit"] {
        bind(env, name, &format!("industrydata-operator-{role}")).await;
    }
    let account = account.unwrap();
    let may_edit = async || can(&account, "patch").await && can(&account, "get").await;
    env.until("the binding", may_edit).await;
    account
}

async fn bind(env: &TestEnv, account: &str, role: &str) {
    let (name, role) = (format!("{account}-{role}"), format!("--clusterrole={role}"));
    let subject = format!("--serviceaccount={}:{account}", env.namespace);
    let bind = ["create", "rolebinding", &name, &role, &subject];
    env.kubectl(&bind).await.unwrap();
}

async fn can(account: &Account, verb: &str) -> bool {
    let can = ["auth", "can-i", verb, "provisioningflows.industrydata.dev"];
    run(account.kubectl().args(can)).await.is_ok()
}

/// Whether a change is made, or only tried.
#[derive(Clone, Copy)]
enum Trial {
    Real,
    Dry,
}

impl Trial {
    const fn flag(self) -> &'static str {
        match self {
            Self::Real => "--dry-run=none",
            Self::Dry => "--dry-run=server",
        }
    }
}

async fn patch(account: &Account, object: &str, patch: &Value) -> Result<String, String> {
    try_patch(account, object, patch, Trial::Real).await
}

async fn try_patch(
    account: &Account,
    object: &str,
    patch: &Value,
    trial: Trial,
) -> Result<String, String> {
    let patch = patch.to_string();
    let patched = [
        "patch",
        object,
        "--type=merge",
        trial.flag(),
        "--patch",
        &patch,
    ];
    let said = run(account.kubectl().args(patched)).await;
    said.map_err(|error| error.to_string())
}

async fn create(account: &Account, manifest: &Value) -> Result<String, String> {
    try_create(account, manifest, Trial::Real).await
}

async fn try_create(account: &Account, manifest: &Value, trial: Trial) -> Result<String, String> {
    let mut create = account.kubectl();
    create.args(["create", trial.flag(), "--filename", "-"]);
    let said = run_with_input(&mut create, &manifest.to_string()).await;
    said.map_err(|error| error.to_string())
}

fn token(token: &str) -> Value {
    json!({ "spec": { "resetToken": token } })
}

fn annotation(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { format!("industrydata.dev/{key}"): value } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_reset_who_have_the_verb() {
    const REFUSED: &str = "resetting a flow requires the verb reset on provisioningflows";
    let mut env = TestEnv::set_up_on(plane().await, "resets", Options::default()).await;
    env.start_operator(&[]).await;
    env.apply_sample_set().await;
    let declared = with(groups("groups"), &json!({ "resetToken": "first" }));
    env.apply_ready(declared).await;
    let (editor, head) = (editor(&env, "editor").await, editor(&env, "head").await);
    let flow = "pflow/groups";
    let probe = token("probe");
    let in_force = async || try_patch(&editor, flow, &probe, Trial::Dry).await.is_err();
    env.until("the policy", in_force).await;

    for asked in [token("second"), annotation("reset-requested-at", "now")] {
        let refused = patch(&editor, flow, &asked).await.unwrap_err();
        assert!(refused.contains(REFUSED), "{refused}");
    }
    // Everything else of an edit is allowed, and that a reset is no longer asked for.
    let edit = json!({ "spec": { "pollInterval": "2s" } });
    let asked_no_more = json!({ "spec": { "resetToken": null } });
    for change in [edit, annotation("requested-at", "now"), asked_no_more] {
        patch(&editor, flow, &change).await.unwrap();
    }
    let seen = |flow: &ProvisioningFlow| {
        let status = flow.status.as_ref();
        is_ready(flow)
            && status.and_then(|one| one.last_handled_reconcile_at.as_deref()) == Some("now")
    };
    env.flow_where("groups", seen).await;
    assert_eq!(env.committed(Operation::ResetFlow), 0);

    bind(&env, "head", "industrydata-reset").await;
    let may_reset = async || can(&head, "reset").await;
    env.until("the binding", may_reset).await;
    patch(&head, flow, &token("third")).await.unwrap();
    let accepted = |flow: &ProvisioningFlow| {
        let reset = flow.status.as_ref().and_then(|one| one.reset.as_ref());
        reset.is_some_and(|one| one.phase == Some(ResetPhase::Accepted))
    };
    env.flow_where("groups", accepted).await;
    assert_eq!(env.committed(Operation::ResetFlow), 1);

    // The operator itself needs no permission for what it writes to a flow with a token.
    let deleted = ["delete", flow, "--timeout=1m"];
    run(editor.kubectl().args(deleted)).await.unwrap();
}

/// Sets of others at the service: one that the namespace may name, and one that it must not.
fn sets_of_others(simulator: &Simulator) -> [String; 2] {
    ["Ours", "Theirs"].map(|name| {
        let set = json!({ "displayName": name });
        simulator.create_set(&set).unwrap()
    })
}

/// A set with more in its `spec`, and with the id of a set to adopt.
fn adopting(name: &str, spec: &Value, id: Option<&str>) -> Value {
    let mut set = with(set(name), spec);
    if let Some(id) = id {
        set["metadata"]["annotations"] = json!({ "industrydata.dev/remote-id": id });
    }
    set
}

/// Lists sets for a namespace in the `ConfigMap` of the policy, or in none.
async fn list_sets(plane: &ControlPlane, namespace: &str, sets: Option<&str>) {
    let patch = json!({ "data": { namespace: sets } });
    let map = "configmap/industrydata-flow-sets";
    let patched = ["patch", map, "--namespace", NAMESPACE, "--patch"];
    let patch = patch.to_string();
    run(plane.kubectl().args(patched).arg(&patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_names_only_the_sets_that_are_listed_for_it() {
    let env = TestEnv::set_up_on(plane().await, "sets-of-others", Options::default()).await;
    let [ours, theirs] = sets_of_others(&env.simulator);
    let user = editor(&env, "editor").await;
    list_sets(&env.plane, &env.namespace, Some(&ours.to_uppercase())).await;
    let by_name = json!({ "adoptionPolicy": "IfExists" });
    let observed = json!({ "managementPolicy": "Observe" });
    let nothing = json!({});
    let named = |name: &str| groups_by_id(name, &theirs);
    let passes = async |manifest: &Value| {
        let tried = try_create(&user, manifest, Trial::Dry).await;
        tried.is_ok()
    };
    let in_force = async || {
        !passes(&named("probe")).await
            && !passes(&adopting("probe", &nothing, Some(&theirs))).await
            && passes(&groups_by_id("probe", &ours)).await
            && passes(&adopting("probe", &nothing, Some(&ours))).await
    };
    env.until("the policies", in_force).await;

    for (refused, told) in [
        (named("a"), "must not name the set"),
        (
            adopting("b", &nothing, Some(&theirs)),
            "must not adopt the set",
        ),
        (
            adopting("c", &by_name, None),
            "must not adopt or observe a set by its name",
        ),
        (
            adopting("d", &by_name, Some(&ours)),
            "must not adopt or observe a set by its name",
        ),
        (
            adopting("e", &observed, None),
            "must not adopt or observe a set by its name",
        ),
    ] {
        let said = create(&user, &refused).await.unwrap_err();
        assert!(said.contains(told), "{refused}: {said}");
    }
    for permitted in [set("plain"), adopting("listed", &nothing, Some(&ours))] {
        create(&user, &permitted).await.unwrap();
    }
    // What was harmless cannot be changed into something else, but it can still be edited and deleted.
    let adoption = annotation("remote-id", &theirs);
    for change in [
        adoption,
        json!({ "spec": by_name }),
        json!({ "spec": observed }),
    ] {
        let said = patch(&user, "flowset/plain", &change).await.unwrap_err();
        assert!(said.contains("must not adopt"), "{change}: {said}");
    }
    let renamed = json!({ "spec": { "displayName": "Another" } });
    patch(&user, "flowset/plain", &renamed).await.unwrap();
}

/// The operator writes to resources with a finalizer, and must be able to, whatever the policies have become.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_a_policy_is_still_released() {
    let mut env = TestEnv::set_up_on(plane().await, "sets-from-before", Options::default()).await;
    let [ours, _] = sets_of_others(&env.simulator);
    env.start_operator(&[]).await;
    env.apply_sample_set().await;
    list_sets(&env.plane, &env.namespace, Some(&ours)).await;
    let set = adopting("listed", &json!({ "displayName": "Ours" }), Some(&ours));
    let flow = groups_by_id("own", &ours);
    let applied = async || env.apply(&set).await.is_ok() && env.apply(&flow).await.is_ok();
    env.until("the policies", applied).await;
    env.flow_where("own", |flow| {
        !flow
            .metadata
            .finalizers
            .clone()
            .unwrap_or_default()
            .is_empty()
    })
    .await;

    list_sets(&env.plane, &env.namespace, None).await;
    let again = adopting("again", &json!({}), Some(&ours));
    let admin = env.plane.admin();
    let in_force = async || {
        let mut create = admin.kubectl();
        create.args(["--namespace", &env.namespace, "create", "--dry-run=server"]);
        let create = create.args(["--filename", "-"]);
        run_with_input(create, &again.to_string()).await.is_err()
    };
    env.until("the policy", in_force).await;
    let all = ["delete", "industrydata", "--all", "--timeout=2m"];
    env.kubectl(&all).await.unwrap();
}
