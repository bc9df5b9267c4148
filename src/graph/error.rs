//! What can go wrong with a request, and the one place that says what it means.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::{
    budget::Closed,
    failure::{Failure, Refusal, Shape},
    operation::Operation,
    verdict::{Certainty, Disposition, Reason, Verdict},
};

/// A request that failed.
///
/// Neither `Display` nor `Debug`, of this or of any [`source`](std::error::Error::source), shows a
/// token, secret, password, URL query or text of an answer.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The budget did not let the request go.
    #[error("failed to {}: the request budget is closed", operation.phrase())]
    BudgetClosed {
        /// What was to be done.
        operation: Operation,
        /// When it may be worth trying again.
        remaining: Duration,
    },
    /// There was no token to send with the request.
    #[error("failed to {}: no access token", operation.phrase())]
    NoToken {
        /// What was to be done.
        operation: Operation,
        /// Why the authority gave none. Shared by all callers that waited for the same answer.
        source: Arc<Failure>,
    },
    /// The request itself failed.
    #[error("failed to {}", operation.phrase())]
    Request {
        /// What was to be done.
        operation: Operation,
        /// What happened.
        source: Arc<Failure>,
    },
}

impl Error {
    pub(super) fn request(operation: Operation, failure: Failure) -> Self {
        Self::Request {
            operation,
            source: Arc::new(failure),
        }
    }

    pub(super) const fn closed(operation: Operation, closed: Closed) -> Self {
        Self::BudgetClosed {
            operation,
            remaining: closed.remaining,
        }
    }

    /// What was being done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::BudgetClosed { operation, .. }
            | Self::NoToken { operation, .. }
            | Self::Request { operation, .. } => *operation,
        }
    }

    /// Whether the answer was a 404 or a 410, whoever gave it.
    ///
    /// A reason to look again, and no proof that the object does not exist: a gateway answers so too,
    /// and so does a service that has not heard of the object yet.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| [404, 410].contains(&refusal.status))
    }

    /// Whether the service itself answered that there is no such object: a 404 in its error shape.
    pub(super) fn is_absence(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.status == 404 && refusal.shape == Shape::Graph)
    }

    /// The answer of the service, if it gave one and it was no success.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Request { source, .. } => match &**source {
                Failure::Refused(refusal) => Some(refusal),
                _ => None,
            },
            Self::BudgetClosed { .. } | Self::NoToken { .. } => None,
        }
    }

    /// What it means: the one classifier of the whole program.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (class, certainty, what) = match self {
            Self::BudgetClosed { remaining, .. } => (
                Class::throttled(Reason::Throttled, Some(*remaining)),
                Certainty::NotSent,
                "the request budget is closed or used up".to_owned(),
            ),
            Self::NoToken { source, .. } => (
                source.class(authority_refusal),
                Certainty::NotSent,
                source.sentence("the authority"),
            ),
            Self::Request { source, .. } => (
                source.class(service_refusal),
                source.certainty(),
                source.sentence("the service"),
            ),
        };
        Verdict {
            disposition: class.disposition,
            certainty,
            reason: class.reason,
            message: format!(
                "Could not {}: {what}. {}",
                self.operation().phrase(),
                class.advice
            ),
        }
    }
}

const RETRIED: &str = "It is tried again automatically.";
const CHECK_NETWORK: &str =
    "It is tried again automatically; if this lasts, check network, proxy and CA settings.";
const CHECK_CREDENTIAL: &str =
    "Check tenant, client id and credential, and that the credential has not expired.";
const CHECK_ADMISSION: &str =
    "Check tenant and cloud, and that conditional access admits the application.";
const GRANT_PERMISSION: &str =
    "Grant the permissions on outbound flows with admin consent, and check the tenant's licence.";

/// The part of a verdict that does not depend on what was asked.
struct Class {
    disposition: Disposition,
    reason: Reason,
    /// What helps, as a sentence.
    advice: &'static str,
}

impl Class {
    const fn passing(reason: Reason) -> Self {
        Self {
            disposition: Disposition::Retry,
            reason,
            advice: RETRIED,
        }
    }

    /// An answer that is hardly the service's.
    const fn foreign() -> Self {
        Self {
            advice: CHECK_NETWORK,
            ..Self::passing(Reason::UnexpectedAnswer)
        }
    }

    const fn throttled(reason: Reason, after: Option<Duration>) -> Self {
        Self {
            disposition: Disposition::Throttled { after },
            ..Self::passing(reason)
        }
    }

    const fn user(reason: Reason, advice: &'static str) -> Self {
        Self {
            disposition: Disposition::User,
            reason,
            advice,
        }
    }
}

impl Failure {
    /// What to do about a failure to obtain a token, for the memory of failures.
    pub(super) fn authority_disposition(&self) -> Disposition {
        self.class(authority_refusal).disposition
    }

    /// What it means as a metric label, if it happened to a request for a token.
    pub(super) fn authority_reason(&self) -> Reason {
        self.class(authority_refusal).reason
    }

