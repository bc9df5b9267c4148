use std::sync::{Arc, Mutex};

use tracing::{info, info_span, trace_span};

use super::*;
use crate::traces::with_trace_id;

fn logged(format: LogFormat, directives: &str, log: impl FnOnce()) -> String {
    logged_with(format, directives, |_| log())
}

fn logged_with(format: LogFormat, directives: &str, log: impl FnOnce(&LogFilter)) -> String {
    logged_beside(None, format, directives, log)
}

fn logged_beside(
    traces: Option<&Traces>,
    format: LogFormat,
    directives: &str,
    log: impl FnOnce(&LogFilter),
) -> String {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let writer = Shared(lines.clone());
    let make = move || writer.clone();
    let (dispatch, filter) = dispatch(format, directives, traces, make, false).unwrap();
    dispatcher::with_default(&dispatch, || log(&filter));
    String::from_utf8(lines.lock().unwrap().clone()).unwrap()
}

#[test]
fn the_filter_can_be_changed_and_lets_nothing_unsafe_pass() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let text = logged_with(format, "info", |filter| {
            tracing::debug!("left out");
            let error = filter.change("industrydata=loud").unwrap_err();
            assert!(matches!(error, TelemetryError::Directives { .. }));
            assert_eq!(filter.directives(), "info");

            filter.change("trace").unwrap();
            assert_eq!(filter.directives(), "trace");
            tracing::trace!("kept");
            tracing::trace!(target: "hyper::proto::h1::io", "left out");

            filter.change("error").unwrap();
            info!("left out");
        });
        assert!(text.contains("kept"), "{text}");
        assert!(text.contains("changing the log filter"), "{text}");
        assert!(!text.contains("left out"), "{text}");
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn text_is_a_plain_line_with_fields() {
    let text = logged(LogFormat::Text, "info", || {
        info!(flow = "north", "flow created");
    });

    assert!(
        text.ends_with("flow created flow=\"north\"\n"),
        "got {text:?}"
    );
    assert!(!text.contains('\u{1b}'), "got {text:?}");
}

#[test]
fn json_is_an_object_a_line_with_fields_and_spans() {
    let text = logged(LogFormat::Json, "info", || {
        let _span = info_span!("reconcile", kind = "ProvisioningFlow").entered();
        info!(attempt = 2, "flow created");
    });

    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["message"], "flow created");
    assert_eq!(line["attempt"], 2);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["spans"][0]["kind"], "ProvisioningFlow");
}

#[test]
fn without_traces_a_span_for_them_alone_costs_nothing() {
    let span = || trace_span!("request").metadata().unwrap();
    let metadata = tracing::subscriber::with_default(Registry::default(), span);
    let is_off = |format, traces| {
        let (dispatch, _) = dispatch(format, "debug", traces, io::sink, false).unwrap();
        dispatch.register_callsite(metadata).is_never()
    };
    let (traces, _) = Traces::exported();
    for format in [LogFormat::Text, LogFormat::Json] {
        assert!(is_off(format, None));
        assert!(!is_off(format, Some(&traces)));
    }
}

#[test]
fn traces_do_not_depend_on_the_filter_of_the_log() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let (traces, exported) = Traces::exported();
        let text = logged_beside(Some(&traces), format, "error", |filter| {
            drop(info_span!("reconcile"));
            filter.change("off").unwrap();
            drop(trace_span!("request"));
            info!("left out");
        });
        assert_eq!(exported.names(), ["reconcile", "request"]);
        assert_eq!(text, "");
    }
}

#[test]
fn a_log_line_within_a_trace_has_its_id_and_no_span_for_traces_alone() {
    let (traces, exported) = Traces::exported();
    let text = logged_beside(Some(&traces), LogFormat::Json, "info", |_| {
        let span = info_span!(
            "reconcile",
            resource_name = "north",
            trace_id = tracing::field::Empty
        );
        let _span = with_trace_id(span).entered();
        let _inner = trace_span!("request").entered();
        info!("flow created");
    });

    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let trace = exported.traces()[0].to_string();
    let span =
        serde_json::json!({ "name": "reconcile", "resource_name": "north", "trace_id": trace });
    assert_eq!(line["spans"], serde_json::json!([span]));
}

#[test]
fn without_traces_a_log_line_has_no_trace_id() {
    let text = logged(LogFormat::Text, "info", || {
        let span = info_span!("reconcile", trace_id = tracing::field::Empty);
        let _span = with_trace_id(span).entered();
        info!("flow created");
    });
    assert!(!text.contains("trace_id"), "{text}");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    let cause = io::Error::other("the disk is full");
    let error = anyhow::Error::new(cause).context("failed to write");
    let logged = with_causes(error.as_ref());
    assert_eq!(logged, "failed to write: the disk is full");
}

#[test]
fn directives_choose_what_is_logged() {
    let text = logged(LogFormat::Text, "info,noisy=off", || {
        info!(target: "noisy", "left out");
        info!("kept");
    });

    assert!(
        text.contains("kept") && !text.contains("left out"),
        "got {text:?}"
    );
}

#[test]
fn no_directive_lets_libraries_log_what_they_send_and_receive() {
    for directives in [
        "trace",
        "kube_client::client=trace",
        "info,kube_client=trace,hyper=trace",
    ] {
        let text = logged(LogFormat::Text, directives, || {
            tracing::warn!(target: "kube_client::client", "{}, error", "canary");
            tracing::trace!(target: "hyper::proto::h1::io", "canary");
            tracing::warn!(target: "kube_client::client::tls", "kept");
        });

        assert!(!text.contains("canary"), "{directives}: {text}");
        assert!(text.contains("kept"), "{directives}: {text}");
    }
    let own = logged(LogFormat::Text, "trace", || tracing::trace!("kept"));
    assert!(own.contains("kept"));
}

#[test]
fn wrong_directives_are_shown_with_right_ones() {
    let error = filter("industrydata=loud").unwrap_err();

    assert_eq!(
        error.to_string(),
        "`industrydata=loud` is not a log filter: expected a level such as `info`, \
         or directives such as `info,kube_client=warn`"
    );
}
