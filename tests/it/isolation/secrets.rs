//! Secrets are read by name only: what that costs, and what it prevents.

use std::time::Duration;

use futures::{StreamExt, stream};
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::{Entry, Position};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::conditions::{headline, is_ready, ready, told};
use crate::faults::{LISTS, open, prepare};
use crate::manifests::{
    CLIENT, connection, connection_with, flow, groups, labelled, object, objects, passwords,
    sample, set, users,
};
use crate::oracle::{all_ready, assert_healed};
use crate::process::{Launch, Process};
use crate::role::{self, Reach, rules};
use crate::test_env::{TestEnv, plane};

/// Names that would lead a request to another namespace or another resource.
pub(super) const ASTRAY: [&str; 5] = [
    "../../isolated-b/secrets/x",
    "..",
    "x?watch=true",
    "x#",
    "%2e%2e%2fx",
];

/// What the operator of an environment has requested of Secrets since.
fn secrets_since(env: &TestEnv, start: Position) -> Vec<Entry> {
    let mut entries = env.requests_since(start);
    entries.retain(|entry| entry.resource == "secrets");
    entries
}

/// How often a Secret has been read since.
fn reads_since(env: &TestEnv, start: Position, name: &str) -> usize {
    let entries = secrets_since(env, start).into_iter();
    entries.filter(|entry| entry.name == name).count()
}

/// Waits until a Secret has been read this many times since.
async fn reads(env: &TestEnv, start: Position, name: &str, times: usize) {
    let enough = async || reads_since(env, start, name) >= times;
    env.until("reads of a Secret", enough).await;
}

