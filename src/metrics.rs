//! Metrics of the operator, in the `OpenMetrics` text format.
//!
//! All names start with `industrydata_operator_`. Every label has a fixed set of values, so the number
//! of series does not grow with the number of resources.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use crate::graph::{Observer, Operation, RequestOutcome};

/// Upper bounds of the histogram buckets in seconds, from a cached response (5 ms) to a time-out
/// (30 s).
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Metrics of the process. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registered>);

/// Kind of the resource that a metric is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `GraphConnection`.
    GraphConnection,
    /// `OutboundProvisioningFlowSet`.
    OutboundProvisioningFlowSet,
    /// `ProvisioningFlow`.
    ProvisioningFlow,
}

/// Result of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReconcileResult {
    /// Its plan was carried out and its status is written.
    Done,
    /// It failed and will be retried.
    Failed,
}

/// Write to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// The finalizer was added.
    AddFinalizer,
    /// The finalizer and the intent to create were added.
    WriteIntent,
    /// The intent to create was removed.
    ClearIntent,
    /// The status was written before a step, as its permit.
    StatusIntent,
    /// The finalizer was removed.
    RemoveFinalizer,
    /// The status was written at the end of a reconcile.
    Status,
    /// An event was published.
    Event,
}

/// Source of the trigger of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerSource {
    /// A poll that detected a change.
    Poll,
    /// A change of a resource that this one refers to, or that refers to it.
    Related,
}

/// Part of the program whose panics do not affect the other parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Reconcile of one resource.
    Reconcile,
    /// Round of the poller of one connection.
    Poller,
    /// Any other task.
    Task,
}

/// Timer that adds the time since its creation to `reconcile_duration_seconds` when it is dropped, so that
/// every exit from a reconcile is measured.
#[derive(Debug)]
#[must_use = "the time ends when this is dropped"]
pub struct ReconcileTimer {
    histogram: Histogram,
    began: Instant,
}

#[derive(Debug)]
struct Registered {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_duration: Family<KindLabels, Histogram>,
    graph_requests: Family<RequestLabels, Counter>,
    graph_request_duration: Family<OperationLabels, Histogram>,
    cluster_writes: Family<WriteLabels, Counter>,
    leader: Gauge,
    invalid_resources: Family<KindLabels, Counter>,
    unknown_readiness: Counter,
    reconcile_triggers: Family<TriggerLabels, Counter>,
    panics: Family<ComponentLabels, Counter>,
    watch_healthy: Family<KindLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    write: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TriggerLabels {
    kind: &'static str,
    source: &'static str,
}

impl Metrics {
    /// Returns metrics that start at zero, in a registry of their own.
    #[must_use]
    pub fn new() -> Self {
        let inner = Registered {
            registry: Registry::with_prefix("industrydata_operator"),
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(histogram),
            graph_requests: Family::default(),
            graph_request_duration: Family::new_with_constructor(histogram),
            cluster_writes: Family::default(),
            leader: Gauge::default(),
            invalid_resources: Family::default(),
            unknown_readiness: Counter::default(),
            reconcile_triggers: Family::default(),
            panics: Family::default(),
            watch_healthy: Family::default(),
        };
        Self(Arc::new(inner.registered()))
    }

    /// Returns all metrics in the `OpenMetrics` text format, version 1.0.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::new();
        match text::encode(&mut page, &self.0.registry) {
            Ok(()) => page,
            // Scrapers reject a page without `# EOF`, so this failure is visible to them.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Returns an observer that counts and times requests to Microsoft Graph.
    ///
    /// A request that the budget refused is counted, but not timed.
    #[must_use]
    pub fn graph_observer(&self) -> Observer {
        let metrics = self.clone();
        Arc::new(move |operation, outcome, duration| {
            metrics.requested(operation, outcome, duration);
        })
    }

    fn requested(&self, operation: Operation, outcome: RequestOutcome, duration: Duration) {
        let operation = operation.as_str();
        let labels = RequestLabels {
            operation,
            outcome: outcome.as_str(),
        };
        self.0.graph_requests.get_or_create(&labels).inc();
        if !duration.is_zero() {
            let durations = &self.0.graph_request_duration;
            durations
                .get_or_create(&OperationLabels { operation })
                .observe(duration.as_secs_f64());
        }
    }

    /// Starts the timer of a reconcile.
    pub fn reconciling(&self, kind: ResourceKind) -> ReconcileTimer {
        let durations = &self.0.reconcile_duration;
        ReconcileTimer {
            histogram: durations.get_or_create(&kind.labels()).clone(),
            began: Instant::now(),
        }
    }

    /// Counts a reconcile that ended.
    pub fn reconciled(&self, kind: ResourceKind, outcome: ReconcileResult) {
        let labels = ReconcileLabels {
            kind: kind.as_str(),
            outcome: outcome.as_str(),
        };
        self.0.reconciles.get_or_create(&labels).inc();
    }

    /// Counts a successful write to the cluster for a resource of this kind.
    pub fn cluster_write(&self, kind: ResourceKind, write: Write) {
        self.count_write(kind.as_str(), write.as_str());
    }

    /// Counts a successful write to the Lease: `kind="Lease"`, `write="lease"`.
    pub fn lease_write(&self) {
        self.count_write("Lease", "lease");
    }

    fn count_write(&self, kind: &'static str, write: &'static str) {
        let labels = WriteLabels { kind, write };
        self.0.cluster_writes.get_or_create(&labels).inc();
    }

    /// Sets whether this process is the leader. The [`Elector`](crate::lease::Elector) calls it, or the
    /// runtime without leader election.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(leads.into());
    }

