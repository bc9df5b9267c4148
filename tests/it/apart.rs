//! What one object, one run or one watch cannot do to the others.

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::{ProxyEffect, Rule};
use serde_json::json;

use crate::conditions::is_ready;
use crate::manifests::{connection, groups, labelled, secret, set, units};
use crate::process::{Launch, Process};
use crate::replicas::takes_over;
use crate::test_env::TestEnv;

/// A time that the API server takes from anybody and that is past the end of what the operator can count.
const ODD: &str = "9999-12-31T23:59:59Z";

/// In the Secret of another tenant. `kubectl apply` keeps it in an annotation.
const CANARY: &str = "canary-4d7a1c";

/// The label of what the operator for all namespaces is to watch.
const LABEL: &str = "odd-metadata";

/// The other tenant.
const OTHER: &str = "odd-metadata-other";

/// Everything that a tenant has, each object with a copy of itself in an annotation.
async fn apply_tenant(env: &TestEnv) {
    let canary = secret("canary", &json!({ "value": CANARY }));
    let manifests = [canary, connection(), set("north"), groups("first")];
    env.apply_all(manifests.map(|one| labelled(one, LABEL)))
        .await;
    env.flow_where("first", is_ready).await;
    let copy = [
        "get",
        "secret",
        "canary",
        "--output",
        "jsonpath={.metadata.annotations}",
    ];
    let copy = env.kubectl(&copy).await.unwrap();
    assert!(copy.contains(CANARY), "{copy}");
}

async fn make_odd(env: &TestEnv, object: &str) {
    let is_secret = object.starts_with("secret/");
    let fields = json!({
        "manager": "odd",
        "operation": "Update",
        "apiVersion": if is_secret { "v1" } else { "industrydata.dev/v1alpha1" },
        "time": ODD,
        "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:labels": { "f:odd": {} } } },
    });
    let patch = json!({ "metadata": { "managedFields": [fields] } }).to_string();
    env.kubectl(&["label", object, "odd=1"]).await.unwrap();
    let patch = ["patch", object, "--type=merge", "--patch", &patch];
    env.kubectl(&patch).await.unwrap();
    let shown = ["get", object, "--show-managed-fields", "--output", "json"];
    let shown = env.kubectl(&shown).await.unwrap();
    assert!(shown.contains(ODD), "{shown}");
}

async fn start(env: &TestEnv) -> Process {
    launch(env).start().await
}

/// With all that the operator and its libraries would log.
fn launch(env: &TestEnv) -> Launch {
    Launch::on(env).flag("--log-level", "trace")
}

