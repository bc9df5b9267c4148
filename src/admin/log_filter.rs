//! The filter of the log, which can be read and changed from loopback only: `kubectl port-forward` leads there, and needs a
//! permission of its own.

use std::net::IpAddr;

use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;

use crate::telemetry::LogFilter;

/// Methods that [`answer`] knows.
pub(super) const METHODS: &str = "GET, HEAD, PUT";

/// Answers a request for the filter, with a line.
pub(super) fn answer<B>(
    request: &Request<B>,
    peer: IpAddr,
    filter: Option<&LogFilter>,
) -> (StatusCode, String) {
    if !peer.to_canonical().is_loopback() {
        let line = "the log filter can only be reached from loopback: use kubectl port-forward\n";
        return (StatusCode::FORBIDDEN, line.to_owned());
    }
    let Some(filter) = filter else {
        return (StatusCode::NOT_FOUND, "not found\n".to_owned());
    };
    match *request.method() {
        Method::GET | Method::HEAD => in_force(filter),
        Method::PUT => change(filter, request.uri().query().unwrap_or_default()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
    }
}

fn in_force(filter: &LogFilter) -> (StatusCode, String) {
    (StatusCode::OK, format!("{}\n", filter.directives()))
}

fn change(filter: &LogFilter, query: &str) -> (StatusCode, String) {
    let directives = percent_decode_str(query).decode_utf8_lossy();
    if directives.is_empty() {
        let line = "the directives are missing: PUT /log-filter?info,industrydata_operator=debug\n";
        return (StatusCode::BAD_REQUEST, line.to_owned());
    }
    match filter.change(&directives) {
        Ok(()) => in_force(filter),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
