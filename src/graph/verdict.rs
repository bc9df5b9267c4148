//! Meaning of a failed request: whether to retry, what is known about its effect, and the message for
//! the user.
//!
//! Only [`Error::verdict`](super::Error::verdict) classifies errors. A [`Verdict`] is plain data, from
//! which conditions, events, metrics and requeues are derived.

use std::{fmt, time::Duration};

/// Meaning of a failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How to react.
    pub disposition: Disposition,
    /// What is known about the effect of a request that changes something.
    pub certainty: Certainty,
    /// Class of the failure, for condition reasons and metric labels.
    pub reason: Reason,
    /// Id that the service gave the request, for support cases. It differs each time, so it is never part of a status.
    pub request_id: Option<String>,
    /// One or two sentences for the user: what failed, and the remedy.
    ///
    /// # Guarantees
    ///
    /// The same failure always gives the same text, so that a condition changes only if the state
    /// does. The text contains no request id, date, duration or secret, and of the response only the
    /// HTTP status, and error codes and property paths of plain characters.
    pub message: String,
}

/// Reaction to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The failure is transient: retry with backoff.
    Retry,
    /// The service, or the budget on its behalf, requires a pause.
    Throttled {
        /// Length of the pause, or `None` if it is unknown.
        after: Option<Duration>,
    },
    /// The user has to change something. Retry slowly, because the change may be outside the
    /// cluster, where it causes no event.
    User,
    /// The request itself is wrong, which neither time nor the user can fix.
    Bug,
}

/// What is known about the effect of a request that failed.
///
/// Only a request that changes something has an effect to be uncertain about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The request never reached the service, without budget, token or connection.
    NotSent,
    /// The service received the request and refused it: a status of a closed list (400, 401, 403, 404,
    /// 405, 413, 415, 422) with a body in the error shape of Microsoft Graph. A response of an
    /// intermediary does not prove this.
    Refused,
    /// The service answered 429. Nearly always the request had no effect, but there are reports of
    /// requests that were carried out, so a caller that must not repeat a request should list first.
    Throttled,
    /// The request may have been carried out: lost connection, time-out, any other status, or a
    /// response that is not from the service or cannot be parsed.
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
            /// Each class with its meaning, from which `docs/reference/` is generated.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, concat!($($meaning),+))),+];

            /// Returns its name in the form of a condition reason.
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
    /// The authority does not accept the credential, for a cause without a reason of its own.
    CredentialRefused,
    /// The credential cannot be obtained from where it is kept, such as a token of a service account.
    CredentialUnavailable,
    /// The client secret has expired.
    CredentialExpired,
    /// The client secret is wrong, often its id instead of its value.
    ClientSecretInvalid,
    /// The app registration is not a public client, and there is no client secret.
    ClientSecretMissing,
    /// The authority does not know the application in this tenant, or it is disabled.
    ApplicationNotFound,
    /// The authority does not know the tenant.
    TenantNotFound,
    /// The clock of the node is wrong, so that assertions are not valid.
    ClockWrong,
    /// The authority does not accept the certificate or its signature.
    CertificateRefused,
    /// The app registration has no federated credential for the service account.
    FederationRefused,
    /// The refresh token has expired or was revoked.
    SignInExpired,
    /// Consent to the permissions is missing.
    ConsentRequired,
    /// Conditional access does not admit the application or the person.
    ConditionalAccess,
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

impl Reason {
    /// Returns whether another credential, or another setting of its app registration, may resolve the failure.
    #[must_use]
    pub const fn is_of_credential(self) -> bool {
        match self {
            Self::CredentialRefused
            | Self::CredentialUnavailable
            | Self::CredentialExpired
            | Self::ClientSecretInvalid
            | Self::ClientSecretMissing
            | Self::ApplicationNotFound
            | Self::TenantNotFound
            | Self::ClockWrong
            | Self::CertificateRefused
            | Self::FederationRefused
            | Self::SignInExpired
            | Self::ConsentRequired
            | Self::ConditionalAccess => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Rejected
            | Self::Conflict
            | Self::Locked
            | Self::Throttled
            | Self::ServiceUnavailable
            | Self::Unreachable
            | Self::TimedOut
            | Self::UnexpectedAnswer
            | Self::InvalidRequest => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
