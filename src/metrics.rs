//! What the operator counts and times, in the `OpenMetrics` text format.
//!
//! All names start with `industrydata_operator_`. Every label is one of a fixed set of values, so
//! the number of series does not grow with the number of resources.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use crate::graph::{Observer, Operation, RequestOutcome};

/// The upper bounds of the histograms, in seconds: from an answer out of a cache to a time-out.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The metrics of the process. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registered>);

/// The kind of resource that something was done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `GraphConnection`.
    GraphConnection,
    /// `OutboundProvisioningFlowSet`.
    OutboundProvisioningFlowSet,
    /// `ProvisioningFlow`.
    ProvisioningFlow,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReconcileResult {
    /// Its plan was carried out and its status is written.
    Done,
    /// It was broken off and will be tried again.
    Failed,
}

/// A write to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// The finalizer was added.
    AddFinalizer,
    /// The finalizer and the intent to create were added.
    WriteIntent,
    /// The intent to create was taken back.
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

/// Who asked for a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerSource {
    /// A poll that found a difference.
    Poll,
    /// A change of a resource that this one refers to, or that refers to it.
    Related,
}

/// A part of the program that can panic without harm to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// A run for one resource.
    Reconcile,
    /// A round of the poller of one connection.
    Poller,
    /// Any other task.
    Task,
}

/// Adds the time since it was made to `reconcile_duration_seconds` when it is dropped, so that no
/// way out of a reconcile is missed.
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
    /// Metrics that start at zero, in a registry of their own.
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

    /// All metrics in the `OpenMetrics` text format, version 1.0.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::new();
        match text::encode(&mut page, &self.0.registry) {
            Ok(()) => page,
            // A page without its `# EOF` is refused by those who read it, as it should be.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Counts and times the requests of a connection to Microsoft Graph.
    ///
    /// A request that never left, because the budget refused it, is counted but not timed.
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

    /// Starts the clock for a reconcile.
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

    /// Counts a write to the cluster that succeeded, for a resource of this kind.
    pub fn cluster_write(&self, kind: ResourceKind, write: Write) {
        self.count_write(kind.as_str(), write.as_str());
    }

    /// Counts a write to the Lease that succeeded: `kind="Lease"`, `write="lease"`.
    pub fn lease_write(&self) {
        self.count_write("Lease", "lease");
    }

    fn count_write(&self, kind: &'static str, write: &'static str) {
        let labels = WriteLabels { kind, write };
        self.0.cluster_writes.get_or_create(&labels).inc();
    }

    /// Says whether this process is the leader. The [`Elector`](crate::lease::Elector) does; it is
    /// left to others only without leader election.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(leads.into());
    }

    /// Counts a resource of this kind that could not be read as one.
    pub fn invalid_resource(&self, kind: ResourceKind) {
        let counters = &self.0.invalid_resources;
        counters.get_or_create(&kind.labels()).inc();
    }

    /// Counts a flow whose `readinessStatus` became a value that this version does not know.
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

    /// Says of each kind that is watched whether what happens to it is delivered.
    pub fn watches(&self, health: &BTreeMap<&'static str, bool>) {
        self.0.watch_healthy.clear();
        for (kind, healthy) in health {
            let gauge = self.0.watch_healthy.get_or_create(&KindLabels { kind });
            gauge.set((*healthy).into());
        }
    }

    /// Counts a reconcile that was asked for.
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
    /// The value of the label.
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
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Write {
    /// The value of the label.
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
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Related => "related",
        }
    }
}

impl Component {
    /// The value of the label.
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
    /// Puts each metric into the registry under its name. The suffixes `_total` and `_seconds` are
    /// added by the format.
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