    fn class(&self, refusal_class: fn(&Refusal) -> Class) -> Class {
        match self {
            Self::Unconnected(_) => Class {
                advice: CHECK_NETWORK,
                ..Class::passing(Reason::Unreachable)
            },
            Self::Interrupted(_) => Class::passing(Reason::Unreachable),
            Self::TimedOut => Class::passing(Reason::TimedOut),
            Self::Refused(refusal) => refusal_class(refusal),
            Self::TooLarge | Self::Malformed(_) | Self::Link(_) => {
                Class::passing(Reason::UnexpectedAnswer)
            }
        }
    }

    fn certainty(&self) -> Certainty {
        match self {
            Self::Unconnected(_) => Certainty::NotSent,
            Self::Refused(refusal) if refusal.status == 429 => Certainty::Throttled,
            Self::Refused(refusal) if refusal.is_definite() => Certainty::Refused,
            Self::Refused(_)
            | Self::Interrupted(_)
            | Self::TimedOut
            | Self::TooLarge
            | Self::Malformed(_)
            | Self::Link(_) => Certainty::Unknown,
        }
    }

    fn sentence(&self, who: &str) -> String {
        match self {
            Self::Unconnected(_) => format!("{who} cannot be reached"),
            Self::Interrupted(_) => format!("the connection to {who} broke"),
            Self::TimedOut => format!("{who} did not answer in time"),
            Self::Refused(refusal) => format!("{who} answered {refusal}"),
            Self::TooLarge => format!("the answer of {who} is too large"),
            Self::Malformed(malformed) => {
                format!("the answer of {who} was not understood ({malformed})")
            }
            Self::Link(link) => format!("the list of {who} cannot be followed ({link})"),
        }
    }
}

/// What a refusal by Microsoft Graph, or by something on the way to it, means.
///
/// The status decides; codes are not documented for this service and serve where the status alone
/// is ambiguous.
fn service_refusal(refusal: &Refusal) -> Class {
    let after = refusal.retry_after;
    match refusal.status {
        429 | 509 => Class::throttled(Reason::Throttled, after),
        503 if after.is_some() => Class::throttled(Reason::ServiceUnavailable, after),
        500..=599 => Class::passing(Reason::ServiceUnavailable),
        408 => Class::passing(Reason::TimedOut),
        400..=499 if refusal.shape == Shape::Graph => request_refusal(refusal),
        400..=499 => Class::foreign(),
        _ => Class::passing(Reason::UnexpectedAnswer),
    }
}

/// What a refusal in Graph's error shape means, by its status.
fn request_refusal(refusal: &Refusal) -> Class {
    match refusal.status {
        401 => Class::user(Reason::Unauthorized, CHECK_ADMISSION),
        402 | 403 => Class::user(Reason::Forbidden, GRANT_PERMISSION),
        // Also what a just created object answers until all of the service knows it, and what ends
        // when something else creates the object: worth trying again without anyone's help.
        404 | 410 => Class::passing(Reason::NotFound),
        405 | 406 | 411 | 415 => Class {
            disposition: Disposition::Bug,
            reason: Reason::InvalidRequest,
            advice: "The interface may have changed; please report it.",
        },
        // They speak of the way, the protocol or the connection, and those from 440 on are private to
        // gateways: nothing in a resource would help.
        407 | 421 | 425 | 426 | 431 | 440..=499 => Class::foreign(),
        409 if refusal.says("Directory_ConcurrencyViolation") => Class::passing(Reason::Conflict),
        409 => Class::user(
            Reason::Conflict,
            "Check what else manages this object, or holds its place.",
        ),
        412 => Class::passing(Reason::Conflict),
        423 => Class::passing(Reason::Locked),
        _ => Class::user(Reason::Rejected, "Check the values in the resource's spec."),
    }
}

/// Refusals of the authority that pass by themselves, although they may come with a 400.
///
/// The numbers are those that the documented list of errors calls transient, retryable, temporarily
/// unavailable or timed out; 50196 (a loop was detected) and 90055 (throttled) end with a pause.
const PASSING: [&str; 11] = [
    "temporarily_unavailable",
    "server_error",
    "AADSTS50087",
    "AADSTS50196",
    "AADSTS90006",
    "AADSTS90012",
    "AADSTS90024",
    "AADSTS90033",
    "AADSTS90055",
    "AADSTS90090",
    "AADSTS90091",
];

/// What a refusal by the token endpoint, or by something on the way to it, means.
fn authority_refusal(refusal: &Refusal) -> Class {
    let after = refusal.retry_after;
    let passes = PASSING.iter().any(|code| refusal.says(code));
    match refusal.status {
        408 => Class::passing(Reason::TimedOut),
        429 => Class::throttled(Reason::Throttled, after),
        400..=499 if refusal.shape != Shape::Authority => Class::foreign(),
        400..=499 if !passes => Class::user(Reason::CredentialRefused, CHECK_CREDENTIAL),
        400..=499 | 503 if after.is_some() => Class::throttled(Reason::ServiceUnavailable, after),
        400..=599 => Class::passing(Reason::ServiceUnavailable),
        _ => Class::passing(Reason::UnexpectedAnswer),
    }
}

#[cfg(test)]
mod tests;
