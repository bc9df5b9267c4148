//! Metrics of the operator, in the `OpenMetrics` text format.
//!
//! All names start with `industrydata_operator_`. Every label has a fixed set of values, so the number
//! of series does not grow with the number of resources.

mod labels;
mod registered;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use prometheus_client::{encoding::text, metrics::histogram::Histogram};
use tokio::time::Instant;

use crate::graph::{Observer, Operation, RequestOutcome};
use crate::shard::{Shard, ShardCount};

pub use labels::{Component, ReconcileResult, ResourceKind, TriggerSource, Write};

use labels::{
    ComponentLabels, KindLabels, OperationLabels, ReconcileLabels, RequestLabels, TriggerLabels,
    WriteLabels,
};
use registered::Registered;

/// Metrics of the process. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registered>);

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
        Self(Arc::new(Registered::new()))
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

    /// Sets which shard this process leads, or `None` while it leads none. The
    /// [`Elector`](crate::lease::Elector) calls it, or the runtime without leader election.
    pub fn leads(&self, shard: Option<Shard>) {
        self.0.leader.set(shard.is_some().into());
        let number = shard.map_or(0, Shard::number);
        self.0.shard.set(number.into());
    }

    /// Sets how many shards there are.
    pub fn shards(&self, count: ShardCount) {
        self.0.shards.set(count.get().into());
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

    /// Records when the credential of a connection expires, in seconds since 1970, or that it is not known.
    pub fn credential_expires(&self, connection: String, expiry: Option<i64>) {
        let expiries = &self.0.credential_expiries;
        let mut expiries = expiries.lock().unwrap_or_else(PoisonError::into_inner);
        match expiry {
            Some(expiry) => expiries.insert(connection, expiry),
            None => expiries.remove(&connection),
        };
        let first = expiries.values().min().copied();
        self.0.credential_expiry.set(first.unwrap_or_default());
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

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        self.histogram.observe(self.began.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
