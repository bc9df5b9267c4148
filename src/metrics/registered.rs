//! The metrics themselves, with their names and descriptions.

use std::{collections::BTreeMap, sync::Mutex};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::labels::{
    ComponentLabels, KindLabels, OperationLabels, ReconcileLabels, RequestLabels, TriggerLabels,
    WriteLabels,
};

/// Upper bounds of the histogram buckets in seconds, from a cached response (5 ms) to a time-out
/// (30 s).
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// All metrics of the process, in a registry of their own.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) registry: Registry,
    pub(super) reconciles: Family<ReconcileLabels, Counter>,
    pub(super) reconcile_duration: Family<KindLabels, Histogram>,
    pub(super) graph_requests: Family<RequestLabels, Counter>,
    pub(super) graph_request_duration: Family<OperationLabels, Histogram>,
    pub(super) cluster_writes: Family<WriteLabels, Counter>,
    pub(super) leader: Gauge,
    pub(super) shard: Gauge,
    pub(super) shards: Gauge,
    pub(super) invalid_resources: Family<KindLabels, Counter>,
    pub(super) unknown_readiness: Counter,
    pub(super) reconcile_triggers: Family<TriggerLabels, Counter>,
    pub(super) panics: Family<ComponentLabels, Counter>,
    pub(super) watch_healthy: Family<KindLabels, Gauge>,
    pub(super) credential_expiry: Gauge,
    /// When the credentials of connections expire, in seconds since 1970, by the uid of the connection.
    pub(super) credential_expiries: Mutex<BTreeMap<String, i64>>,
}

impl Registered {
    /// Returns metrics that start at zero, registered under their names.
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("industrydata_operator"),
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(histogram),
            graph_requests: Family::default(),
            graph_request_duration: Family::new_with_constructor(histogram),
            cluster_writes: Family::default(),
            leader: Gauge::default(),
            shard: Gauge::default(),
            shards: Gauge::default(),
            invalid_resources: Family::default(),
            unknown_readiness: Counter::default(),
            reconcile_triggers: Family::default(),
            panics: Family::default(),
            watch_healthy: Family::default(),
            credential_expiry: Gauge::default(),
            credential_expiries: Mutex::default(),
        };
        metrics.registered()
    }

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
            "Whether this process is the leader, of its shard if there are several: 1 or 0",
            self.leader.clone(),
        );
        registry.register(
            "shard",
            "Number of the shard that this process leads, from 1; 0 while it leads none",
            self.shard.clone(),
        );
        registry.register(
            "shards",
            "Number of shards, as given by --shards",
            self.shards.clone(),
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
        registry.register_with_unit(
            "credential_expiry_timestamp",
            "When the first of the credentials whose end is known expires, in seconds since 1970; 0 if none is known",
            Unit::Seconds,
            self.credential_expiry.clone(),
        );
        self
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}
