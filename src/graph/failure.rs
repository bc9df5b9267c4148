//! What can go wrong with one exchange with the service or the authority, as plain data.
//!
//! A leaf: [`answer`](super::answer) and [`page`](super::page) produce these values, and
//! [`error`](super::error) classifies them.

use std::{fmt, time::Duration};

use k8s_openapi::jiff::Timestamp;
use thiserror::Error;

use super::{
    credential::{Actor, CredentialError},
    malformed::Malformed,
};

/// Failure of one exchange with the service or the authority.
#[derive(Debug, Error)]
pub enum Failure {
    /// The credential could not be obtained, so nothing was sent.
    #[error("no credential")]
    Credential(#[source] CredentialError),
    /// No connection could be established, so nothing was sent.
    #[error("failed to connect")]
    Unconnected(#[source] reqwest::Error),
    /// The connection was lost before the response was complete.
    #[error("connection lost")]
    Interrupted(#[source] reqwest::Error),
    /// The response was not complete within the time-out.
    #[error("no answer in time")]
    TimedOut,
    /// The pages of a list were not complete within the time limit of a list.
    #[error("list not complete in time")]
    Overdue,
    /// The response status was not 2xx.
    #[error("{0}")]
    Refused(Refusal),
    /// The body exceeds the size limit.
    #[error("answer too large")]
    TooLarge,
    /// The lists that the process keeps leave no room for this one.
    #[error("no room for the list")]
    NoRoom,
    /// The response does not have the documented shape.
    #[error("answer not understood")]
    Malformed(#[source] Malformed),
    /// The link to the next page must not, or cannot, be followed.
    #[error("unusable link to the next page")]
    Link(#[source] LinkError),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() {
            Self::Unconnected(error)
        } else {
            Self::Interrupted(error)
        }
    }
}

/// Returns whether a response with this status asks for fewer requests.
pub(super) const fn is_throttling(status: u16) -> bool {
    matches!(status, 429 | 503 | 509)
}

/// Response with a status other than 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Error shape of the body.
    pub shape: Shape,
    /// Error code of the body.
    pub code: Option<ErrorCode>,
    /// More specific code: that of the innermost `innerError` of Microsoft Graph, or the error number
    /// of the authority.
    pub detail: Option<ErrorCode>,
    /// The properties of the request that the body names as the cause, in alphabetical order.
    pub properties: Vec<PropertyPath>,
    /// Pause that the service requested.
    pub retry_after: Option<Duration>,
    /// Id that the service gave the request. For logs only, because it differs each time.
    pub request_id: Option<ErrorCode>,
    /// Time of the sender.
    pub date: Option<Timestamp>,
    /// Whether the response requires more of the person who has signed in: a 401 with a claims challenge.
    pub is_challenge: bool,
    /// On whose behalf the request was sent.
    pub actor: Actor,
}

/// Error shape of a body, which identifies the sender of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Microsoft Graph: `error` is an object with a `code`.
    Graph,
    /// The authority: `error` is text.
    Authority,
    /// Neither of these; possibly the response of a gateway, a proxy or a captive portal.
    #[default]
    Other,
}

impl Refusal {
    /// Returns whether the response proves that the service did not carry out the request: one of
    /// these statuses, in the service's own error shape.
    ///
    /// The list is closed: a 409 or 412 may be the response to a repetition of a request that an
    /// intermediary has sent already, and any other status may come from an intermediary.
    pub(super) fn is_definite(&self) -> bool {
        const DEFINITE: [u16; 8] = [400, 401, 403, 404, 405, 413, 415, 422];
        self.shape == Shape::Graph && DEFINITE.contains(&self.status)
    }

    /// Returns whether either code equals `code`, ignoring ASCII case.
    pub(super) fn has_code(&self, code: &str) -> bool {
        [&self.code, &self.detail]
            .into_iter()
            .flatten()
            .any(|known| known.as_str().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        for code in [&self.code, &self.detail].into_iter().flatten() {
            write!(f, ", {code}")?;
        }
        let (mut separator, properties) = (", because of ", &self.properties);
        for property in properties {
            write!(f, "{separator}{property}")?;
            separator = " and ";
        }
        Ok(())
    }
}

/// Short identifier from the service that is safe to log and to show: 1 to 64 letters, digits, `_`,
/// `.` and `-`.
///
/// Any other text might contain personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// Returns the code, or `None` if the text is not safe to show.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let safe = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        safe.then(|| Self(text.into()))
    }

    /// Returns the code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Path of a property, as the service names it in an error: 1 to 128 letters, digits, `_`, `.`, `/`, `[` and `]`, with a
/// letter first.
///
/// Any other text might be a sentence, with what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyPath(String);

impl PropertyPath {
    /// Returns the path, or `None` if the text is not one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./[]".contains(&byte);
        let safe = text.len() <= 128 && text.bytes().all(plain);
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
        (safe && begins).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reason why the rest of a list cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The link is not a URL.
    #[error("not a URL")]
    Unreadable,
    /// The link has another origin or path, or contains a user name or password.
    #[error("it leads somewhere else")]
    Foreign,
    /// The list has more pages than the limit.
    #[error("too many pages")]
    TooLong,
}
