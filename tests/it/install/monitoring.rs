//! Alerts and dashboards of the chart, as Prometheus itself evaluates them.

use std::collections::BTreeSet;
use std::time::Duration;

use industrydata_operator::api::ProvisioningFlow;
use industrydata_operator::clock;
use industrydata_simulator::Options;
use industrydata_testbed::prometheus::{Alert, Answer, Case, Monitoring, Page};
use industrydata_testbed::{ControlPlane, Tool, run_with_input};
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{NAMESPACE, render};
use crate::conditions::{is_ready, remote_id};
use crate::manifests::{groups, units};
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, plane};

mod cases;

/// Values that switch on what monitoring needs.
fn values(per_resource: bool) -> Value {
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

async fn monitoring(plane: &ControlPlane, per_resource: bool) -> Monitoring {
    let manifest = render(plane, &values(per_resource)).await.unwrap();
    Monitoring::of_manifest(&manifest).unwrap()
}

/// The alerts that fire at the end of each case, with their labels.
pub async fn fired(plane: &ControlPlane, per_resource: bool) -> Vec<Alert> {
    let rules = monitoring(plane, per_resource).await.rules;
    let mut all = Vec::new();
    for case in cases::all(per_resource) {
        let answer = case.with(&rules).ask().await.unwrap();
        all.extend(firing(&answer, case.end()).cloned());
    }
    all
}

fn firing(answer: &Answer, at: i64) -> impl Iterator<Item = &Alert> {
    let alerts = answer.alerts.iter();
    alerts.filter(move |alert| alert.fired && alert.until == at)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_in_its_case_and_no_other_alert_does() {
    for per_resource in [true, false] {
        let rules = monitoring(&*plane().await, per_resource).await.rules;
        let mut untested: BTreeSet<String> = rules
            .iter()
            .map(|rule| cases::text(&rule["alert"]))
            .collect();
        for case in cases::all(per_resource) {
            untested.remove(case.alert);
            let asked = case.with(&rules);
            let answer = asked.ask().await.unwrap();
            let alerts: Vec<&Alert> = firing(&answer, case.end()).collect();
            let names: BTreeSet<&str> = alerts.iter().map(|it| &*it.name).collect();
            assert_eq!(names, BTreeSet::from([case.alert]), "{answer:?}");
            is_helpful(alerts[0]);
            let rule = rules.iter().find(|rule| rule["alert"] == case.alert);
            let hold = rule.and_then(|rule| rule["for"].as_str()).unwrap_or("0m");
            let hold: SignedDuration = hold.parse().unwrap();
            // As long as the condition has not held for this long.
            let until = (hold.as_secs() - 60).max(0);
            let answer = Case { until, ..asked }.ask().await.unwrap();
            let early = firing(&answer, until).count();
            assert_eq!(early, 0, "{} is early", case.alert);
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
        let rules = monitoring(&env.plane, per_resource).await.rules;
        let calm = of_pages(&pages);
        let calm = Case { rules, ..calm }.ask().await.unwrap();
        let pending: Vec<&Alert> = calm.alerts.iter().collect();
        assert!(pending.is_empty(), "{pending:?}");
    }

    for (flow, word) in [(&failing, "failed"), (&pending, "notReady")] {
        let id = remote_id(flow);
        env.simulator.set_readiness(&id, word).unwrap();
        let name = flow.metadata.name.as_deref().unwrap();
        let is_mirrored = |flow: &ProvisioningFlow| !is_ready(flow);
        env.flow_where(name, is_mirrored).await;
    }
    pages.push(scraped(&operator).await);
    let panels = monitoring(&env.plane, true).await.panels("1m");
    let queries: Vec<String> = panels
        .iter()
        .flat_map(|panel| panel.queries.clone())
        .collect();
    assert!(queries.len() > 30, "{queries:?}");
    let last = of_pages(&pages);
    let last = Case {
        begin: last.until,
        queries,
        ..last
    };
    let shown = last.ask().await.unwrap();
    for panel in &panels {
        let mut queries = panel.queries.iter();
        assert!(queries.all(|query| shown.results[query] > 0), "{panel:?}");
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
        labels: labels
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        text: operator.get("/metrics").await.1,
    }
}

fn of_pages(pages: &[Page]) -> Case {
    let times = || pages.iter().map(|page| page.at);
    Case {
        pages: pages.to_vec(),
        begin: times().min().unwrap(),
        until: times().max().unwrap(),
        ..Case::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_are_as_the_schema_of_grafana_wants_them() {
    let boards = monitoring(&*plane().await, true).await.dashboards;
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
