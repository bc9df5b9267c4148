//! Refusals of the authority.

use std::borrow::Cow;

use axum::http::StatusCode;

/// A refusal of the authority, which has an error shape of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) status: StatusCode,
    pub(crate) error: Cow<'static, str>,
    pub(crate) number: Option<u32>,
    pub(crate) text: String,
}

impl Denied {
    pub(crate) fn bad_request(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: Cow::Borrowed(error),
            number: Some(number),
            text: text.into(),
        }
    }

    pub(crate) fn client(number: u32, text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: Cow::Borrowed("invalid_client"),
            number: Some(number),
            text: text.into(),
        }
    }
}