fn are_reads_by_name(env: &TestEnv, start: Position) {
    let entries = secrets_since(env, start);
    assert!(!entries.is_empty());
    for entry in entries {
        assert_eq!(entry.verb, "get", "{entry:?}");
        assert_eq!(entry.namespace, env.namespace, "{entry:?}");
        assert!(
            ["contoso", "passwords"].contains(&entry.name.as_str()),
            "{entry:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_neither_listed_nor_watched_in_any_mode() {
    let one = TestEnv::set_up("secrets-in-one", Options::default()).await;
    let all = TestEnv::set_up_for_all_namespaces("secrets-in-all", Options::default()).await;
    for mut env in [one, all] {
        let start = env.audit_position();
        // The other tests' resources are not its own.
        let label = env.namespace.clone();
        let selector = format!("test={label}");
        env.start_operator(&["--watch-selector", &selector]).await;
        let resources = [connection(), set("north"), users("users")];
        let resources = resources.map(|one| labelled(one, &label));
        env.apply(passwords("Same-1")).await.unwrap();
        env.apply_all(resources).await;
        env.flow_where("users", is_ready).await;
        reads(&env, start, "passwords", 4).await;
        are_reads_by_name(&env, start);
        env.stop_operator().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_is_refused_by_the_schema() {
    let env = TestEnv::set_up("isolated-a", Options::default()).await;
    for name in ASTRAY {
        let named = json!({ "name": name });
        let secret = json!({ "name": name, "key": "clientSecret" });
        let mut connection = objects(&sample("connection.yaml"))
            .into_iter()
            .find(|one| one["kind"] == "GraphConnection")
            .unwrap();
        connection["spec"]["credential"]["clientSecret"]["secretKeyRef"] = secret.clone();
        let mut users = users("users");
        users["spec"]["user"]["creationOptions"]["configurations"][0]["defaultPassword"]["secretKeyRef"] =
            secret;
        let of_flow = flow("groups", &json!({ "flowSetRef": named }));
        let of_set = json!({ "connectionRef": named, "displayName": "north" });
        let of_set = object("OutboundProvisioningFlowSet", "north", &of_set);
        for manifest in [connection, users, of_flow, of_set] {
            let refused = env.apply(&manifest).await.unwrap_err();
            assert!(
                refused.contains("name must be the name of an object in the cluster"),
                "{name}: {refused}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_each_secret_is_read_once_an_interval_whatever_the_number_of_flows() {
    let env = open("secrets-at-rest").await;
    let mut more = Vec::new();
    for number in 0..6 {
        let name = format!("set-{number}");
        let spec = json!({ "flowSetRef": { "name": name } });
        let mut users = users(&format!("users-{number}"));
        users["spec"]["flowSetRef"] = spec["flowSetRef"].clone();
        more.extend([set(&name), users]);
    }
    let first = [connection(), passwords("Same-1")];
    env.apply_all(first.into_iter().chain(more)).await;
    assert_healed(&env).await;
    let (start, began) = (env.audit_position(), std::time::Instant::now());
    reads(&env, start, "contoso", 10).await;
    // Each second, as the connection is polled each second.
    let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    for name in ["contoso", "passwords"] {
        let count = reads_since(&env, start, name);
        assert!(count <= most, "{name} was read {count} times, not {most}");
    }
    assert_eq!(env.writes_since(start), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_credential_and_password_are_noticed_with_the_next_read() {
    let env = open("secrets-rotated").await;
    env.apply_all([
        connection(),
        passwords("Same-1"),
        set("north"),
        users("users"),
    ])
    .await;
    assert_healed(&env).await;
    let updates = env.committed(Operation::UpdateFlow);
    let start = env.audit_position();
    env.apply(passwords("Other-2")).await.unwrap();
    let sent = async || env.committed(Operation::UpdateFlow) > updates;
    env.until("the new password", sent).await;
    // One that was in progress, the next one, the one for the request, and those meanwhile.
    let count = reads_since(&env, start, "passwords");
    assert!(count <= 8, "it took {count} reads");

    let tokens = env.requests(Operation::Token);
    env.simulator.rotate_secret(CLIENT, "rotated").unwrap();
    env.apply(connection_with("rotated")).await.unwrap();
    let fetched = async || env.requests(Operation::Token) > tokens;
    env.until("a token for the new credential", fetched).await;
    assert_healed(&env).await;
    assert_eq!(env.committed(Operation::UpdateFlow), updates + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_reconciliation_reads_the_secrets_again() {
    let env = TestEnv::open("secrets-requested").await;
    // With the interval of the sample, which is a minute.
    env.apply(sample("connection.yaml")).await.unwrap();
    env.connection_where(|one| ready(one) == "True/Ready").await;
    let start = env.audit_position();
    let request = [
        "annotate",
        "gconn",
        "contoso",
        "industrydata.dev/requested-at=1",
    ];
    env.kubectl(&request).await.unwrap();
    let began = std::time::Instant::now();
    reads(&env, start, "contoso", 1).await;
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_credential_ends_tokens_and_polls_until_it_is_back() {
    let mut env = prepare("secret-deleted").await;
    // So that a token is fetched every few seconds.
    let soon = Duration::from_secs(2);
    env.simulator
        .configure(|behavior| behavior.token_lifetime = soon);
    env.start_operator(&[]).await;
    env.apply_all([connection(), set("north"), groups("groups")])
        .await;
    all_ready(&env).await;
    let start = env.audit_position();
    env.kubectl(&["delete", "secret", "contoso"]).await.unwrap();
    let missing = |one: &_| told(one, "Reconciling") == "True/SecretNotFound";
    env.connection_where(missing).await;
    // What was in progress has ended by then.
    reads(&env, start, "contoso", 4).await;

    let requests = || {
        let [sets, flows] = LISTS.map(|list| env.requests(list));
        [env.requests(Operation::Token), sets, flows]
    };
    let (before, start) = (requests(), env.audit_position());
    // At the interval, which is a second: longer than a token lasts.
    reads(&env, start, "contoso", 6).await;
    assert_eq!(requests(), before);

    env.apply(connection()).await.unwrap();
    env.connection_where(|one| ready(one) == "True/Ready").await;
    assert_healed(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_operator_may_not_read_is_reported() {
    let name = "secret-forbidden";
    let (plane, reach) = (plane().await, Reach::OneNamespace);
    let account = plane.service_account(name, role::ACCOUNT).await.unwrap();
    let mut roles = role::rendered(&plane, name, reach).await;
    for role in &mut roles {
        let mut all = rules(role);
        for rule in &mut all {
            let is_of_secrets = |names: &Vec<String>| names.contains(&"secrets".to_owned());
            if rule.resources.as_ref().is_some_and(is_of_secrets) {
                // What `rbac.secretNames` makes of it.
                rule.resource_names = Some(vec!["contoso".to_owned()]);
            }
        }
        if role.data.get("rules").is_some() {
            role.data["rules"] = json!(all);
        }
    }
    role::grant(&plane, &account, &roles).await;
    let mut env = TestEnv::of(plane, name, Options::default(), account, reach).await;
    env.start_operator(&[]).await;
    env.apply_all([
        connection(),
        passwords("Same-1"),
        set("north"),
        users("users"),
        groups("groups"),
    ])
    .await;
    env.flow_where("groups", is_ready).await;
    let refused = |flow: &_| told(flow, "Reconciling") == "True/SecretNotFound";
    let message = headline(&env.flow_where("users", refused).await)
        .message
        .clone();
    assert!(
        message.contains("may not read the Secret passwords"),
        "{message}"
    );
}

fn memory(process: &Process) -> u64 {
    let status = process.status();
    let size = status["VmRSS"].split(' ').next().unwrap();
    size.parse().unwrap()
}

/// A Secret of another tenant with the largest annotations that there can be.
async fn large_secret(env: &TestEnv, number: usize) {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.namespace);
    let secret: Value = json!({
        "metadata": { "name": format!("large-{number}"), "annotations": { "large": "x".repeat(250 * 1024) } },
    });
    let secret = serde_json::from_value(secret).unwrap();
    let created = secrets.create(&PostParams::default(), &secret).await;
    created.unwrap();
}

/// Starts the operator, and waits until it has worked. Gives back how much memory it has.
async fn memory_of_a_life(env: &TestEnv, name: &str) -> u64 {
    let process = Launch::on(env).start().await;
    env.apply_ready(groups(name)).await;
    env.polls(2).await;
    let memory = memory(&process);
    let limits = process.limits();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "no dump contains a credential");
    env.remove_flow(name).await;
    process.stop().await;
    memory
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_others_take_no_memory() {
    const COUNT: usize = 120;
    /// In kB. All of them together have 30 MB.
    const SLACK: u64 = 6 * 1024;
    let env = TestEnv::set_up("secrets-memory", Options::default()).await;
    env.apply_sample_set().await;
    let before = memory_of_a_life(&env, "before").await;
    stream::iter(0..COUNT)
        .for_each_concurrent(8, |number| large_secret(&env, number))
        .await;
    let after = memory_of_a_life(&env, "after").await;
    assert!(after <= before + SLACK, "{after} kB instead of {before} kB");
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.namespace);
    for number in 0..COUNT {
        let name = format!("large-{number}");
        secrets
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
}
