//! Who is notified: the routes of the example for Alertmanager, and the triggers and templates for Argo CD, as their own
//! code has them.

use std::collections::{BTreeMap, BTreeSet};

use industrydata_testbed::prometheus::Alert;
use industrydata_testbed::{Tool, run_with_input};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NAMESPACE, monitoring, path};
use crate::test_env::plane;

const ALERTMANAGER: &str = "deploy/alertmanager/alertmanager.yaml";
const ARGO: &str = "deploy/argocd/argocd-notifications-cm.yaml";

/// Where each alert goes if it is about a resource in the namespace `schools`, or else about the operator.
const RECEIVERS: [(&str, &str); 15] = [
    ("ConnectionNotReady", "identity-on-call"),
    ("CredentialExpires", "schools"),
    ("DeletionBlocked", "schools"),
    ("FlowFailedOrExpired", "schools"),
    ("FlowStalled", "schools"),
    ("NobodyLeads", "identity-on-call"),
    ("OperatorPanicked", "identity"),
    ("PollsStale", "identity"),
    ("ReadinessUnknown", "identity-tickets"),
    ("ReconcilesFail", "identity"),
    ("ResourceUnreadable", "identity"),
    ("ServiceFails", "identity"),
    ("Throttled", "identity"),
    ("WatchSilent", "identity-on-call"),
    ("WritesAtRest", "identity"),
];

type Labels = BTreeMap<String, String>;

/// Where an alert goes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Routed {
    destinations: Vec<Destination>,
    inhibited: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    receiver: String,
    group_by: Vec<String>,
}

