//! The metrics: what a page of them shows of a process that knows one resource of each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use industrydata_operator::api::{
    CredentialExpiry, GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, condition,
    reason,
};
use industrydata_operator::clock;
use industrydata_operator::metrics::{Inventory, Link, Metrics, ResourceKind, Source};
use industrydata_operator::poll::Polled;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manifests::{connection, groups, set};

use super::{code, row, table};

/// Labels whose values are not listed, and what they are.
const OPEN: [(&str, &str); 6] = [
    ("flow_set", "name of the set, or id of the remote set"),
    ("name", "name of the resource"),
    ("namespace", "namespace of the resource"),
    (
        "outcome",
        "`Success`, or a [reason of a failure](conditions.md#reasons-of-failures)",
    ),
    ("reason", "a [reason](conditions.md)"),
    ("version", "version of the operator"),
];

/// One metric.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

pub fn page() -> String {
    let rows = all().into_iter().map(|(name, metric)| {
        let labels = metric.labels.iter().map(|(label, values)| {
            let open = OPEN.iter().find(|(open, _)| open == label);
            // Reconciles have outcomes of their own.
            let open = open.filter(|(_, _)| !values.contains("done"));
            let meaning = open.map(|(_, meaning)| (*meaning).to_owned());
            let meaning = meaning.unwrap_or_else(|| {
                let values: Vec<String> = values.iter().map(|value| code(value)).collect();
                values.join(", ")
            });
            format!("{}: {meaning}", code(label))
        });
        let labels: Vec<String> = labels.collect();
        let kind = metric.kind.as_str();
        row([
            code(&name).as_str(),
            kind,
            metric.help.as_str(),
            &labels.join("; "),
        ])
    });
    let page = format!(
        "# Metrics

Served as `/metrics` on `--admin-address`, in the OpenMetrics text format. A histogram has the series `_bucket`, `_sum`
and `_count`. Each series of a counter or histogram exists from the start. Metrics of resources, flows and connections
are read at the time of a scrape, and only the leader has them, once its watches have delivered all resources.

Labels have a fixed set of values, so the number of series does not grow with the number of resources, with these
exceptions: a connection has five series (`industrydata_operator_connection_…`), and with `--resource-metrics` each
resource has one (`industrydata_operator_resource_state`) and each flow another (`industrydata_operator_flow_readiness`).

A resource has one `state`, the first of these that applies: `Stalled` (the condition is True), `Suspended` (it is the
reason of `Ready`), `Reconciling` (the condition is True), `Ready` (the condition is True), `Unknown`.

{}",
        table(&["name", "type", "what it is", "labels"], rows)
    );
    page.trim_end().to_owned() + "\n"
}

/// The names under which the metrics can be asked for.
pub fn series() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, metric) in all() {
        match metric.kind.as_str() {
            "histogram" => {
                names.extend(["bucket", "sum", "count"].map(|end| format!("{name}_{end}")));
            }
            _ => _ = names.insert(name),
        }
    }
    names
}

fn all() -> BTreeMap<String, Metric> {
    let (metrics, _known) = eventful();
    let page = metrics.encode();
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for line in page.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, help] => {
                metrics.entry(full(name, &page)).or_default().help = (*help).to_owned();
            }
            ["#", "TYPE", name, kind] => {
                metrics.entry(full(name, &page)).or_default().kind = (*kind).to_owned();
            }
            _ => labels(line, &mut metrics),
        }
    }
    metrics
}

/// The name in samples: that of a counter or an info has an ending.
fn full(name: &str, page: &str) -> String {
    let endings = [("counter", "_total"), ("info", "_info"), ("", "")];
    let is_it = |kind: &str| page.contains(&format!("# TYPE {name} {kind}"));
    let ending = endings.iter().find(|(kind, _)| is_it(kind));
    format!("{name}{}", ending.map_or("", |(_, ending)| ending))
}

fn labels(sample: &str, metrics: &mut BTreeMap<String, Metric>) {
    let Some((name, rest)) = sample.split_once('{') else {
        return;
    };
    let owner = metrics
        .iter_mut()
        .rfind(|(metric, _)| name.starts_with(metric.as_str()));
    let (_, metric) = owner.unwrap_or_else(|| panic!("whose sample is {sample}?"));
    let (labels, _) = rest.split_once('}').unwrap();
    for (label, value) in labels.split(',').filter_map(|pair| pair.split_once('=')) {
        if label != "le" {
            let values = metric.labels.entry(label.to_owned()).or_default();
            values.insert(value.trim_matches('"').to_owned());
        }
    }
}

/// Metrics of a process that knows one resource of each kind.
fn eventful() -> (Metrics, Arc<dyn Source>) {
    let metrics = Metrics::new();
    let kinds = ResourceKind::ALL.iter().map(|kind| (kind.as_str(), true));
    metrics.watches(&kinds.collect());
    let known: Arc<dyn Source> = Arc::new(Known);
    metrics.read_from(Arc::downgrade(&known));
    (metrics, known)
}

struct Known;

impl Source for Known {
    fn inventory(&self) -> Option<Inventory> {
        let expiry = CredentialExpiry {
            time: "2027-06-30T00:00:00Z".to_owned(),
            reported: None,
        };
        let connections = connection()["items"].as_array().cloned().unwrap();
        let connections = connections.into_iter();
        let mut connections = connections.filter(|one| one["kind"] == "GraphConnection");
        let mut connection: GraphConnection = parsed(connections.next().unwrap());
        let status = connection.status.get_or_insert_default();
        status.credential_expiry = Some(expiry);
        status.conditions = vec![stalled()];
        let mut set: OutboundProvisioningFlowSet = parsed(set("north"));
        set.status.get_or_insert_default().conditions = vec![stalled()];
        let mut flow: ProvisioningFlow = parsed(groups("security-groups"));
        flow.status.get_or_insert_default().conditions = vec![stalled()];
        let polled = Polled {
            at: None,
            interval: Duration::from_mins(1),
        };
        Some(Inventory {
            connections: vec![Arc::new(connection)],
            sets: vec![Arc::new(set)],
            flows: vec![Arc::new(flow)],
            links: vec![Link {
                namespace: "schools".to_owned(),
                name: "contoso".to_owned(),
                polled: Some(polled),
                throttled: 0,
                rate: 20.0,
            }],
        })
    }
}

fn parsed<K: DeserializeOwned>(manifest: Value) -> K {
    serde_json::from_value(manifest).unwrap()
}

fn stalled() -> Condition {
    Condition {
        type_: condition::STALLED.to_owned(),
        status: "True".to_owned(),
        reason: reason::CONFLICT.to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(clock::now()),
    }
}
