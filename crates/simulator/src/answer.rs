//! Answers that a rule can give, and what can be done to those of the service.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::throttle::RetryAfter;

/// A status with what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `error.code`; the usual one if absent. In a refusal of the authority: `error`, an `AADSTS` number, or both.
    #[serde(default)]
    pub code: Option<String>,
    /// `Retry-After` header.
    #[serde(default)]
    pub retry_after: Option<RetryAfter>,
    /// `Location` header, for a status that redirects.
    #[serde(default)]
    pub location: Option<String>,
    /// What is in the body.
    #[serde(default)]
    pub form: Form,
    /// Content type; the one that goes with the body if absent.
    #[serde(default)]
    pub content_type: Option<String>,
}

/// What the body of an answer is, whatever the status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// The error shape of Graph or, to a token request, of the authority.
    #[default]
    Error,
    /// A page, such as a gateway or a portal sends.
    Html,
    /// Nothing.
    Empty,
    /// This JSON.
    Json(Value),
}

impl Answer {
    /// A status with its usual code, in the error shape (whatever the status) and without `Retry-After`.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            code: None,
            retry_after: None,
            location: None,
            form: Form::Error,
            content_type: None,
        }
    }

    /// With an `error.code`.
    #[must_use]
    pub fn code(self, code: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..self
        }
    }

    /// With a page in the body.
    #[must_use]
    pub fn html(self) -> Self {
        Self {
            form: Form::Html,
            ..self
        }
    }

    /// Without a body.
    #[must_use]
    pub fn empty(self) -> Self {
        Self {
            form: Form::Empty,
            ..self
        }
    }

    /// With this JSON in the body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        Self {
            form: Form::Json(body),
            ..self
        }
    }

    /// With this content type, whatever is in the body.
    #[must_use]
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        Self {
            content_type: Some(content_type.into()),
            ..self
        }
    }

    /// With a `Location` header.
    #[must_use]
    pub fn location(self, location: impl Into<String>) -> Self {
        Self {
            location: Some(location.into()),
            ..self
        }
    }

    /// With a `Retry-After` header.
    #[must_use]
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..self
        }
    }
}

/// What can be done to the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BodyFault {
    /// The connection closes in the middle of the body.
    Truncated,
    /// No bytes where there should be some.
    Empty,
    /// A page of a proxy, with status and headers as they were but for the content type.
    Html,
    /// JSON that is cut short but claims to be complete.
    Malformed,
    /// JSON followed by this many blanks.
    Huge(u64),
    /// A byte at a time, with this many milliseconds between.
    Dripping(u64),
    /// A UTF-8 byte order mark, and then the body as it should be.
    ByteOrderMark,
}

/// Where a false `@odata.nextLink` leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NextLink {
    /// To the very same page.
    Loop,
    /// To another origin.
    Foreign(String),
    /// Nowhere: an empty text, where a last page should have no link. Other pages keep theirs.
    Empty,
}
