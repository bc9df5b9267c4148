//! Metrics of the operator, in the `OpenMetrics` text format.
//!
//! All names start with `industrydata_operator_`, except for those of the process, which are the same for all programs.
//! What happens is counted (`registered`). What is the case is read at the time of a scrape (`scraped`).
//!
//! Labels have a fixed set of values, so the number of series does not grow with the number of resources, with two
//! exceptions: connections, and with [`Detail::EachResource`] all resources.

mod inventory;
mod labels;
mod pages;
mod process;
mod registered;
mod scraped;
mod state;

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::body::Bytes;
use prometheus_client::{encoding::text, metrics::histogram::Histogram};
use tokio::time::Instant;

use crate::graph::{Observation, Observer, Operation, Priority, RequestOutcome};
use crate::shard::{Shard, ShardCount};

pub use inventory::{Inventory, Link, Source};
pub use labels::{Component, ReconcileResult, ResourceKind, TriggerSource, Write};
pub use scraped::Detail;
pub use state::{ReportedReadiness, ResourceState};

use inventory::Sources;
use labels::{
    ComponentLabels, KindLabels, OperationLabels, PriorityLabels, ReconcileLabels, RequestLabels,
    TriggerLabels, WriteLabels,
};
use pages::Pages;
use registered::Registered;
use scraped::Scraped;

/// Metrics of the process. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    registered: Arc<Registered>,
    sources: Sources,
    pages: Arc<Pages>,
}

/// Timer that adds the time since its creation to `reconcile_duration_seconds` when it is dropped, so that
/// every exit from a reconcile is measured.
#[derive(Debug)]
#[must_use = "the time ends when this is dropped"]
pub struct ReconcileTimer {
    histogram: Histogram,
    began: Instant,
}

impl Metrics {
    /// Returns metrics that start at zero, in a registry of their own.
    #[must_use]
    pub fn new() -> Self {
        Self::with_detail(Detail::default())
    }

    /// Like [`new`](Self::new), with or without series for each resource.
    #[must_use]
    pub fn with_detail(detail: Detail) -> Self {
        let sources = Sources::default();
        let scraped = Scraped {
            sources: sources.clone(),
            detail,
        };
        Self {
            registered: Arc::new(Registered::new(scraped)),
            sources,
            pages: Arc::default(),
        }
    }

    /// Adds a source of what is read at the time of a scrape, for as long as it exists.
    pub fn read_from(&self, source: Weak<dyn Source>) {
        self.sources.add(source);
    }

    /// Returns the page for a scrape: all metrics as of a moment ago, which is short compared to the interval between
    /// scrapes. It is shared, so that scrapes take little time and memory, however many there are.
    #[must_use]
    pub fn page(&self) -> Bytes {
        self.pages.current(|| self.encode().into())
    }

    /// Returns all metrics in the `OpenMetrics` text format, version 1.0.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::new();
        match text::encode(&mut page, &self.registered.registry) {
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
        Arc::new(move |observation| match observation {
            Observation::Admitted { priority, waited } => metrics.admitted(priority, waited),
            Observation::Finished {
                operation,
                outcome,
                duration,
            } => metrics.requested(operation, outcome, duration),
        })
    }

    fn admitted(&self, priority: Priority, waited: Duration) {
        let priority = priority.as_str();
        let waits = &self.registered.budget_wait;
        waits
            .get_or_create(&PriorityLabels { priority })
            .observe(waited.as_secs_f64());
    }

    fn requested(&self, operation: Operation, outcome: RequestOutcome, duration: Duration) {
        let operation = operation.as_str();
        let labels = RequestLabels {
            operation,
            outcome: outcome.as_str(),
        };
        self.registered.graph_requests.get_or_create(&labels).inc();
        if !duration.is_zero() {
            let durations = &self.registered.graph_request_duration;
            durations
                .get_or_create(&OperationLabels { operation })
                .observe(duration.as_secs_f64());
        }
    }

    /// Starts the timer of a reconcile.
    pub fn reconciling(&self, kind: ResourceKind) -> ReconcileTimer {
        let durations = &self.registered.reconcile_duration;
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
        self.registered.reconciles.get_or_create(&labels).inc();
    }

    /// Counts a successful write to the cluster for a resource of this kind.
    pub fn cluster_write(&self, kind: ResourceKind, write: Write) {
        self.count_write(&WriteLabels {
            kind: kind.as_str(),
            write: write.as_str(),
        });
    }

    /// Counts a successful write to the Lease: `kind="Lease"`, `write="lease"`.
    pub fn lease_write(&self) {
        self.count_write(&WriteLabels::LEASE);
    }

    fn count_write(&self, labels: &WriteLabels) {
        self.registered.cluster_writes.get_or_create(labels).inc();
    }

    /// Sets which shard this process leads, or `None` while it leads none. The
    /// [`Elector`](crate::lease::Elector) calls it, or the runtime without leader election.
    pub fn leads(&self, shard: Option<Shard>) {
        self.registered.leader.set(shard.is_some().into());
        let number = shard.map_or(0, Shard::number);
        self.registered.shard.set(number.into());
    }

    /// Sets how many shards there are.
    pub fn shards(&self, count: ShardCount) {
        self.registered.shards.set(count.get().into());
    }

    /// Counts a resource of this kind that could not be parsed.
    pub fn invalid_resource(&self, kind: ResourceKind) {
        let counters = &self.registered.invalid_resources;
        counters.get_or_create(&kind.labels()).inc();
    }

    /// Counts a flow whose `readinessStatus` changed to a value unknown to this version.
    pub fn unknown_readiness(&self) {
        self.registered.unknown_readiness.inc();
    }

    /// Counts a part of the program that panicked.
    pub fn panicked(&self, component: Component) {
        let labels = ComponentLabels {
            component: component.as_str(),
        };
        self.registered.panics.get_or_create(&labels).inc();
    }

    /// Sets the health of the watches of each kind.
    pub fn watches(&self, health: &BTreeMap<&'static str, bool>) {
        self.registered.watch_healthy.clear();
        for (kind, healthy) in health {
            let gauge = self
                .registered
                .watch_healthy
                .get_or_create(&KindLabels { kind });
            gauge.set((*healthy).into());
        }
    }

    /// Records how long it took from the creation of a resource until its flow was created at the service.
    pub fn flow_created(&self, duration: Duration) {
        let durations = &self.registered.flow_creation;
        durations.observe(duration.as_secs_f64());
    }

    /// Records how long it took from the creation of a resource until its flow was ready for the first time.
    pub fn flow_became_ready(&self, duration: Duration) {
        let durations = &self.registered.flow_readiness;
        durations.observe(duration.as_secs_f64());
    }

    /// Counts a reconcile that was triggered.
    pub fn triggered(&self, kind: ResourceKind, source: TriggerSource) {
        let labels = TriggerLabels {
            kind: kind.as_str(),
            source: source.as_str(),
        };
        self.registered
            .reconcile_triggers
            .get_or_create(&labels)
            .inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        self.histogram.observe(self.began.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
