//! Dependencies of reconciles.

use std::sync::Arc;

use kube::core::Selector;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::lease::LeaseGuard;
use crate::metrics::Metrics;
use crate::plan::Limits;
use crate::shard::Shard;

use super::cache::ReconcileCache;
use super::events::Publisher;
use super::index::Index;
use super::secrets::Secrets;
use super::sessions::Sessions;
use super::turns::Turns;

/// Dependencies of reconciles. There is one for each scope, shared by its three controllers.
pub struct Context {
    /// Client for writes to the cluster. It has time-outs and does not retry automatically: a write with a precondition
    /// must not be retried before the resource is read again.
    pub cluster: kube::Client,
    /// Index of the watched resources.
    pub index: Index,
    /// Sessions at the service.
    pub sessions: Sessions,
    /// Reader of Secrets.
    pub secrets: Arc<Secrets>,
    /// Places for reconciles.
    pub turns: Turns,
    /// Which tenants this process works for.
    pub shard: Shard,
    /// Cancelled when the operator stops: reconciles then wait for nothing that only reads.
    pub stop: CancellationToken,
    /// Origin of the monotonic clock of plans.
    pub started: Instant,
    /// Guard of the lease, which permits writes.
    pub lease_guard: LeaseGuard,
    /// Publisher of events.
    pub publisher: Publisher,
    /// Metrics of the operator.
    pub metrics: Metrics,
    /// Durations on which the protocols depend.
    pub limits: Limits,
    /// Label selector of the watched resources, or `None` if all are watched.
    pub selector: Option<Selector>,
    /// Memory about connections.
    pub connections: ReconcileCache<GraphConnection>,
    /// Memory about sets.
    pub sets: ReconcileCache<OutboundProvisioningFlowSet>,
    /// Memory about flows.
    pub flows: ReconcileCache<ProvisioningFlow>,
}
