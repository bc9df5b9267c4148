//! The metrics that are counted, with their names and descriptions.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::graph::{Operation, Priority, RequestOutcome};

use super::{
    labels::{
        Component, ComponentLabels, KindLabels, OperationLabels, PriorityLabels, ReconcileLabels,
        ReconcileResult, RequestLabels, ResourceKind, TriggerLabels, TriggerSource, Write,
        WriteLabels,
    },
    process::ProcessMetrics,
    scraped::Scraped,
};

/// Prefix of all names, except for those of the process.
const PREFIX: &str = "industrydata_operator";

/// Upper bounds of the buckets of requests and reconciles, in seconds, from a cached response (5 ms) to a time-out
/// (30 s).
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper bounds of the buckets of waits for the budget, in seconds. A request waits for at most 2 s (`DEFAULT_MAX_WAIT`)
/// for each permit that it needs.
const WAIT_BUCKETS: [f64; 9] = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// Upper bounds of the buckets of the times that a new flow takes, in seconds. Creates take seconds, or minutes if there
/// are thousands of them. Until a flow is ready, School Data Sync has to run, which it does every 12 h; after 26 h, the
/// default of `spec.progressDeadline`, a flow is `Stalled`.
const PROGRESS_BUCKETS: [f64; 12] = [
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 93_600.0, 187_200.0, 604_800.0,
];

/// All metrics of the process, in a registry of their own.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) registry: Registry,
    pub(super) reconciles: Family<ReconcileLabels, Counter>,
    pub(super) reconcile_duration: Family<KindLabels, Histogram>,
    pub(super) graph_requests: Family<RequestLabels, Counter>,
    pub(super) graph_request_duration: Family<OperationLabels, Histogram>,
    pub(super) budget_wait: Family<PriorityLabels, Histogram>,
    pub(super) cluster_writes: Family<WriteLabels, Counter>,
    pub(super) flow_creation: Histogram,
    pub(super) flow_readiness: Histogram,
    pub(super) leader: Gauge,
    pub(super) shard: Gauge,
    pub(super) shards: Gauge,
    pub(super) invalid_resources: Family<KindLabels, Counter>,
    pub(super) unknown_readiness: Counter,
    pub(super) reconcile_triggers: Family<TriggerLabels, Counter>,
    pub(super) panics: Family<ComponentLabels, Counter>,
    pub(super) watch_healthy: Family<KindLabels, Gauge>,
}

