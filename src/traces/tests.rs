use std::sync::{Arc, Mutex};

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tracing::{info, info_span, trace_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use super::*;

/// What has been exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl opentelemetry_sdk::trace::SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Exported {
    pub(crate) fn names(&self) -> Vec<String> {
        let spans = self.0.lock().unwrap();
        spans.iter().map(|span| span.name.to_string()).collect()
    }

    pub(crate) fn traces(&self) -> Vec<TraceId> {
        let spans = self.0.lock().unwrap();
        let traces = spans.iter().map(|span| span.span_context.trace_id());
        traces.collect()
    }
}

impl Traces {
    /// Traces that are exported at once, to be looked at.
    pub(crate) fn exported() -> (Self, Exported) {
        let exported = Exported::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exported.clone());
        (Self(provider.build()), exported)
    }
}

fn traced(log: impl FnOnce()) -> Vec<SpanData> {
    let (traces, exported) = Traces::exported();
    let subscriber = Registry::default().with(traces.layer());
    tracing::subscriber::with_default(subscriber, log);
    let spans = exported.0.lock().unwrap();
    spans.clone()
}

#[test]
fn spans_of_this_program_are_exported_and_neither_events_nor_those_of_libraries() {
    let spans = traced(|| {
        let _outer = info_span!("outer", flow = "north").entered();
        let _library = info_span!(target: "hyper::client", "library").entered();
        let _inner = trace_span!("inner").entered();
        info!(password = "canary", "flow created");
    });

    let [inner, outer] = &spans[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!((&*inner.name, &*outer.name), ("inner", "outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(inner.span_context.trace_id(), outer.span_context.trace_id());
    assert_eq!(outer.attributes, [KeyValue::new("flow", "north")]);
    assert!(!format!("{spans:?}").contains("canary"));
}

#[test]
fn a_failed_span_is_marked_in_the_trace() {
    let spans = traced(|| {
        let _outer = info_span!("outer").entered();
        let _inner = info_span!("inner").entered();
        mark_failed("conflict");
    });

    assert_eq!(spans[0].status, Status::error(""));
    let class = KeyValue::new("error.type", "conflict");
    assert_eq!(spans[0].attributes, [class]);
    assert_eq!(spans[1].status, Status::Unset);
}

#[test]
fn traces_are_sent_below_the_path_of_the_endpoint() {
    for (endpoint, sent) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/otlp", "https://collector/otlp/v1/traces"),
        ("https://collector/a/b/", "https://collector/a/b/v1/traces"),
    ] {
        assert_eq!(traces_of(&endpoint.parse().unwrap()), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_collector_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = TraceSettings {
        endpoint: format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap(),
        ca_certificates: None,
        user_agent: "test".to_owned(),
    };
    let traces = Traces::start(&settings, Handle::current()).unwrap();
    let subscriber = Registry::default().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || drop(info_span!("last")));
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.unwrap();
        (stream, head)
    });

    traces.end();

    let (stream, head) = received.await.unwrap();
    assert_eq!(&head, b"POST", "the last span is sent");
    // The client still waits: it would have closed the connection.
    let mut rest = vec![0; 64 * 1024];
    let mut read = stream.try_read(&mut rest);
    while matches!(read, Ok(1..)) {
        read = stream.try_read(&mut rest);
    }
    assert!(read.is_err(), "{read:?}");
}
