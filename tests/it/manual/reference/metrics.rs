//! The metrics: what a page of them shows once everything has happened that is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use industrydata_operator::graph::{Operation, RequestOutcome};
use industrydata_operator::metrics::{
    Component, Metrics, ReconcileResult, ResourceKind, TriggerSource, Write,
};

use super::{code, row, table};

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
            let values: Vec<String> = values.iter().map(|value| code(value)).collect();
            format!("{}: {}", code(label), values.join(", "))
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

Served as `/metrics` on `--admin-address`, in the OpenMetrics text format. Labels have a fixed set of values, so the
number of series does not grow with the number of resources. The label `outcome` of requests may also be any of the
[reasons of failures](conditions.md#reasons-of-failures). A histogram has the series `_bucket`, `_sum` and `_count`.

{}",
        table(&["name", "type", "what is counted", "labels"], rows)
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
    let page = eventful().encode();
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

/// The name in samples: that of a counter has an ending.
fn full(name: &str, page: &str) -> String {
    let total = format!("{name}_total");
    if page.contains(&format!("# TYPE {name} counter")) {
        total
    } else {
        name.to_owned()
    }
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

/// Metrics of a process to which everything has happened once.
fn eventful() -> Metrics {
    use {Operation as Request, ResourceKind as Kind};
    let metrics = Metrics::new();
    for kind in [
        Kind::GraphConnection,
        Kind::OutboundProvisioningFlowSet,
        Kind::ProvisioningFlow,
    ] {
        drop(metrics.reconciling(kind));
        metrics.invalid_resource(kind);
        for outcome in [ReconcileResult::Done, ReconcileResult::Failed] {
            metrics.reconciled(kind, outcome);
        }
        for source in [TriggerSource::Poll, TriggerSource::Related] {
            metrics.triggered(kind, source);
        }
        for write in [
            Write::AddFinalizer,
            Write::WriteIntent,
            Write::ClearIntent,
            Write::StatusIntent,
            Write::RemoveFinalizer,
            Write::Status,
            Write::Event,
        ] {
            metrics.cluster_write(kind, write);
        }
    }
    metrics.lease_write();
    for part in [Component::Reconcile, Component::Poller, Component::Task] {
        metrics.panicked(part);
    }
    let kinds = [
        "GraphConnection",
        "OutboundProvisioningFlowSet",
        "ProvisioningFlow",
    ];
    metrics.watches(&kinds.map(|kind| (kind, true)).into());
    let observer = metrics.graph_observer();
    for request in [
        Request::FetchToken,
        Request::ListFlowSets,
        Request::ListFlowSetsWithFlows,
        Request::GetFlowSet,
        Request::CreateFlowSet,
        Request::UpdateFlowSet,
        Request::DeleteFlowSet,
        Request::ListFlows,
        Request::ListFlowsOfSets,
        Request::GetFlow,
        Request::CreateFlow,
        Request::UpdateFlow,
        Request::DeleteFlow,
        Request::ResetFlow,
    ] {
        observer(request, RequestOutcome::Success, Duration::from_millis(1));
    }
    metrics
}
