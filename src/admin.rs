//! The admin server: liveness, readiness and metrics over plain HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 as long as the process can answer |
//! | `/readyz` | 200 in [`ServerState::Standby`], and in [`ServerState::Leading`] while all watches deliver; otherwise 503 with a line why |
//! | `/metrics` | [`Metrics::page`] |
//! | `/log-filter` | from loopback only: the directives of the log; PUT with a query replaces them |
//!
//! Any client that can reach its address can read its responses, so they contain no settings, nothing of a spec and no
//! message. Metrics contain the names of connections, and those of all resources unless the settings forbid it
//! ([`Detail`](crate::metrics::Detail)).

mod connections;
mod log_filter;

use std::net::IpAddr;

use http::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::shard::Shard;
use crate::telemetry::LogFilter;
use crate::watches::Watches;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// State of the process, as reported by `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Not ready, with a short description of what it waits for.
    Starting(&'static str),
    /// Ready; waits for the lease, which another replica may hold.
    Standby,
    /// Ready; reconciles the resources of this shard.
    Leading(Shard),
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
/// stops. Without a filter, that of the log cannot be changed.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: ReadyState,
    filter: Option<LogFilter>,
    shutdown: CancellationToken,
) {
    let answer = |request: &Request<_>, peer| match request.uri().path() {
        "/log-filter" => filtering(request, peer, filter.as_ref()),
        _ => answer(request, &metrics, &readiness),
    };
    connections::answer_all(listener, answer, shutdown).await;
}

fn filtering<B>(
    request: &Request<B>,
    peer: IpAddr,
    filter: Option<&LogFilter>,
) -> Response<Full<Bytes>> {
    let (status, line) = log_filter::answer(request, peer, filter);
    let mut response = page(status, TEXT, line);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static(log_filter::METHODS);
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn answer<B>(
    request: &Request<B>,
    metrics: &Metrics,
    readiness: &ReadyState,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !["/livez", "/readyz", "/metrics"].contains(&path) {
        return page(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned());
    }
    // hyper leaves out the body of a response to HEAD.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new());
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match path {
        "/livez" => page(StatusCode::OK, TEXT, "alive\n".to_owned()),
        "/readyz" => {
            let (status, line) = ready(readiness);
            page(status, TEXT, line)
        }
        _ => {
            metrics.watches(&readiness.watches().health());
            page(StatusCode::OK, OPEN_METRICS, metrics.page())
        }
    }
}

fn page(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn ready(readiness: &ReadyState) -> (StatusCode, String) {
    match readiness.state() {
        ServerState::Starting(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        ServerState::Standby => (StatusCode::OK, "standby\n".to_owned()),
        ServerState::Leading(shard) => leading(shard, readiness),
        ServerState::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
    }
}

fn leading(shard: Shard, readiness: &ReadyState) -> (StatusCode, String) {
    let leading = match shard {
        Shard::ONLY => "leading".to_owned(),
        shard => format!("leading {shard}"),
    };
    let health = readiness.watches().health();
    let unhealthy: Vec<&str> = health
        .into_iter()
        .filter_map(|(kind, healthy)| (!healthy).then_some(kind))
        .collect();
    if unhealthy.is_empty() {
        return (StatusCode::OK, format!("{leading}\n"));
    }
    let kinds = unhealthy.join(", ");
    let line = format!(
        "{leading}, but no changes arrive from the cluster for: {kinds}; see the log for the reason\n"
    );
    (StatusCode::SERVICE_UNAVAILABLE, line)
}

#[cfg(test)]
mod tests;
