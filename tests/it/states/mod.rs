//! What a person sees in each state: for each reason the row of `kubectl get --output wide` and `kubectl describe`, as
//! reviewed files in `tests/it/states/shown/`. In every state, Flux's and Argo CD's own code agree with the headline.

mod connection;
mod page;
mod scenes;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use industrydata_operator::api::{condition, reason};
use industrydata_operator::graph::verdict::Reason;
use industrydata_operator::plan::event::is_problem;
use industrydata_testbed::{Tool, run_with_input};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::conditions::ready;
use crate::generated::assert_generated;
use crate::install::argocd;
use crate::manifests::connection;
use crate::test_env::TestEnv;
use scenes::Scene;

/// Where the reviewed files are.
const SHOWN: &str = "tests/it/states/shown";

/// For how long a page may differ from its file. Events follow within milliseconds, on a busy machine within seconds.
const SETTLING: Duration = Duration::from_secs(20);

/// Reasons without a file, each with the test that produces it, or why none can.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        reason::SYNCED,
        "the reason of the condition Synced, in each file of a resource that is Synced",
    ),
    (
        reason::CREATING,
        "ends with the reconcile that creates: `each_standing_has_its_conditions`",
    ),
    (
        reason::UPDATING,
        "needs an edit between two updates without effect: `src/plan/flow/tests/summary.rs`",
    ),
    (reason::AMBIGUOUS_CREATE, "`tests/it/faults/answers.rs`"),
    (reason::DUPLICATE_REMOTE, "`tests/it/reports/answers.rs`"),
    (reason::UNLISTED, "`src/plan/flow/tests/recreate.rs`"),
    (
        reason::FLOW_SET_NOT_ALLOWED,
        "two namespaces: `tests/it/isolation/ownership.rs`",
    ),
    (reason::INVALID_TENANT, "the schema rules it out"),
    (reason::SERVICE_ACCOUNT_INVALID, "the schema rules it out"),
    (
        reason::INVALID_CERTIFICATE,
        "`src/graph/certificate/tests.rs`",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_shown_to_people_and_judged_by_tools_as_it_is() {
    // Built before the first state is waited for, as some pass.
    Tool::Kstatus.command().await.unwrap();
    let argo = argocd::Argo::new().await;
    let mut env = TestEnv::set_up("states", scenes::service()).await;
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    env.connection_where(|one| ready(one) == "True/Ready").await;
    let mut complaints = check(&env, &argo, scenes::in_passing(&env).await).await;
    complaints.extend(check(&env, &argo, scenes::of_updates(&env).await).await);
    complaints.extend(check(&env, &argo, scenes::of_readiness(&env).await).await);
    complaints.extend(check(&env, &argo, scenes::of_references(&env).await).await);
    complaints.extend(check(&env, &argo, scenes::of_what_exists(&env).await).await);
    complaints.extend(check(&env, &argo, scenes::of_credentials(&env).await).await);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Compares what is shown of these resources with the files, and returns where a tool disagrees with the headline.
async fn check(env: &TestEnv, argo: &argocd::Argo, scenes: Vec<Scene>) -> Vec<String> {
    let mut complaints = Vec::new();
    for scene in &scenes {
        let object = reached(env, scene).await;
        let file = format!("{SHOWN}/{}.txt", scene.reason);
        assert_generated(&file, &settled(env, scene, &file).await);
        let (flux, judged) = (kstatus(&object).await, argo.healths(&[&object]).await);
        let (found, expected) = ((flux.as_str(), judged[0].as_str()), verdicts(&object));
        if found != expected {
            complaints.push(format!("{}: {found:?}, not {expected:?}", scene.reason));
        }
    }
    complaints
}

#[test]
fn each_reason_has_a_file_or_a_cause_why_not() {
    let failures = Reason::ALL.iter().map(|(reason, _)| reason.as_str());
    let own = reason::ALL.iter().map(|(reason, _)| *reason);
    let all: BTreeSet<&str> = own.chain(failures).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SHOWN);
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let shown: BTreeSet<String> = names
        .filter_map(|name| name.strip_suffix(".txt").map(str::to_owned))
        .collect();
    let elsewhere = ELSEWHERE.iter().map(|(reason, _)| (*reason).to_owned());
    let known: BTreeSet<String> = shown.iter().cloned().chain(elsewhere).collect();
    let all: BTreeSet<String> = all.into_iter().map(str::to_owned).collect();
    assert_eq!(known, all);
    for (reason, _) in ELSEWHERE {
        assert!(!shown.contains(*reason), "{reason} has a file");
    }
}

/// Returns the page of a resource as soon as it is as reviewed, or else what it still shows after a while: events are
/// published after the status that they explain.
async fn settled(env: &TestEnv, scene: &Scene, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    let end = Instant::now() + SETTLING;
    loop {
        let page = page::of(env, scene).await;
        if page == reviewed || Instant::now() > end {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the headline of a resource is that of the scene, and its event is published.
async fn reached(env: &TestEnv, scene: &Scene) -> Value {
    let api = env.api(scene.kind);
    let headline =
        |object: &DynamicObject| condition_of(&object.data, condition::READY)["reason"].clone();
    let is_told = |object: &DynamicObject| headline(object) == scene.reason;
    let object = env.object_where(&api, &scene.name, is_told).await;
    let has_trouble = [condition::STALLED, condition::RECONCILING]
        .iter()
        .any(|type_| !condition_of(&object.data, type_).is_null());
    if has_trouble && is_problem(scene.reason) {
        let event = format!("Warning  {} ", scene.reason);
        let told = async || page::described(env, scene).await.contains(&event);
        env.until(&format!("the event {}", scene.reason), told)
            .await;
    }
    serde_json::to_value(object).unwrap()
}

fn condition_of(data: &Value, type_: &str) -> Value {
    let conditions = data["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|one| one["type"] == type_);
    found.cloned().unwrap_or_default()
}

/// What kstatus and Argo CD should make of an object, by its headline.
fn verdicts(object: &Value) -> (&'static str, &'static str) {
    let is = |type_| !condition_of(object, type_).is_null();
    let ready = condition_of(object, condition::READY);
    let is_suspended = ready["reason"] == reason::SUSPENDED;
    // Both decide by the deletion alone, so `DeletionBlocked` is for people.
    if object["metadata"]["deletionTimestamp"].is_string() {
        return ("Terminating", "Progressing");
    }
    match ready["status"].as_str() {
        Some("True") if is_suspended => ("Current", "Suspended"),
        _ if is_suspended => ("InProgress", "Suspended"),
        Some("True") => ("Current", "Healthy"),
        _ if is(condition::STALLED) => ("Failed", "Degraded"),
        _ => ("InProgress", "Progressing"),
    }
}

/// What Flux's code makes of an object.
async fn kstatus(object: &Value) -> String {
    let mut tool = Tool::Kstatus.command().await.unwrap();
    let status = run_with_input(&mut tool, &json!(object).to_string()).await;
    status.unwrap().trim().to_owned()
}
