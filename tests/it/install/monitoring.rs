//! Alerts and dashboards of the chart, as Prometheus itself evaluates them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use industrydata_operator::api::ProvisioningFlow;
use industrydata_operator::clock;
use industrydata_simulator::Options;
use industrydata_testbed::{ControlPlane, Tool, run_with_input};
use k8s_openapi::jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{NAMESPACE, objects, of_kind, render};
use crate::conditions::{is_ready, remote_id};
use crate::manifests::{groups, units};
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, plane};

mod cases;

/// What `tools/promql` is asked.
#[derive(Default, Serialize)]
struct Case {
    rules: Vec<Value>,
    queries: Vec<String>,
    series: Vec<String>,
    pages: Vec<Page>,
    begin: i64,
    until: i64,
}

/// A page of metrics, as it is scraped.
#[derive(Clone, Serialize)]
struct Page {
    at: i64,
    labels: BTreeMap<&'static str, &'static str>,
    text: String,
}

/// What it answers.
#[derive(Debug, Deserialize)]
struct Answer {
    pending: Vec<Alert>,
    firing: Vec<Alert>,
    results: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    #[serde(rename = "alert")]
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Values that switch on what monitoring needs.
fn monitoring(per_resource: bool) -> Value {
    json!({
        "metrics": { "perResource": per_resource },
        "prometheusRule": {
            "enabled": true,
            "labels": { "release": "prometheus" },
            "alertLabels": { "team": "identity" },
            "manualUrl": "https://manual.example.com/",
        },
        "dashboards": { "enabled": true },
    })
}

async fn rules(plane: &ControlPlane, per_resource: bool) -> Vec<Value> {
    let manifest = render(plane, &monitoring(per_resource)).await.unwrap();
    let objects = objects(&manifest);
    let groups = &of_kind(&objects, "PrometheusRule")["spec"]["groups"];
    let groups = groups.as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules.collect()
}

async fn ask(case: &Case) -> Answer {
    let mut promql = Tool::Promql.command().await.unwrap();
    let input = serde_json::to_string(case).unwrap();
    let answer = run_with_input(&mut promql, &input).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_in_its_case_and_no_other_alert_does() {
    for per_resource in [true, false] {
        let rules = rules(plane().await, per_resource).await;
        let mut untested: BTreeSet<String> = rules
            .iter()
            .map(|rule| cases::text(&rule["alert"]))
            .collect();
        for case in cases::all(per_resource) {
            untested.remove(case.alert);
            let asked = Case {
                rules: rules.clone(),
                series: case.series(),
                until: case.minutes * 60,
                ..Case::default()
            };
            let answer = ask(&asked).await;
            let fired: BTreeSet<&str> = answer.firing.iter().map(|it| &*it.name).collect();
            assert_eq!(fired, BTreeSet::from([case.alert]), "{answer:?}");
            is_helpful(&answer.firing[0]);
            let rule = rules.iter().find(|rule| rule["alert"] == case.alert);
            let hold = rule.and_then(|rule| rule["for"].as_str()).unwrap_or("0m");
            let hold: SignedDuration = hold.parse().unwrap();
            // As long as the condition has not held for this long.
            let early = Case {
                until: (hold.as_secs() - 60).max(0),
                ..asked
            };
            assert_eq!(ask(&early).await.firing.len(), 0, "{} is early", case.alert);
        }
        assert_eq!(untested, BTreeSet::new(), "alerts without a case");
    }
}

/// An alert says what is wrong, how bad it is, and where to read on: a heading of the manual.
fn is_helpful(alert: &Alert) {
    let severities = ["critical", "warning", "info"];
    assert!(
        severities.contains(&&*alert.labels["severity"]),
        "{alert:?}"
    );
    assert_eq!(alert.labels["team"], "identity");
    for text in alert.annotations.values() {
        assert!(
            !text.contains("{{") && !text.contains("<no value>"),
            "{text}"
        );
    }
    let url = &alert.annotations["runbook_url"];
    let place = url.strip_prefix("https://manual.example.com/").unwrap();
    let (page, heading) = place.split_once('#').unwrap();
    let page = format!("docs/{}.md", page.trim_end_matches(".html"));
    let text = std::fs::read_to_string(super::path(&page)).unwrap();
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    let is_it = |line: &str| line.trim_start_matches(['#', ' ']).to_lowercase() == heading;
    assert!(headings.any(is_it), "{page} has no heading {heading}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_alert_is_pending_in_a_calm_system_and_each_panel_shows_data() {
    let env = TestEnv::set_up("monitoring", Options::default()).await;
    let operator = Launch::on(&env).start().await;
    env.ready_sample_set().await;
    let expires = json!({ "clientSecret": { "expiresAt": "2100-01-01T00:00:00Z" } });
    let expires = json!({ "spec": { "credential": expires } }).to_string();
    let patch = ["patch", "gconn", "contoso", "--type=merge", "-p", &expires];
    env.kubectl(&patch).await.unwrap();
    let mut pages = vec![scraped(&operator).await];
    let failing = env.apply_ready(groups("groups")).await;
    let pending = env.apply_ready(units("units")).await;
    env.polls(2).await;
    pages.push(scraped(&operator).await);

    for per_resource in [true, false] {
        let rules = rules(env.plane, per_resource).await;
        let calm = ask(&of_pages(rules, &pages, &[])).await;
        assert_eq!(calm.pending.len(), 0, "{:?}", calm.pending);
    }

    for (flow, word) in [(&failing, "failed"), (&pending, "notReady")] {
        let id = remote_id(flow);
        env.simulator.set_readiness(&id, word).unwrap();
        let name = flow.metadata.name.as_deref().unwrap();
        let is_mirrored = |flow: &ProvisioningFlow| !is_ready(flow);
        env.flow_where(name, is_mirrored).await;
    }
    pages.push(scraped(&operator).await);
    let queries = queries(env.plane).await;
    let shown = ask(&of_pages(Vec::new(), &pages, &queries)).await;
    for query in &queries {
        assert!(shown.results[query] > 0, "no data for {query}");
    }
    operator.stop().await;
}

/// Scrapes a page in a second of its own.
async fn scraped(operator: &Process) -> Page {
    sleep(Duration::from_secs(2)).await;
    let labels = [
        ("job", "industrydata-operator"),
        ("namespace", NAMESPACE),
        ("pod", "industrydata-operator-0"),
        ("instance", "10.0.0.1:8080"),
    ];
    Page {
        at: clock::now().as_second(),
        labels: labels.into(),
        text: operator.get("/metrics").await.1,
    }
}

fn of_pages(rules: Vec<Value>, pages: &[Page], queries: &[String]) -> Case {
    let times = || pages.iter().map(|page| page.at);
    Case {
        rules,
        queries: queries.to_vec(),
        pages: pages.to_vec(),
        begin: times().min().unwrap(),
        until: times().max().unwrap(),
        ..Case::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_are_as_the_schema_of_grafana_wants_them() {
    let boards = dashboards(plane().await).await;
    let input: String = boards.iter().map(Value::to_string).collect();
    let mut tool = Tool::GrafanaDashboard.command().await.unwrap();
    let accepted = run_with_input(&mut tool, &input).await.unwrap();
    let titles = ["School Data Sync: District", "School Data Sync: Operator"];
    assert_eq!(accepted.lines().collect::<Vec<_>>(), titles);
    for board in boards {
        for panel in board["panels"].as_array().unwrap() {
            let is_explained = panel["type"] == "row" || !panel["description"].is_null();
            assert!(is_explained, "{panel}");
        }
    }
}

/// The dashboards in the order of their names.
async fn dashboards(plane: &ControlPlane) -> Vec<Value> {
    let manifest = render(plane, &monitoring(true)).await.unwrap();
    let mut boards = Vec::new();
    for object in objects(&manifest) {
        if object["metadata"]["labels"]["grafana_dashboard"] == "1" {
            let texts = object["data"].as_object().unwrap().values();
            boards.extend(texts.map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()));
        }
    }
    boards
}

/// The queries of all panels, with the variables filled in as Grafana does.
async fn queries(plane: &ControlPlane) -> Vec<String> {
    let mut queries = Vec::new();
    for board in dashboards(plane).await {
        let panels = board["panels"].as_array().unwrap();
        let targets = panels
            .iter()
            .filter_map(|panel| panel["targets"].as_array());
        let expressions = targets.flatten().map(|target| cases::text(&target["expr"]));
        queries.extend(expressions.map(|query| filled(&query)));
    }
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

fn filled(query: &str) -> String {
    let filled = query
        .replace("$__rate_interval", "1m")
        .replace("$namespace", ".*")
        .replace("$job", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}
