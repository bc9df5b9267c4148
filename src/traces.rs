//! Traces: the spans of reconciles, polls and requests, sent to an OpenTelemetry collector (OTLP over HTTP, protobuf).
//!
//! Without an endpoint, nothing of OpenTelemetry runs. Otherwise a thread of the library gathers the spans that have ended,
//! and sends them in batches. Nothing waits for it: a span for which its queue has no room is dropped, so a collector that
//! is slow or down costs spans and never time.
//!
//! Events are not exported, as their texts are for the log alone. A span contains what its fields contain: names, ids,
//! words of the program and numbers, never a body, a token or a URL.

use std::time::Duration;

use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::graph::TransportError;

mod collector;

use collector::Collector;
pub use collector::TraceSettings;

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Time limit of a batch, with all its attempts.
const EXPORT: Duration = Duration::from_secs(10);

/// Time limit for the last batches at the end of the program: a pod gets 10 s more than the grace period of the operator,
/// in which requests in progress end, too.
const FLUSH: Duration = Duration::from_secs(3);

/// Error of [`Traces::start`].
#[derive(Debug, Error)]
pub enum TraceError {
    /// The HTTP client cannot be set up.
    #[error("failed to make a client for the collector of --otlp-endpoint")]
    Client(#[source] TransportError),
    /// The exporter cannot be set up, for instance because of one of its environment variables.
    #[error("failed to set up the export of traces")]
    Exporter(#[source] ExporterBuildError),
}

/// The traces of the process. What has not been sent is lost unless they are [ended](Self::end).
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts a thread that sends spans to the collector, whose connections belong to `runtime`.
    ///
    /// # Errors
    ///
    /// [`TraceError`] if a certificate or an environment variable of the exporter cannot be used. Whether there is a
    /// collector does not matter.
    pub fn start(settings: &TraceSettings, runtime: Handle) -> Result<Self, TraceError> {
        let collector = Collector::new(settings, runtime).map_err(TraceError::Client)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(traces_of(&settings.endpoint))
            .with_timeout(EXPORT)
            .build()
            .map_err(TraceError::Exporter)?;
        let resource = Resource::builder()
            .with_service_name(NAME)
            .with_attribute(KeyValue::new("service.version", VERSION))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// Returns the layer that turns spans of this program, and no others, into those of OpenTelemetry.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let scope = InstrumentationScope::builder(NAME).with_version(VERSION);
        OpenTelemetryLayer::new(self.0.tracer_with_scope(scope.build()))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(is_exported))
    }

    /// Sends the last spans, and stops. It takes a few seconds at most, also if there is no collector.
    ///
    /// # Panics
    ///
    /// In a runtime with a single thread, as the connections to the collector could not proceed meanwhile.
    pub fn end(self) {
        // A collector that does not answer in time has been logged by its client.
        drop(block_in_place(|| self.0.shutdown_with_timeout(FLUSH)));
    }
}

fn traces_of(endpoint: &Url) -> String {
    let mut url = endpoint.clone();
    // Only a URL that cannot be a base has no segments.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["v1", "traces"]);
    }
    url.into()
}

/// Returns whether an event or span is one of this program, and not of a library.
pub(crate) fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && is_own(metadata)
}

/// Records the id of its trace in a span that has a field `trace_id`, so that the log lines within the span contain it.
/// Does nothing without traces.
pub(crate) fn with_trace_id(span: Span) -> Span {
    let context = span.context();
    let context = context.span().span_context().clone();
    if context.is_sampled() {
        span.record("trace_id", tracing::field::display(context.trace_id()));
    }
    span
}

/// Marks the current span as failed, in the trace alone. `class` is the class of the error, one of a few words.
pub(crate) fn mark_failed(class: &'static str) {
    let span = Span::current();
    span.set_status(Status::error(""));
    span.set_attribute("error.type", class);
}

#[cfg(test)]
mod tests;
