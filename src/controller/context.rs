//! What every run needs.

use std::sync::Arc;

use kube::core::Selector;
use kube::runtime::events::Recorder;
use tokio::time::Instant;

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::lease::LeaseGuard;
use crate::metrics::Metrics;
use crate::plan::Limits;

use super::cache::ReconcileCache;
use super::index::Index;
use super::secrets::Secrets;
use super::session::Sessions;

/// What every run needs. One for each scope, shared by its three controllers.
pub struct Context {
    /// Writes to the cluster. It has time-outs, and repeats nothing by itself: a write with a precondition must not be
    /// repeated without a new look.
    pub cluster: kube::Client,
    /// What the watches show.
    pub index: Index,
    /// The ways to the service.
    pub sessions: Sessions,
    /// Reads Secrets.
    pub secrets: Arc<Secrets>,
    /// Where the steady clock of plans begins.
    pub started: Instant,
    /// The permission to change anything.
    pub lease_guard: LeaseGuard,
    /// Publishes events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Metrics,
    /// Times that the protocols are built on.
    pub limits: Limits,
    /// The labels of the resources that are watched, or `None` if all are.
    pub selector: Option<Selector>,
    /// What is remembered of connections.
    pub connections: ReconcileCache<GraphConnection>,
    /// What is remembered of sets.
    pub sets: ReconcileCache<OutboundProvisioningFlowSet>,
    /// What is remembered of flows.
    pub flows: ReconcileCache<ProvisioningFlow>,
}
