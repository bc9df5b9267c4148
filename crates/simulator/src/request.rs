//! A request as it came in, before anything is made of it.

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, header},
};
use serde_json::Value;

use crate::problem::Problem;

/// A request, whether it came alone, within a batch, or through the control port.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Scheme and authority that the client used, for links in answers.
    pub(crate) base: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the body as JSON if its content type is JSON.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        if !self.says_json() {
            let message = "the request needs Content-Type: application/json";
            return Err(Problem::new(
                axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                message,
            ));
        }
        self.peek()
            .ok_or_else(|| Problem::bad_request("the body is not valid JSON"))
    }

    /// Returns the body as JSON, regardless of its content type.
    pub(crate) fn peek(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn says_json(&self) -> bool {
        let given = self
            .header(header::CONTENT_TYPE.as_str())
            .unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    }
}
