//! Spans of calls and of the HTTP requests that they consist of, for traces.
//!
//! They contain neither bodies nor URLs, as a URL may have a query. Attributes of HTTP have the names of the
//! [semantic conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), and the two ids those of the log.
//! The level keeps the spans out of the log, unless it is set to `trace`.

use reqwest::Method;
use tracing::{Span, field, trace_span};
use url::Url;
use uuid::Uuid;

use super::{
    answer::Answer,
    budget::Priority,
    failure::Failure,
    operation::{Operation, RequestOutcome},
};

const ERROR: &str = "ERROR";

/// Returns the span of one call: a wait for the budget, a token if none is cached, and the requests.
pub(super) fn call(operation: Operation, priority: Priority) -> Span {
    trace_span!(
        "call",
        otel.name = operation.as_str(),
        otel.status_code = field::Empty,
        priority = priority.as_str(),
        outcome = field::Empty,
    )
}

/// Records the outcome of a call.
pub(super) fn ended(call: &Span, outcome: impl FnOnce() -> RequestOutcome) {
    if call.is_disabled() {
        return;
    }
    let outcome = outcome();
    call.record("outcome", outcome.as_str());
    if let RequestOutcome::Failure(_) = outcome {
        call.record("otel.status_code", ERROR);
    }
}

/// Returns the span of one HTTP request, whose client id is sent to the service, or `None` for one to the authority.
pub(super) fn request(
    operation: Operation,
    method: &Method,
    url: &Url,
    client_id: Option<Uuid>,
) -> Span {
    let template = template(operation);
    trace_span!(
        "request",
        otel.name = format!("{method} {template}"),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method.as_str(),
        http.response.status_code = field::Empty,
        url.template = template,
        server.address = url.host_str(),
        server.port = url.port_or_known_default().map(i64::from),
        "error.type" = field::Empty,
        client_request_id = client_id.map(field::display),
        request_id = field::Empty,
    )
}

/// Records the response to an HTTP request, or why there was none.
pub(super) fn answered(request: &Span, answer: &Result<Answer, Failure>) {
    let (status, id) = match answer {
        Ok(answer) => (answer.status.as_u16(), &answer.headers.request_id),
        Err(Failure::Refused(refusal)) => {
            request.record("otel.status_code", ERROR);
            request.record("error.type", field::display(refusal.status));
            (refusal.status, &refusal.request_id)
        }
        Err(failure) => {
            request.record("otel.status_code", ERROR);
            request.record("error.type", kind(failure));
            return;
        }
    };
    request.record("http.response.status_code", i64::from(status));
    if let Some(id) = id {
        request.record("request_id", id.as_str());
    }
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unconnected(_) => "unconnected",
        Failure::TimedOut => "timeout",
        _ => "interrupted",
    }
}

/// Returns the path of an operation, with a name in place of each id.
const fn template(operation: Operation) -> &'static str {
    match operation {
        Operation::FetchToken => "/{tenant}/oauth2/v2.0/token",
        Operation::ListFlowSets | Operation::ListFlowSetsWithFlows | Operation::CreateFlowSet => {
            "/beta/external/industryData/outboundProvisioningFlowSets"
        }
        Operation::GetFlowSet | Operation::UpdateFlowSet | Operation::DeleteFlowSet => {
            "/beta/external/industryData/outboundProvisioningFlowSets/{set}"
        }
        Operation::ListFlows | Operation::CreateFlow => {
            "/beta/external/industryData/outboundProvisioningFlowSets/{set}/provisioningFlows"
        }
        Operation::ListFlowsOfSets => "/beta/$batch",
        Operation::GetFlow | Operation::UpdateFlow | Operation::DeleteFlow => {
            "/beta/external/industryData/outboundProvisioningFlowSets/{set}/provisioningFlows/{flow}"
        }
        Operation::ResetFlow => {
            "/beta/external/industryData/outboundProvisioningFlowSets/{set}/provisioningFlows/{flow}/reset"
        }
    }
}
