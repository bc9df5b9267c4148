//! What a failed request means: whether to try again, what is known about its effect, and what to
//! tell people.
//!
//! [`Error::verdict`](super::Error::verdict) is the one place where errors are classified; a
//! [`Verdict`] is plain data that conditions, events, metrics and requeues can all be derived from.

use std::{fmt, time::Duration};

/// The meaning of a failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do next.
    pub disposition: Disposition,
    /// What is known about the request's effect, if it was one that changes something.
    pub certainty: Certainty,
    /// The class of failure, for condition reasons and metric labels.
    pub reason: Reason,
    /// One or two sentences for people: what failed and what helps.
    ///
    /// *Stable*: the same failure gives the same text each time, so that a condition does not
    /// change without news. It never holds a request id, date, duration, secret or text of the
    /// service other than an HTTP status and an error code of plain characters.
    pub message: String,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It passes by itself; try again with back-off.
    Retry,
    /// The service, or the budget on its behalf, asks for a pause.
    Throttled {
        /// How long, where that is known.
        after: Option<Duration>,
    },
    /// A person has to change something. Not final: try again slowly, as the change may be made
    /// elsewhere.
    User,
    /// The request itself is wrong, which neither time nor the user can change.
    Bug,
}

/// What is known about the effect of a request that failed.
///
/// Only a request that changes something has an effect to be uncertain about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The service never saw the request: no budget, no token or no connection.
    NotSent,
    /// The service saw it and refused it: a status of a closed list (400, 401, 403, 404, 405, 413, 415,
    /// 422), with a body in the error shape of Microsoft Graph. Whoever else answers on the way does
    /// not know what became of the request.
    Refused,
    /// The service answered 429. Nearly always this means no; but there are reports of requests
    /// carried out all the same, so whoever must not repeat a request by mistake should look first.
    Throttled,
    /// It may have been carried out: cut connection, time-out, any other status, or an answer that is
    /// not the service's or could not be understood.
    Unknown,
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident,)+) => {
        /// The classes of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// Each class with what it means: `docs/reference/` is made of it.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, concat!($($meaning),+))),+];

            /// The word for it, in the form of a condition reason.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

reasons! {
    /// The authority does not accept the credential.
    CredentialRefused,
    /// The service does not accept a fresh token (401).
    Unauthorized,
    /// A permission or licence is missing (402, 403).
    Forbidden,
    /// The service does not know the object (404, 410).
    NotFound,
    /// The service does not accept the content of the request (400, 422 and other 4xx).
    Rejected,
    /// The request contradicts what the service holds (409, 412).
    Conflict,
    /// The service holds the object locked (423).
    Locked,
    /// Too many requests: 429 or 509, or the budget is closed on account of such answers.
    Throttled,
    /// The service or the authority is failing (5xx).
    ServiceUnavailable,
    /// No connection, or it broke.
    Unreachable,
    /// No complete answer in time.
    TimedOut,
    /// An answer that is no part of the interface.
    UnexpectedAnswer,
    /// A request that this client should not have made (405, 406, 411, 415 …).
    InvalidRequest,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