fn is_silent_about_secrets(process: &Process) {
    let log = process.log();
    for secret in [CANARY, "simulator-secret"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(log.contains("hyper_util::"), "libraries log what they do");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_with_times_past_the_end_stop_nobody() {
    let mut env = TestEnv::set_up_for_all_namespaces(LABEL, Options::default()).await;
    env.kubectl(&["create", "namespace", OTHER]).await.unwrap();
    let launch = || launch(&env).flag("--watch-selector", &format!("test={LABEL}"));
    let (first, second) = (launch(), launch());
    let process = first.start().await;
    let tenants = [LABEL, OTHER];
    for tenant in tenants {
        tenant.clone_into(&mut env.namespace);
        apply_tenant(&env).await;
    }
    LABEL.clone_into(&mut env.namespace);
    for object in [
        "secret/canary",
        "secret/contoso",
        "gconn/contoso",
        "flowset/north",
        "pflow/first",
    ] {
        make_odd(&env, object).await;
    }
    for tenant in tenants {
        tenant.clone_into(&mut env.namespace);
        env.apply_ready(labelled(units("even"), LABEL)).await;
    }
    is_silent_about_secrets(&process);
    process.stop().await;

    let process = second.start().await;
    for tenant in tenants {
        tenant.clone_into(&mut env.namespace);
        // Not all clients can read what the API server answers.
        env.kubectl(&["delete", "pflow/first"]).await.unwrap();
        env.flows_gone(&["first"]).await;
        env.apply_ready(labelled(groups("again"), LABEL)).await;
    }
    assert_eq!(process.get("/readyz").await, (200, "leading\n".to_owned()));
    is_silent_about_secrets(&process);
    let counts = [Operation::CreateFlow, Operation::DeleteFlow].map(|one| env.committed(one));
    assert_eq!(counts, [6, 2]);
}

/// Somebody may write to the Lease; nobody would lead any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_with_a_time_past_the_end_is_taken() {
    let env = TestEnv::set_up("odd-lease", Options::default()).await;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": "industrydata-operator" },
        "spec": { "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": "9999-12-31T23:59:59.000000Z" },
    });
    env.apply(lease).await.unwrap();
    let mut process = start(&env).await;
    takes_over(&env, &mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_run_or_a_poller_is_logged_counted_and_retried() {
    let env = TestEnv::set_up("panics", Options::default()).await;
    let launch = Launch::on(&env).failpoints("panic-in-run=1*panic;panic-in-poller=1*panic");
    let process = launch.start().await;
    env.apply_sample_set().await;
    env.apply_ready(groups("groups")).await;

    let polled = async || {
        let metrics = process.get("/metrics").await.1;
        ["reconcile", "poller"].iter().all(|component| {
            let line = format!("industrydata_operator_panics_total{{component=\"{component}\"}} 1");
            metrics.contains(&line)
        })
    };
    env.until("both panics to be counted", polled).await;
    let log = process.log();
    for told in [
        "the reconcile of GraphConnection panics/contoso panicked",
        "a round of the poller panicked",
        "a part of the program panicked",
    ] {
        assert!(log.contains(told), "{told} is not in\n{log}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_does_not_deliver_shows() {
    let mut env = TestEnv::set_up("dead-watch", Options::default()).await;
    let proxy = env.through_proxy().await;
    let rule = Rule::new(ProxyEffect::answer(500, "no"))
        .method("GET")
        .path_part("/provisioningflows");
    // The first asks whether there are definitions.
    proxy.inject(rule.after(1).always());
    let process = Launch::on(&env).start().await;
    let is_told = async || {
        let (status, line) = process.get("/readyz").await;
        status == 503 && line.contains("from the cluster for: ProvisioningFlow;")
    };
    env.until("readiness to say so", is_told).await;
    let metrics = process.get("/metrics").await.1;
    for line in [
        "industrydata_operator_watch_healthy{kind=\"ProvisioningFlow\"} 0",
        "industrydata_operator_watch_healthy{kind=\"GraphConnection\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }

    proxy.clear();
    let works = async || process.get("/readyz").await.0 == 200;
    env.until("readiness to say so", works).await;
    process.stop().await;
}

/// Messages of a resource's conditions.
async fn messages(env: &TestEnv, object: &str) -> String {
    let path = "jsonpath={.status.conditions[*].message}";
    env.kubectl(&["get", object, "--output", path])
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_label_leaves_no_finalizer_and_a_missing_one_is_told() {
    let mut env = TestEnv::set_up("label", Options::default()).await;
    env.start_operator(&["--watch-selector", "test=x"]).await;
    let label = async |object: &str, label: &str| {
        env.kubectl(&["label", object, label]).await.unwrap();
    };
    env.apply_sample_set().await;
    env.apply(groups("groups")).await.unwrap();
    let says = async |object: &str, text: &str| {
        let told = async || messages(&env, object).await.contains(text);
        env.until(text, told).await;
    };
    label("pflow/groups", "test=x").await;
    says("pflow/groups", "the OutboundProvisioningFlowSet north exists but does not match --watch-selector test=x: label it").await;
    label("flowset/north", "test=x").await;
    says(
        "flowset/north",
        "the GraphConnection contoso exists but does not match --watch-selector test=x: label it",
    )
    .await;
    label("gconn/contoso", "test=x").await;
    env.flow_where("groups", is_ready).await;

    label("pflow/groups", "test-").await;
    let released =
        |flow: &ProvisioningFlow| flow.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    env.flow_where("groups", released).await;
    let told = async || env.events().await.contains("LetGo");
    env.until("an event", told).await;
    env.kubectl(&["delete", "pflow/groups"]).await.unwrap();
    env.flows_gone(&["groups"]).await;
    assert_eq!(env.requests(Operation::DeleteFlow), 0);
}
