//! Traces of the operator, as a collector receives them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use industrydata_simulator::{Answer, Effect, Operation, Rule};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::collector::{Collector, ancestry, shapes, with};
use crate::conditions::{is_ready, ready};
use crate::faults::prepare;
use crate::manifests::{connection, groups, other_groups, passwords, set, users};
use crate::oracle::assert_healed;
use crate::process::Launch;
use crate::test_env::TestEnv;

/// Changes the spec of a flow as a person does.
async fn edit(env: &TestEnv, flow: &str, spec: &Value) {
    let patch = json!({ "spec": spec }).to_string();
    let patch = ["patch", "pflow", flow, "--type=merge", "--patch", &patch];
    env.kubectl(&patch).await.unwrap();
}

fn lines(log: &str) -> impl Iterator<Item = Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// The line of the log with this value of a field.
fn line(log: &str, field: &str, value: &str) -> Value {
    let found = lines(log).find(|line| line[field] == value);
    found.unwrap_or_else(|| panic!("no line with {field} {value}: {log}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_joins_a_change_of_a_spec_to_its_patch_with_both_request_ids() {
    let env = prepare("traces").await;
    let collector = Collector::start().await;
    let program = Launch::on(&env)
        .flag("--log-level", "info,industrydata_operator=debug")
        .flag("--otlp-endpoint", collector.url())
        // The collector is that of the flag.
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .variable("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        .start()
        .await;
    env.apply_all([connection(), set("north")]).await;
    env.apply_ready(groups("groups")).await;
    edit(&env, "groups", &other_groups()).await;
    let changed = |flow: &_| is_ready(flow) && flow.metadata.generation == Some(2);
    let updated = async || env.committed(Operation::UpdateFlow) == 1;
    env.until("the change", updated).await;
    env.flow_where("groups", changed).await;
    // What has not been sent yet is sent at the end.
    let log = program.log();
    program.stop().await;

    let journal = env.simulator.journal();
    let mut entries = journal.entries().iter();
    let sent = entries.find(|entry| entry.operation == Operation::UpdateFlow);
    let sent = sent.unwrap();
    let client_id = sent.client_request_id.clone().unwrap();
    let spans = collector.spans();
    let request = with(&spans, "client_request_id", &client_id);
    assert_eq!(
        request.name,
        "PATCH /beta/external/industryData/outboundProvisioningFlowSets/{set}/provisioningFlows/{flow}"
    );
    assert_eq!((request.kind, request.failed), (3, false));
    let graph: url::Url = env.simulator.graph_endpoint().parse().unwrap();
    let port = graph.port().unwrap().to_string();
    let status = sent.status.unwrap().to_string();
    for (attribute, value) in [
        ("request_id", sent.request_id.as_str()),
        ("http.request.method", "PATCH"),
        ("http.response.status_code", &status),
        ("server.address", graph.host_str().unwrap()),
        ("server.port", &port),
    ] {
        assert_eq!(request.attributes[attribute], value, "{attribute}");
    }

    let path = ancestry(&spans, request);
    let names: Vec<&str> = path.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names[1..], ["UpdateFlow", "change", "reconcile"]);
    let reconcile = path[3];
    for (attribute, value) in [
        ("kind", "ProvisioningFlow"),
        ("namespace", "traces"),
        ("resource_name", "groups"),
        ("generation", "2"),
    ] {
        assert_eq!(reconcile.attributes[attribute], value, "{attribute}");
    }
    assert_eq!(reconcile.parent, "", "it begins the trace");
    let version = env!("CARGO_PKG_VERSION");
    for (attribute, value) in [
        ("service.name", "industrydata-operator"),
        ("service.version", version),
        ("deployment.environment", "test"),
    ] {
        assert_eq!(reconcile.resource[attribute], value, "{attribute}");
    }

    let logged = line(&log, "client_request_id", &client_id);
    assert_eq!(logged["request_id"], sent.request_id);
    assert_eq!(logged["spans"][0]["resource_name"], "groups");
    assert_eq!(logged["spans"][0]["trace_id"], request.trace);
    let polls = spans.iter().filter(|span| span.name == "poll");
    let traces: BTreeSet<&str> = polls.map(|span| span.trace.as_str()).collect();
    let is_of_poll = |line: &Value| line["spans"][0]["name"] == "poll";
    let mut polls = lines(&log).filter(is_of_poll);
    let logged = polls.next().expect("a poll is in the log");
    assert_eq!(logged["spans"][0]["connection"], "contoso");
    let trace = logged["spans"][0]["trace_id"].as_str().unwrap();
    assert!(traces.contains(trace), "{logged}");
}

/// The table of the manual: spans, each with its attributes.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string("docs/operations/traces.md").unwrap();
    let words = |cell: &str| -> BTreeSet<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let (_, table) = page.split_once("\n## Spans\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.flat_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let (spans, attributes) = (words(cells[0]), words(cells[2]));
        spans
            .into_iter()
            .map(move |span| (span, attributes.clone()))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_lists_every_span_and_attribute_and_none_contains_a_secret() {
    let env = prepare("traces-all").await;
    let collector = Collector::start().await;
    let launch = Launch::on(&env).flag("--otlp-endpoint", collector.url());
    let program = launch.start().await;
    env.apply_all([
        connection(),
        passwords("canary-pw"),
        set("north"),
        users("users"),
    ])
    .await;
    env.flow_where("users", is_ready).await;
    // A change that fails, and is then sent again.
    let refusal = Effect::Refuse(Answer::new(500));
    env.simulator
        .inject(Rule::new(refusal).on(Operation::UpdateFlow));
    edit(
        &env,
        "users",
        &json!({ "user": { "createUnmatchedUsers": false } }),
    )
    .await;
    let updated = async || env.committed(Operation::UpdateFlow) == 1;
    env.until("the change", updated).await;
    edit(&env, "users", &json!({ "resetToken": "first" })).await;
    let reset = async || env.committed(Operation::ResetFlow) == 1;
    env.until("the reset", reset).await;
    env.remove_flow("users").await;
    program.stop().await;

    let (found, documented) = (shapes(&collector.spans()), documented());
    for (span, attributes) in &found {
        let known = documented.get(span);
        let known = known.unwrap_or_else(|| panic!("the manual lacks the span {span}"));
        let unknown: Vec<_> = attributes.difference(known).collect();
        assert!(unknown.is_empty(), "the manual lacks {unknown:?} of {span}");
    }
    let names = |shapes: &BTreeMap<String, _>| shapes.keys().cloned().collect::<BTreeSet<_>>();
    let absent = &names(&documented) - &names(&found);
    // Only an object that has vanished is read alone.
    assert_eq!(absent, BTreeSet::from(["read".to_owned()]));
    let text = collector.text();
    for secret in ["canary-", "simulator-secret", "eyJ", "Bearer", "?"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_stops_nothing_and_is_logged_once() {
    let env = prepare("traces-down").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let down = tokio::spawn(async move {
        // A connection that is closed at once.
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let program = Launch::on(&env)
        .flag("--log-level", "debug")
        .flag("--otlp-endpoint", &format!("http://{address}"))
        .start()
        .await;
    env.apply_all([connection(), set("north"), groups("groups")])
        .await;
    env.flow_where("groups", is_ready).await;
    edit(&env, "groups", &other_groups()).await;
    let updated = async || env.committed(Operation::UpdateFlow) == 1;
    env.until("the change", updated).await;
    let attempts = async || refused.load(Ordering::SeqCst) >= 10;
    env.until("ten attempts to send spans", attempts).await;
    assert_eq!(ready(&env.flow("groups").await), "True/Ready");
    assert_healed(&env).await;

    down.abort();
    let _ = down.await;
    let collector = Collector::start_at(&address).await;
    let received = async || !collector.spans().is_empty();
    env.until("spans, once there is a collector", received)
        .await;
    let log = program.log();
    program.stop().await;
    let is_loud = |line: &Value| line["level"] == "WARN" || line["level"] == "ERROR";
    let loud: Vec<Value> = lines(&log).filter(is_loud).collect();
    assert_eq!(loud.len(), 1, "{loud:#?}");
    let message = loud[0]["message"].as_str().unwrap();
    assert!(message.starts_with("failed to send traces"), "{message}");
    assert!(!log.contains("opentelemetry"), "a library logs, too");
}
