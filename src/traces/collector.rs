//! The HTTP client of the exporter, with the client library that the service is called with.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::context::TokioContext;
use url::Url;

use crate::failure_log::FailureLog;
use crate::graph::{TransportError, client_builder, is_loopback, trusted};

/// Time limit of a request, and of establishing a connection.
const REQUEST: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(2);

/// Largest response that is read. Its content is a count of rejected spans.
const MAX_RESPONSE: usize = 64 * 1024;

/// Time without a failure after which an outage counts as ended, so that a collector that fails now and then does not fill
/// the log.
const CALM: Duration = Duration::from_mins(1);

/// Where traces are sent.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// URL of the collector, to whose path `v1/traces` is added.
    pub endpoint: Url,
    /// Certificates (PEM, one or more) of authorities to trust in addition to the system's.
    pub ca_certificates: Option<Vec<u8>>,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
}

/// Client for the collector.
pub(super) struct Collector {
    http: reqwest::Client,
    /// The exporter calls from a thread of its own, which belongs to no runtime.
    runtime: Handle,
    outage: Mutex<Outage>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    pub(super) fn new(settings: &TraceSettings, runtime: Handle) -> Result<Self, TransportError> {
        let trusted = trusted(settings.ca_certificates.as_deref())?;
        let mut http = client_builder(&trusted)
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .user_agent(&settings.user_agent);
        if is_loopback(&settings.endpoint) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(TransportError::Setup)?,
            runtime,
            outage: Mutex::default(),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let (head, body) = request.into_parts();
        let request = self.http.request(head.method, head.uri.to_string());
        let mut answer = request.headers(head.headers).body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut content = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if content.len() + chunk.len() > MAX_RESPONSE {
                break;
            }
            content.extend_from_slice(&chunk);
        }
        Ok(response
            .body(content.into())
            .unwrap_or_else(|_| Response::default()))
    }

    fn note(&self, sent: &Result<Response<Bytes>, reqwest::Error>) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match sent {
            Ok(answer) if answer.status().is_success() => {
                if outage.succeeded() {
                    tracing::info!("traces are sent to the collector again");
                }
                return;
            }
            Ok(answer) => format!("HTTP {}", answer.status().as_u16()),
            Err(error) => anyhow::Chain::new(error)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": "),
        };
        if let Some(count) = outage.failed() {
            tracing::warn!(
                error,
                count,
                "failed to send traces to the collector; spans are lost until it responds"
            );
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = TokioContext::new(self.send(request), self.runtime.clone()).await;
        let sent = sent.map_err(reqwest::Error::without_url);
        self.note(&sent);
        Ok(sent?)
    }
}

/// Which failures to send are logged: the first of an outage, and one an hour.
#[derive(Debug, Default)]
struct Outage {
    log: FailureLog,
    last: Option<Instant>,
}

impl Outage {
    /// Counts a failure. Returns the count since the last one that was logged, or `None` if this one is not to be logged.
    fn failed(&mut self) -> Option<u32> {
        self.last = Some(Instant::now());
        // Whatever the error is: a collector that restarts refuses, resets and times out in turns.
        self.log.failed("")
    }

    /// Returns whether an outage has ended.
    fn succeeded(&mut self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= CALM) && self.log.succeeded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_when_it_begins_and_when_it_is_over() {
        let mut outage = Outage::default();
        assert!(!outage.succeeded());
        assert_eq!(outage.failed(), Some(1));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(5)).await;
            assert_eq!(outage.failed(), None);
            assert!(!outage.succeeded(), "it may fail again");
        }
        tokio::time::advance(CALM).await;
        assert!(outage.succeeded());
        assert!(!outage.succeeded());
        assert_eq!(outage.failed(), Some(1));
    }
}
