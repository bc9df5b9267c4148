//! Refusals on their way to the client: status, `error.code`, text and headers.

use axum::http::StatusCode;

use crate::{behavior::Refusal, throttle::RetryAfter};

/// Something that a request cannot have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) target: Option<String>,
    pub(crate) retry_after: Option<RetryAfter>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.into(),
            target: None,
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            format!("{what} does not exist"),
        )
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub(crate) fn refused(refusal: &Refusal, message: impl Into<String>) -> Self {
        Self {
            status: refusal.status,
            code: refusal.code.clone(),
            message: message.into(),
            target: None,
            retry_after: None,
        }
    }

    pub(crate) fn throttled(retry_after: Option<RetryAfter>) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "too many requests",
        );
        Self {
            retry_after,
            ..problem
        }
    }

    pub(crate) fn about(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}

/// The `error.code` that goes with a status when nothing better is known.
pub(crate) fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "ResourceNotFound",
        409 => "Conflict",
        412 => "PreconditionFailed",
        423 => "Locked",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        502 => "BadGateway",
        503 => "serviceNotAvailable",
        504 => "GatewayTimeout",
        507 => "InsufficientStorage",
        _ => "UnknownError",
    }
}