impl Registered {
    /// Returns metrics that start at zero, registered under their names. Each series exists from the start: an increase
    /// from nothing to one is none to Prometheus, and would never cause an alert.
    pub(super) fn new(scraped: Scraped) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            reconcile_duration: Family::new_with_constructor(histogram),
            graph_requests: Family::default(),
            graph_request_duration: Family::new_with_constructor(histogram),
            budget_wait: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            cluster_writes: Family::default(),
            flow_creation: Histogram::new(PROGRESS_BUCKETS),
            flow_readiness: Histogram::new(PROGRESS_BUCKETS),
            leader: Gauge::default(),
            shard: Gauge::default(),
            shards: Gauge::default(),
            invalid_resources: Family::default(),
            unknown_readiness: Counter::default(),
            reconcile_triggers: Family::default(),
            panics: Family::default(),
            watch_healthy: Family::default(),
        };
        metrics.start_requests();
        metrics.start_kinds();
        metrics.registered(scraped)
    }

    fn start_requests(&self) {
        for operation in Operation::ALL {
            let operation = operation.as_str();
            let durations = &self.graph_request_duration;
            drop(durations.get_or_create(&OperationLabels { operation }));
            for outcome in RequestOutcome::all() {
                let outcome = outcome.as_str();
                let labels = RequestLabels { operation, outcome };
                drop(self.graph_requests.get_or_create(&labels));
            }
        }
        for priority in Priority::ALL {
            let priority = priority.as_str();
            drop(self.budget_wait.get_or_create(&PriorityLabels { priority }));
        }
    }

    fn start_kinds(&self) {
        for kind in ResourceKind::ALL {
            let labels = kind.labels();
            drop(self.reconcile_duration.get_or_create(&labels));
            drop(self.invalid_resources.get_or_create(&labels));
            let kind = kind.as_str();
            for outcome in ReconcileResult::ALL {
                let outcome = outcome.as_str();
                let labels = ReconcileLabels { kind, outcome };
                drop(self.reconciles.get_or_create(&labels));
            }
            for source in TriggerSource::ALL {
                let source = source.as_str();
                let labels = TriggerLabels { kind, source };
                drop(self.reconcile_triggers.get_or_create(&labels));
            }
            for write in Write::ALL {
                let write = write.as_str();
                drop(
                    self.cluster_writes
                        .get_or_create(&WriteLabels { kind, write }),
                );
            }
        }
        drop(self.cluster_writes.get_or_create(&WriteLabels::LEASE));
        for component in Component::ALL {
            let component = component.as_str();
            drop(self.panics.get_or_create(&ComponentLabels { component }));
        }
    }

    /// Registers each metric under its name. The format adds the suffixes `_total`, `_info` and `_seconds`.
    fn registered(mut self, scraped: Scraped) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessMetrics::default()));
        let own = registry.sub_registry_with_prefix(PREFIX);
        self.register_work(own);
        self.register_requests(own);
        self.register_health(own);
        own.register_collector(Box::new(scraped));
        self.registry = registry;
        self
    }

    fn register_work(&self, registry: &mut Registry) {
        registry.register(
            "reconciles",
            "Reconciles that ended, by kind of resource and outcome",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of reconciles",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "reconcile_triggers",
            "Reconciles that were triggered, by kind of resource and source of the trigger",
            self.reconcile_triggers.clone(),
        );
        registry.register(
            "cluster_writes",
            "Writes to the cluster that succeeded, by kind of resource and what was written",
            self.cluster_writes.clone(),
        );
        registry.register_with_unit(
            "flow_creation_duration",
            "Time from the creation of a ProvisioningFlow resource until its flow was created at the service",
            Unit::Seconds,
            self.flow_creation.clone(),
        );
        registry.register_with_unit(
            "flow_ready_duration",
            "Time from the creation of a ProvisioningFlow resource until the service first reported its flow as ready",
            Unit::Seconds,
            self.flow_readiness.clone(),
        );
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register(
            "graph_requests",
            "Requests to Microsoft Graph and its token authority, by operation and outcome",
            self.graph_requests.clone(),
        );
        registry.register_with_unit(
            "graph_request_duration",
            "Time from leaving the request budget to the last byte of the response",
            Unit::Seconds,
            self.graph_request_duration.clone(),
        );
        registry.register_with_unit(
            "budget_wait",
            "Time that requests waited for the request budget of their connection, by priority",
            Unit::Seconds,
            self.budget_wait.clone(),
        );
    }

    fn register_health(&self, registry: &mut Registry) {
        registry.register(
            "build",
            "Version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
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
            "Resources that could not be parsed, by kind",
            self.invalid_resources.clone(),
        );
        registry.register(
            "unknown_readiness",
            "Changes of a flow's readinessStatus to a value that this version does not recognize",
            self.unknown_readiness.clone(),
        );
        registry.register(
            "panics",
            "Panics of one part of the program, which was restarted while the others continued",
            self.panics.clone(),
        );
        registry.register(
            "watch_healthy",
            "Whether the watch of a kind delivers: 0 if it has delivered nothing one minute after its start, or keeps failing",
            self.watch_healthy.clone(),
        );
    }
}

impl WriteLabels {
    /// A write to the Lease.
    pub(super) const LEASE: Self = Self {
        kind: "Lease",
        write: "lease",
    };
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}
