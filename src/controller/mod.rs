//! The I/O around [`plan`](crate::plan): observes the cluster and the service, executes plans and reports the results.
//!
//! All three kinds share `reconcile`. What differs between kinds in the access to the service is in their
//! implementations of `Managed`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::jiff::SignedDuration;
use tokio::time::timeout;
use tracing::{Instrument, Span, field, info_span, trace_span};

mod access;
mod cache;
mod cluster;
mod connection;
mod context;
mod credentials;
mod dispatch;
mod error;
mod events;
mod flow;
mod flow_set;
mod index;
mod interest;
mod inventory;
mod managed;
mod object_name;
mod reconciliation;
mod remote;
mod schedule;
mod secrets;
mod session;
mod sessions;
#[cfg(test)]
mod testing;
mod triggers;
mod turns;
mod watch;

pub use cluster::FIELD_MANAGER;
pub use context::Context;
pub use error::ReconcileError;
pub use events::Publisher;
pub use sessions::Spawn;
pub use watch::{DEFINITIONS_MISSING, Scope, Shared, run as run_scope};

use crate::failpoint;
use crate::metrics::{Component, ReconcileResult};
use crate::plan::Step;
use crate::telemetry::with_causes;
use crate::traces::{mark_failed, with_trace_id};

use managed::Managed;
use reconciliation::Reconciliation;
use turns::Turn;

/// Maximum number of steps in one reconcile. The longest sequence needs about half of them: list, read by id, write the
/// intent, create, then record and send a reset. More steps are a bug in the plan, such as a cycle.
const MAX_STEPS: usize = 12;

/// Maximum duration of one reconcile, which ends even if something in it never does. The longest that is legitimate lists
/// three times (before a create, after it, and to verify), each time waits for a list in progress first, and each of the
/// six lists takes up to the 5 min of `LIST_TIMEOUT` for the flows and 10 min for the sets: 6 × 15 min = 90 min. The rest
/// is for waits for a place and for single requests, which take seconds.
const MAX_DURATION: Duration = Duration::from_mins(100);

/// Reconciles one resource, so that a failure or panic does not affect other resources. Returns the time after which it
/// is reconciled again, or `None` if it waits for a change.
async fn reconcile<K: Managed>(
    resource: Arc<K>,
    context: Arc<Context>,
    turn: Turn,
) -> Option<Duration> {
    let span = with_trace_id(info_span!(
        parent: None,
        "reconcile",
        kind = K::LABEL.as_str(),
        namespace = resource.namespace(),
        // Not `name`: in a JSON line, that is the name of the span.
        resource_name = resource.name_any(),
        generation = resource.meta().generation,
        trace_id = field::Empty,
    ));
    let reconciled = async {
        match reconcile_unspanned(resource.clone(), &context, &turn).await {
            Ok(pause) => pause,
            Err(error) => {
                mark_failed(error.class());
                Some(after_error(&*resource, &error, &context))
            }
        }
    };
    reconciled.instrument(span).await
}

async fn reconcile_unspanned<K: Managed>(
    resource: Arc<K>,
    context: &Context,
    turn: &Turn,
) -> Result<Option<Duration>, ReconcileError> {
    let _timer = context.metrics.reconciling(K::LABEL);
    let object = cluster::display_name(&*resource);
    // A panic leaves the same state as a crash: intents are in the cluster, and the locks and permits of the reconcile
    // are released when its future is dropped. The same is true of a reconcile that is overdue.
    let steps = timeout(MAX_DURATION, run_steps(resource, context, turn));
    match AssertUnwindSafe(steps).catch_unwind().await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => Err(ReconcileError::Overdue { object }),
        Err(_) => {
            context.metrics.panicked(Component::Reconcile);
            Err(ReconcileError::Panicked { object })
        }
    }
}

/// Observes the resource, plans and executes one step after the other, and reports.
async fn run_steps<K: Managed>(
    resource: Arc<K>,
    context: &Context,
    turn: &Turn,
) -> Result<Option<Duration>, ReconcileError> {
    failpoint::panic_in_run();
    let observed = Reconciliation::observe(resource, context, turn);
    let mut reconciliation = observed.instrument(trace_span!("observe")).await?;
    for _ in 0..MAX_STEPS {
        let plan = reconciliation.plan();
        let Some(step) = plan.step else {
            let reported = reconciliation.report();
            reported.instrument(trace_span!("report")).await?;
            return Ok(plan.requeue_after.map(SignedDuration::unsigned_abs));
        };
        let span = span_of(&step);
        reconciliation.execute(step).instrument(span).await?;
    }
    Err(reconciliation.step_limit())
}

fn span_of<C>(step: &Step<C>) -> Span {
    match step {
        Step::Refresh => trace_span!("list"),
        Step::Fetch => trace_span!("read"),
        Step::Resource(_) => trace_span!("write"),
        Step::Remote(_) => trace_span!("change"),
    }
}

/// Handles a failed reconcile: counts it, logs it and returns the pause before the next one.
fn after_error<K: Managed>(resource: &K, error: &ReconcileError, context: &Context) -> Duration {
    let failures = K::cache(context).failed(resource);
    context
        .metrics
        .reconciled(K::LABEL, ReconcileResult::Failed);
    let object = cluster::display_name(resource);
    if matches!(
        error,
        ReconcileError::Conflict { .. } | ReconcileError::Stopping { .. }
    ) {
        tracing::debug!(object, %error, "reconcile will be retried");
    } else if let Some(Some(count)) =
        K::cache(context).log(resource, |log| log.failed(error.class()))
    {
        tracing::warn!(
            object,
            error = with_causes(error),
            count,
            "reconcile failed"
        );
    }
    error.pause(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};

    fn size<K, F>(_: fn(Arc<K>, Arc<Context>, Turn) -> F) -> usize {
        size_of::<F>()
    }

    /// `MAX_BEGUN` in `turns.rs` is derived from this size.
    #[test]
    fn a_reconcile_that_has_begun_takes_little_memory() {
        let sizes = [
            size(reconcile::<GraphConnection>),
            size(reconcile::<OutboundProvisioningFlowSet>),
            size(reconcile::<ProvisioningFlow>),
        ];
        assert!(sizes.iter().all(|size| *size <= 16 * 1024), "{sizes:?}");
    }
}