    /// Counts a resource of this kind that could not be parsed.
    pub fn invalid_resource(&self, kind: ResourceKind) {
        let counters = &self.0.invalid_resources;
        counters.get_or_create(&kind.labels()).inc();
    }

    /// Counts a flow whose `readinessStatus` changed to a value unknown to this version.
    pub fn unknown_readiness(&self) {
        self.0.unknown_readiness.inc();
    }

    /// Counts a part of the program that panicked.
    pub fn panicked(&self, component: Component) {
        let labels = ComponentLabels {
            component: component.as_str(),
        };
        self.0.panics.get_or_create(&labels).inc();
    }

    /// Sets the health of the watches of each kind.
    pub fn watches(&self, health: &BTreeMap<&'static str, bool>) {
        self.0.watch_healthy.clear();
        for (kind, healthy) in health {
            let gauge = self.0.watch_healthy.get_or_create(&KindLabels { kind });
            gauge.set((*healthy).into());
        }
    }

    /// Counts a reconcile that was triggered.
    pub fn triggered(&self, kind: ResourceKind, source: TriggerSource) {
        let labels = TriggerLabels {
            kind: kind.as_str(),
            source: source.as_str(),
        };
        self.0.reconcile_triggers.get_or_create(&labels).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ResourceKind {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphConnection => "GraphConnection",
            Self::OutboundProvisioningFlowSet => "OutboundProvisioningFlowSet",
            Self::ProvisioningFlow => "ProvisioningFlow",
        }
    }

    const fn labels(self) -> KindLabels {
        KindLabels {
            kind: self.as_str(),
        }
    }
}

impl ReconcileResult {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Write {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddFinalizer => "add_finalizer",
            Self::WriteIntent => "write_intent",
            Self::ClearIntent => "clear_intent",
            Self::StatusIntent => "status_intent",
            Self::RemoveFinalizer => "remove_finalizer",
            Self::Status => "status",
            Self::Event => "event",
        }
    }
}

impl TriggerSource {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Related => "related",
        }
    }
}

impl Component {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::Poller => "poller",
            Self::Task => "task",
        }
    }
}

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        self.histogram.observe(self.began.elapsed().as_secs_f64());
    }
}

impl Registered {
    /// Registers each metric under its name. The format adds the suffixes `_total` and `_seconds`.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "reconciles",
            "Reconciles that ended, by kind of resource and how they ended",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a reconcile took",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "graph_requests",
            "Requests to Microsoft Graph and its token authority, by operation and how they went",
            self.graph_requests.clone(),
        );
        registry.register_with_unit(
            "graph_request_duration",
            "Time from leaving the request budget to the last byte of the answer",
            Unit::Seconds,
            self.graph_request_duration.clone(),
        );
        registry.register(
            "cluster_writes",
            "Writes to the cluster that succeeded, by kind of resource and what was written",
            self.cluster_writes.clone(),
        );
        registry.register(
            "leader",
            "Whether this process is the leader: 1 or 0",
            self.leader.clone(),
        );
        registry.register(
            "invalid_resources",
            "Resources that could not be read as their kind",
            self.invalid_resources.clone(),
        );
        registry.register(
            "unknown_readiness",
            "Times that a flow's readinessStatus became a value that this version does not know",
            self.unknown_readiness.clone(),
        );
        registry.register(
            "reconcile_triggers",
            "Reconciles that were asked for, by kind of resource and who asked",
            self.reconcile_triggers.clone(),
        );
        registry.register(
            "panics",
            "Panics in one part of the program, which was tried again while the others went on",
            self.panics.clone(),
        );
        registry.register(
            "watch_healthy",
            "Whether the watch of a kind delivers: 0 if it has shown nothing a minute after its start, or keeps failing",
            self.watch_healthy.clone(),
        );
        self
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

#[cfg(test)]
mod tests;