/// Asks Alertmanager about alerts that are all active at the same time.
async fn routed(alerts: &[Labels]) -> Vec<Routed> {
    let mut tool = Tool::Alertmanager.command().await.unwrap();
    tool.arg(path(ALERTMANAGER));
    let alerts = serde_json::to_string(alerts).unwrap();
    let answer = run_with_input(&mut tool, &alerts).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

/// As Prometheus sends it.
fn sent(alert: &Alert) -> Labels {
    let mut labels = alert.labels.clone();
    labels.insert("alertname".to_owned(), alert.name.clone());
    labels
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_reaches_the_receiver_that_is_meant_for_it() {
    let receivers = BTreeMap::from(RECEIVERS);
    let mut fired = BTreeSet::new();
    for per_resource in [true, false] {
        for alert in monitoring::fired(&*plane().await, per_resource).await {
            let labels = sent(&alert);
            let is_of_the_namespace = labels.get("namespace").is_some_and(|it| it == "schools");
            let mut expected = receivers[&*alert.name];
            if expected == "schools" && !is_of_the_namespace {
                expected = "identity";
            }
            let routed = routed(std::slice::from_ref(&labels)).await.remove(0);
            let [to] = &routed.destinations[..] else {
                panic!("{labels:?}: {routed:?}");
            };
            assert_eq!(to.receiver, expected, "{labels:?}");
            assert_eq!(to.group_by, ["alertname", "namespace"]);
            assert!(!routed.inhibited, "{labels:?} inhibits itself");
            fired.insert(alert.name);
        }
    }
    let routed: BTreeSet<String> = receivers.keys().map(ToString::to_string).collect();
    assert_eq!(fired, routed, "alerts with a receiver");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_explains_others_inhibits_these_and_no_more() {
    let mut alerts: Vec<Labels> = monitoring::fired(&*plane().await, true)
        .await
        .iter()
        .map(sent)
        .collect();
    let named = |alerts: &[Labels], name: &str| {
        let mut found = alerts.iter().filter(|alert| alert["alertname"] == name);
        found.next().unwrap().clone()
    };
    // The same for other resources.
    for (name, label, value) in [
        ("PollsStale", "name", "fabrikam"),
        ("Throttled", "name", "fabrikam"),
        ("FlowStalled", "namespace", "another"),
        ("DeletionBlocked", "namespace", "another"),
        ("WatchSilent", "kind", "GraphConnection"),
        ("ReconcilesFail", "namespace", "another"),
    ] {
        let mut other = named(&alerts, name);
        other.insert(label.to_owned(), value.to_owned());
        alerts.push(other);
    }
    let explained = async |without: &[&str]| {
        let is_left = |alert: &&Labels| !without.contains(&&*alert["alertname"]);
        let left: Vec<Labels> = alerts.iter().filter(is_left).cloned().collect();
        let routed = routed(&left).await;
        let inhibited = left.iter().zip(&routed).filter(|(_, it)| it.inhibited);
        let named = inhibited.map(|(alert, _)| {
            let about = alert.get("name").or(alert.get("kind"));
            let about = about.map_or("", String::as_str);
            format!("{} {} {about}", alert["alertname"], alert["namespace"])
        });
        named.collect::<BTreeSet<String>>()
    };
    let of_the_operator = |name, about| format!("{name} {NAMESPACE} {about}");
    let by_the_connection = [
        "DeletionBlocked schools users",
        "FlowStalled schools users",
        "PollsStale schools contoso",
        "Throttled schools contoso",
    ]
    .map(str::to_owned);
    let by_the_watch = of_the_operator("ReconcilesFail", "ProvisioningFlow");
    let by_the_leader = [
        by_the_watch.clone(),
        of_the_operator("ServiceFails", ""),
        of_the_operator("WatchSilent", "GraphConnection"),
        of_the_operator("WatchSilent", "ProvisioningFlow"),
        of_the_operator("WritesAtRest", "ProvisioningFlow"),
    ];
    let all = by_the_connection.iter().chain(&by_the_leader);
    assert_eq!(explained(&[]).await, all.cloned().collect());
    assert_eq!(
        explained(&["NobodyLeads", "ConnectionNotReady"]).await,
        BTreeSet::from([by_the_watch])
    );
    let nothing = explained(&["NobodyLeads", "ConnectionNotReady", "WatchSilent"]).await;
    assert_eq!(nothing, BTreeSet::new());
}

/// Applications as Argo CD writes them, one after another: of which the names say what is the matter with them.
pub fn applications() -> Vec<Value> {
    let flow = |health: Option<Value>| {
        let mut flow = json!({
            "group": "industrydata.dev", "version": "v1alpha1", "kind": "ProvisioningFlow",
            "namespace": "district", "name": "north-users", "status": "Synced",
        });
        if let Some(health) = health {
            flow["health"] = health;
        }
        flow
    };
    let secret = json!({ "version": "v1", "kind": "Secret", "namespace": "district", "name": "contoso", "status": "Synced", "health": { "status": "Degraded" } });
    let failed =
        json!({ "status": "Degraded", "message": "the service reports the flow as failed" });
    let waits = json!({
        "operation": { "sync": {} }, "phase": "Running", "startedAt": "2026-01-01T00:00:00Z",
        "message": "Waiting for pruning confirmation of industrydata.dev/v1alpha1/ProvisioningFlow/north-users",
    });
    let status = |health: &str, resources: Value| json!({ "health": { "status": health }, "resources": resources, "sync": { "status": "Synced" } });
    let mut pruning = status("Healthy", json!([flow(None)]));
    pruning["operationState"] = waits;
    pruning["sync"]["status"] = json!("OutOfSync");
    [
        ("new", None),
        (
            "healthy",
            Some(status("Healthy", json!([secret, flow(None)]))),
        ),
        (
            "progressing",
            Some(status("Progressing", json!([flow(None)]))),
        ),
        (
            "degraded",
            Some(status("Degraded", json!([flow(None), secret]))),
        ),
        (
            "degraded-and-persisted",
            Some(status("Degraded", json!([secret, flow(Some(failed))]))),
        ),
        ("pruning", Some(pruning)),
        ("of-others", Some(status("Degraded", json!([secret])))),
    ]
    .map(|(name, status)| application(name, status))
    .into()
}

fn application(name: &str, status: Option<Value>) -> Value {
    let mut application = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": { "name": name, "namespace": "argocd" },
        "spec": {
            "project": "default",
            "source": { "repoURL": "https://git.example.com/district/provisioning.git", "path": "flows" },
            "destination": { "server": "https://kubernetes.default.svc", "namespace": "district" },
        },
    });
    if let Some(status) = status {
        application["status"] = status;
    }
    application
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_notifies_of_what_needs_a_person_and_of_nothing_else() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let text = std::fs::read_to_string(path(ARGO)).unwrap();
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    std::fs::write(&config, object.to_string()).unwrap();
    let mut tool = Tool::ArgoNotifications.command().await.unwrap();
    tool.arg(config.path());
    let applications = applications();
    let input: String = applications.iter().map(Value::to_string).collect();
    let answer = run_with_input(&mut tool, &input).await.unwrap();
    let lines = answer
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let notified: Vec<Vec<Value>> = lines.collect();

    let degraded = "on-industrydata-degraded";
    let expected: [(&str, &[&str]); 7] = [
        ("new", &[]),
        ("healthy", &["on-industrydata-healthy"]),
        ("progressing", &[]),
        ("degraded", &[degraded]),
        ("degraded-and-persisted", &[degraded]),
        (
            "pruning",
            &["on-industrydata-deletion", "on-industrydata-healthy"],
        ),
        ("of-others", &[]),
    ];
    assert_eq!(notified.len(), expected.len());
    for ((name, triggers), found) in expected.iter().zip(&notified) {
        let found: Vec<&str> = found.iter().map(|one| text_of(&one["trigger"])).collect();
        assert_eq!(found, *triggers, "{name}");
    }
    let message = |place: usize| text_of(&notified[place][0]["message"]);
    let subject = text_of(&notified[3][0]["email"]["subject"]);
    assert_eq!(subject, "School Data Sync: degraded needs attention");
    let link = "https://argocd.example.com/applications/degraded";
    assert!(message(3).ends_with(&format!("remedy.\n{link}\n")));
    // Only with a setting of Argo CD does the Application name what is Degraded.
    let flow = "* ProvisioningFlow district/north-users: the service reports the flow as failed\n";
    assert_eq!(message(4).matches("* ").count(), 1, "{}", message(4));
    assert!(message(4).contains(flow), "{}", message(4));
    assert!(message(5).contains("ProvisioningFlow/north-users"));
    for notification in notified.iter().flatten() {
        let text = notification.to_string();
        assert!(
            !text.contains("<no value>") && !text.contains("{{"),
            "{text}"
        );
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap()
}
