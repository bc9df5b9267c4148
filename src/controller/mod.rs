//! The IO around [`plan`](crate::plan): looks at the world, carries plans out, writes down what came of it.
//!
//! A run is the same for all three kinds and is `reconcile`. What is particular to a kind when it meets the service is
//! its `Managed`.

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
mod reconciliation;
mod secrets;
mod session;
mod triggers;
mod watch;

pub use cluster::FIELD_MANAGER;
pub use context::Context;
pub use error::Error;
pub use session::Spawn;
pub use watch::{DEFINITIONS_MISSING, Scope, run as run_scope};

use crate::failpoint;
use crate::metrics::{Component, ReconcileResult};
use crate::telemetry::with_causes;

use managed::Managed;
use reconciliation::Reconciliation;

/// More steps than this in one run are a mistake in the plan.
const MAX_STEPS: usize = 12;

/// One run, which may fail in any way without harm to others.
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
    let object = cluster::called(&*resource);
    // What a run leaves half done is in the cluster. What it holds of this process, locks and permits, is let go.
    let run = AssertUnwindSafe(run(resource, context)).catch_unwind();
    run.await.unwrap_or_else(|_| {
        context.metrics.panicked(Component::Reconcile);
        Err(Error::Panicked { object })
    })
}

/// Observes a resource, plans, carries out one step after the other, and reports.
async fn run<K: Managed>(resource: Arc<K>, context: &Context) -> Result<Action, Error> {
    failpoint::panic_in_run();
    let mut run = Reconciliation::observe(resource, context).await?;
    for _ in 0..MAX_STEPS {
        let plan = run.plan();
        let Some(step) = plan.step else {
            run.report().await?;
            return Ok(plan
                .requeue_after
                .map_or_else(Action::await_change, requeue));
        };
        run.execute(step).await?;
    }
    Err(run.step_limit())
}

fn requeue(pause: k8s_openapi::jiff::SignedDuration) -> Action {
    Action::requeue(pause.unsigned_abs())
}

/// What follows a run that ended early.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn after_error<K: Managed>(resource: Arc<K>, error: &Error, context: Arc<Context>) -> Action {
    let failures = K::cache(&context).failed(&resource);
    context
        .metrics
        .reconciled(K::LABEL, ReconcileResult::Failed);
    let object = cluster::called(&*resource);
    if matches!(error, Error::Conflict { .. }) {
        tracing::debug!(object, %error, "reconcile is repeated");
    } else if let Some(count) = K::cache(&context).log(&resource, |log| log.failed(error.class())) {
        tracing::warn!(
            object,
            error = with_causes(error),
            count,
            "reconcile failed and is repeated"
        );
    }
    Action::requeue(error.pause(failures))
}
