//! What can go wrong with one exchange with the service or the authority, as plain data.
//!
//! A leaf: [`answer`](super::answer) and [`page`](super::page) produce these values, and
//! [`error`](super::error) classifies them.

use std::{fmt, time::Duration};

use thiserror::Error;

use super::model::Malformed;

/// What happened to one exchange with the service or the authority.
#[derive(Debug, Error)]
pub enum Failure {
    /// No connection could be made, so that nothing was sent.
    #[error("failed to connect")]
    Unconnected(#[source] reqwest::Error),
    /// The connection broke before the answer was complete.
    #[error("connection lost")]
    Interrupted(#[source] reqwest::Error),
    /// The answer was not complete in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer's status is no success.
    #[error("{0}")]
    Refused(Refusal),
    /// The body of the answer is longer than this client accepts.
    #[error("answer too large")]
    TooLarge,
    /// The answer does not have the shape that it should have.
    #[error("answer not understood")]
    Malformed(#[source] Malformed),
    /// The link to the next page is not one that may be followed.
    #[error("unusable link to the next page")]
    Link(#[source] LinkError),
}

/// An answer whose status is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Whose error shape the body has.
    pub shape: Shape,
    /// The error code of the body.
    pub code: Option<ErrorCode>,
    /// The more specific code inside the error: the innermost `innerError` of Microsoft Graph, or
    /// the number that the authority gives.
    pub detail: Option<ErrorCode>,
    /// The pause that the service asks for.
    pub retry_after: Option<Duration>,
    /// The service's id of the request, for logs only: it differs each time.
    pub request_id: Option<ErrorCode>,
}

/// Whose error shape a body has: who has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// That of Microsoft Graph: `error` is an object with a `code`.
    Graph,
    /// That of the authority: `error` is text.
    Authority,
    /// Neither: the answer may be that of a gateway, a proxy or a portal.
    #[default]
    Other,
}

impl Refusal {
    /// Whether the service itself, by its error shape, says that it did not carry the request out.
    ///
    /// A closed list: a 409 or 412 may be the answer to a repetition of what an intermediary has sent
    /// already, and every status that is not here may be somebody else's.
    pub(super) fn is_definite(&self) -> bool {
        const DEFINITE: [u16; 8] = [400, 401, 403, 404, 405, 413, 415, 422];
        self.shape == Shape::Graph && DEFINITE.contains(&self.status)
    }

    /// Whether either code is this one.
    pub(super) fn says(&self, code: &str) -> bool {
        [&self.code, &self.detail]
            .into_iter()
            .flatten()
            .any(|said| said.as_str().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        for code in [&self.code, &self.detail].into_iter().flatten() {
            write!(f, ", {code}")?;
        }
        Ok(())
    }
}

/// A short token that the service wrote and that is safe to show: 1 to 64 letters, digits, `_`, `.`
/// and `-`.
///
/// Anything else might be text with someone's data in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(String);

impl ErrorCode {
    /// Takes the text if it is safe to show.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let safe = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        safe.then(|| Self(text.to_owned()))
    }

    /// The text.
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

/// Why the rest of a list cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The link is no URL.
    #[error("not a URL")]
    Unreadable,
    /// The link leads to another origin or path, or holds a user name or password.
    #[error("it leads somewhere else")]
    Foreign,
    /// There is no end to the list.
    #[error("too many pages")]
    TooLong,
}
