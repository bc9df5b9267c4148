//! The admin server: liveness, readiness and metrics over plain HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 as long as the process can answer |
//! | `/readyz` | 200 in [`ServerState::Standby`], and in [`ServerState::Leading`] while all watches deliver; otherwise 503 with a line why |
//! | `/metrics` | [`Metrics::encode`] |
//!
//! Its responses contain nothing confidential, because any client that can reach its address can read
//! them: no names of resources, no settings.

use std::{future::IntoFuture, io, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, select, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::watches::Watches;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long responses in progress may take after shutdown was requested. A client that reads slowly
/// must not delay the exit of the process.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// State of the process, as reported by `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Not ready, with a short description of what it waits for.
    Starting(&'static str),
    /// Ready; waits for the lease, which another replica may hold.
    Standby,
    /// Ready; reconciles resources.
    Leading,
    /// No longer ready; finishes the steps in progress.
    Stopping,
}

/// Shared [`ServerState`] of the process, which the runtime sets and [`serve`] reports. Cheap to clone;
/// clones share the state.
#[derive(Clone, Debug)]
pub struct ReadyState {
    state: watch::Sender<ServerState>,
    watches: Watches,
}

impl ReadyState {
    /// Returns the state of a process that is starting and waits for `reason`.
    #[must_use]
    pub fn new(reason: &'static str) -> Self {
        Self {
            state: watch::Sender::new(ServerState::Starting(reason)),
            watches: Watches::default(),
        }
    }

    /// Sets the state that `/readyz` reports from now on.
    pub fn set(&self, state: ServerState) {
        self.state.send_replace(state);
    }

    /// Returns the current state.
    #[must_use]
    pub fn state(&self) -> ServerState {
        *self.state.borrow()
    }

    /// Returns the watches, without which a leader would act on outdated resources.
    #[must_use]
    pub const fn watches(&self) -> &Watches {
        &self.watches
    }
}

/// Answers requests until `shutdown` is cancelled, and for at most one second more.
///
/// Cancel `shutdown` last: the server must still report [`ServerState::Stopping`] while the process
/// stops.
///
/// # Errors
///
/// An [`io::Error`] if the listener fails permanently.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: ReadyState,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let overdue = async {
        shutdown.cancelled().await;
        sleep(LAST_ANSWERS).await;
    };
    let server = axum::serve(listener, router(metrics, readiness))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    select! {
        ended = server.into_future() => ended,
        () = overdue => Ok(()),
    }
}

fn router(metrics: Metrics, readiness: ReadyState) -> Router {
    let watches = readiness.watches().clone();
    let page = async move || {
        metrics.watches(&watches.health());
        ([(CONTENT_TYPE, OPEN_METRICS)], metrics.encode())
    };
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(&readiness)))
        .route("/metrics", get(page))
}

fn ready(readiness: &ReadyState) -> impl IntoResponse + use<> {
    match readiness.state() {
        ServerState::Starting(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        ServerState::Standby => (StatusCode::OK, "standby\n".to_owned()),
        ServerState::Leading => leading(readiness),
        ServerState::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
    }
}

fn leading(readiness: &ReadyState) -> (StatusCode, String) {
    let health = readiness.watches().health();
    let unhealthy: Vec<&str> = health
        .into_iter()
        .filter_map(|(kind, healthy)| (!healthy).then_some(kind))
        .collect();
    if unhealthy.is_empty() {
        return (StatusCode::OK, "leading\n".to_owned());
    }
    let kinds = unhealthy.join(", ");
    let line = format!(
        "leading, but no changes arrive from the cluster for: {kinds}; see the log for the reason\n"
    );
    (StatusCode::SERVICE_UNAVAILABLE, line)
}

#[cfg(test)]
mod tests;
