//! The I/O around [`plan`](crate::plan): observes the cluster and the service, executes plans and reports the results.
//!
//! All three kinds share `reconcile`. What differs between kinds in the access to the service is in their
//! implementations of `Managed`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use kube::runtime::controller::Action;
use tracing::Instrument;

mod cache;
mod cluster;
mod connection;
mod context;
mod error;
mod flow;
mod flow_set;
mod index;
mod managed;
mod object_name;
mod reconciliation;
mod secrets;
mod session;
#[cfg(test)]
mod testing;
mod triggers;
mod watch;

pub use cluster::FIELD_MANAGER;
pub use context::Context;
pub use error::Error;
pub use secrets::MAX_CONCURRENT_READS;
pub use session::Spawn;
pub use watch::{DEFINITIONS_MISSING, Scope, run as run_scope};

use crate::failpoint;
use crate::metrics::{Component, ReconcileResult};
use crate::telemetry::with_causes;

use managed::Managed;
use reconciliation::Reconciliation;

/// Maximum number of steps in one reconcile. The longest sequence needs about half of them: list, read by id, write the
/// intent, create, then record and send a reset. More steps are a bug in the plan, such as a cycle.
const MAX_STEPS: usize = 12;

/// Reconciles one resource, so that a failure or panic does not affect other resources.
async fn reconcile<K: Managed>(resource: Arc<K>, context: Arc<Context>) -> Result<Action, Error> {
    let span = tracing::info_span!(
        "reconcile",
        kind = K::LABEL.as_str(),
        namespace = resource.namespace(),
        name = resource.name_any(),
        generation = resource.meta().generation,
    );
    reconcile_unspanned(resource, &context)
        .instrument(span)
        .await
}

async fn reconcile_unspanned<K: Managed>(
    resource: Arc<K>,
    context: &Context,
) -> Result<Action, Error> {
    let _timer = context.metrics.reconciling(K::LABEL);
    context.index.ready().await;
    let object = cluster::display_name(&*resource);
    // A panic leaves the same state as a crash: intents are in the cluster, and the locks and permits of the reconcile
    // are released when its future is dropped.
    let steps = AssertUnwindSafe(run_steps(resource, context)).catch_unwind();
    steps.await.unwrap_or_else(|_| {
        context.metrics.panicked(Component::Reconcile);
        Err(Error::Panicked { object })
    })
}

/// Observes the resource, plans and executes one step after the other, and reports.
async fn run_steps<K: Managed>(resource: Arc<K>, context: &Context) -> Result<Action, Error> {
    failpoint::panic_in_run();
    let mut reconciliation = Reconciliation::observe(resource, context).await?;
    for _ in 0..MAX_STEPS {
        let plan = reconciliation.plan();
        let Some(step) = plan.step else {
            reconciliation.report().await?;
            return Ok(plan
                .requeue_after
                .map_or_else(Action::await_change, requeue));
        };
        reconciliation.execute(step).await?;
    }
    Err(reconciliation.step_limit())
}

fn requeue(pause: k8s_openapi::jiff::SignedDuration) -> Action {
    Action::requeue(pause.unsigned_abs())
}

/// Handles a failed reconcile: counts it, logs it and requeues the resource.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn after_error<K: Managed>(resource: Arc<K>, error: &Error, context: Arc<Context>) -> Action {
    let failures = K::cache(&context).failed(&resource);
    context
        .metrics
        .reconciled(K::LABEL, ReconcileResult::Failed);
    let object = cluster::display_name(&*resource);
    if matches!(error, Error::Conflict { .. }) {
        tracing::debug!(object, %error, "reconcile will be retried");
    } else if let Some(Some(count)) =
        K::cache(&context).log(&resource, |log| log.failed(error.class()))
    {
        tracing::warn!(
            object,
            error = with_causes(error),
            count,
            "reconcile failed"
        );
    }
    Action::requeue(error.pause(failures))
}
