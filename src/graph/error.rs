//! Errors of requests, and the classifier that derives a verdict from them.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::{
    budget::Closed,
    credential::Actor,
    failure::{Failure, Refusal, Shape},
    operation::Operation,
    verdict::{Certainty, Disposition, Reason, Verdict},
};

mod authority;

pub use authority::{AUTHORITY_REFUSALS, AuthorityRefusal};

/// Error of a request.
///
/// Neither `Display` nor `Debug`, of this error or of any [`source`](std::error::Error::source),
/// contains a token, secret, password, URL query or text of a response.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The budget refused the request.
    #[error("failed to {}: the request budget is closed", operation.phrase())]
    BudgetClosed {
        /// Operation that failed.
        operation: Operation,
        /// Time until a retry may succeed.
        remaining: Duration,
    },
    /// No access token was available.
    #[error("failed to {}: no access token", operation.phrase())]
    NoToken {
        /// Operation that failed.
        operation: Operation,
        /// Failure of the token request, shared by all callers that waited for it.
        source: Arc<Failure>,
    },
    /// The request itself failed.
    #[error("failed to {}", operation.phrase())]
    Request {
        /// Operation that failed.
        operation: Operation,
        /// Failure of the exchange.
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

    /// Returns the operation that failed.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::BudgetClosed { operation, .. }
            | Self::NoToken { operation, .. }
            | Self::Request { operation, .. } => *operation,
        }
    }

    /// Returns the error as that of another operation, which would have failed for the same reason.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::BudgetClosed { operation: own, .. }
            | Self::NoToken { operation: own, .. }
            | Self::Request { operation: own, .. } => *own = operation,
        }
        error
    }

    /// Returns whether the response was a 404 or a 410, from the service or from an intermediary.
    ///
    /// This is a reason to list again, not a proof that the object does not exist: a gateway may have
    /// sent it, or a replica of the service that the object has not reached yet.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| [404, 410].contains(&refusal.status))
    }

    /// Returns whether the service itself reported that the object does not exist: a 404 in its error
    /// shape.
    pub(super) fn is_absence(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.status == 404 && refusal.shape == Shape::Graph)
    }

    /// Returns whether the request would fail again however often it was repeated: the service does not support it, or
    /// the response is too large or takes too long.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        let Self::Request { source, .. } = self else {
            return false;
        };
        match &**source {
            Failure::Refused(refusal) => [400, 404, 405, 422, 501].contains(&refusal.status),
            Failure::TooLarge | Failure::Overdue => true,
            _ => false,
        }
    }

    /// Returns the response with a status other than 2xx, or `None` if there was no such response.
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

    /// Returns the meaning of the error. This is the only classifier in the program.
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
            Self::Request { operation, source } => (
                source.class(|refusal| service_refusal(refusal, *operation)),
                source.certainty(),
                source.sentence("the service"),
            ),
        };
        let request_id = self
            .refusal()
            .and_then(|refusal| refusal.request_id.as_ref());
        Verdict {
            disposition: class.disposition,
            certainty,
            reason: class.reason,
            request_id: request_id.map(ToString::to_string),
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
const CHECK_ADMISSION: &str =
    "Check tenant and cloud, and that conditional access admits the application.";
const USE_ANOTHER_OPERATOR: &str = "It is tried again automatically; if this lasts, run an operator of its own for \
     the namespaces with the largest lists.";
const GRANT_READ: &str =
    "Grant IndustryData-OutboundFlow.Read.All with admin consent, and check the tenant's licence.";
const GRANT_WRITE: &str = "Grant the delegated permission IndustryData-OutboundFlow.ReadWrite.All with admin consent, and \
     check the tenant's licence and the role of the person who has signed in.";
const SIGN_IN_TO_WRITE: &str = "Changes need the delegated permission IndustryData-OutboundFlow.ReadWrite.All: Microsoft \
     documents it for people, not for applications. Sign in with `kubectl industrydata login`; until then, flows are read only.";
const FULFIL_CHALLENGE: &str = "Conditional access requires more of this sign-in: adapt the policy, or sign in again with \
     `kubectl industrydata login`.";

/// Part of a verdict that does not depend on the operation.
struct Class {
    disposition: Disposition,
    reason: Reason,
    /// Remedy, as a sentence.
    advice: &'static str,
}

impl Class {
    const fn retry(reason: Reason) -> Self {
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
            ..Self::retry(Reason::UnexpectedAnswer)
        }
    }

    const fn throttled(reason: Reason, after: Option<Duration>) -> Self {
        Self {
            disposition: Disposition::Throttled { after },
            ..Self::retry(reason)
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
    /// Returns how to react to a failure to obtain a token, for the token cache.
    pub(super) fn authority_disposition(&self) -> Disposition {
        self.class(authority_refusal).disposition
    }

    /// Returns the class of a failure to obtain a token, for metric labels.
    pub(super) fn authority_reason(&self) -> Reason {
        self.class(authority_refusal).reason
    }

    fn class(&self, refusal_class: impl Fn(&Refusal) -> Class) -> Class {
        match self {
            Self::Credential(error) if error.is_transient => {
                Class::retry(Reason::CredentialUnavailable)
            }
            Self::Credential(_) => Class::user(Reason::CredentialUnavailable, RETRIED),
            Self::Unconnected(_) => Class {
                advice: CHECK_NETWORK,
                ..Class::retry(Reason::Unreachable)
            },
            Self::Interrupted(_) => Class::retry(Reason::Unreachable),
            Self::TimedOut | Self::Overdue => Class::retry(Reason::TimedOut),
            Self::Refused(refusal) => refusal_class(refusal),
            Self::TooLarge | Self::Malformed(_) | Self::Link(_) => {
                Class::retry(Reason::UnexpectedAnswer)
            }
            Self::NoRoom => Class {
                advice: USE_ANOTHER_OPERATOR,
                ..Class::retry(Reason::UnexpectedAnswer)
            },
        }
    }

    fn certainty(&self) -> Certainty {
        match self {
            Self::Unconnected(_) | Self::Credential(_) => Certainty::NotSent,
            Self::Refused(refusal) if refusal.status == 429 => Certainty::Throttled,
            Self::Refused(refusal) if refusal.is_definite() => Certainty::Refused,
            Self::Refused(_)
            | Self::Interrupted(_)
            | Self::TimedOut
            | Self::Overdue
            | Self::TooLarge
            | Self::NoRoom
            | Self::Malformed(_)
            | Self::Link(_) => Certainty::Unknown,
        }
    }

    fn sentence(&self, peer: &str) -> String {
        match self {
            Self::Credential(error) => error.message.clone(),
            Self::Unconnected(_) => format!("{peer} cannot be reached"),
            Self::Interrupted(_) => format!("the connection to {peer} broke"),
            Self::TimedOut => format!("{peer} did not answer in time"),
            Self::Overdue => format!("the list of {peer} was not complete within 5 min"),
            Self::Refused(refusal) => format!("{peer} answered {refusal}"),
            Self::TooLarge => format!("the answer of {peer} is too large"),
            Self::NoRoom => format!(
                "the list of {peer} does not fit into memory next to those of other connections"
            ),
            Self::Malformed(malformed) => {
                format!("the answer of {peer} was not understood ({malformed})")
            }
            Self::Link(link) => format!("the list of {peer} cannot be followed ({link})"),
        }
    }
}

/// Classifies a refusal by Microsoft Graph or by an intermediary.
///
/// The status decides. Error codes are not documented for this service, so they are used only where
/// the status alone is ambiguous.
fn service_refusal(refusal: &Refusal, operation: Operation) -> Class {
    let after = refusal.retry_after;
    match refusal.status {
        429 | 509 => Class::throttled(Reason::Throttled, after),
        503 if after.is_some() => Class::throttled(Reason::ServiceUnavailable, after),
        500..=599 => Class::retry(Reason::ServiceUnavailable),
        408 => Class::retry(Reason::TimedOut),
        400..=499 if refusal.shape == Shape::Graph => request_refusal(refusal, operation),
        400..=499 => Class::foreign(),
        _ => Class::retry(Reason::UnexpectedAnswer),
    }
}

/// Classifies a refusal in the error shape of Microsoft Graph by its status.
fn request_refusal(refusal: &Refusal, operation: Operation) -> Class {
    match refusal.status {
        401 if refusal.is_challenge => Class::user(Reason::ConditionalAccess, FULFIL_CHALLENGE),
        401 => Class::user(Reason::Unauthorized, CHECK_ADMISSION),
        402 | 403 => Class::user(
            Reason::Forbidden,
            match refusal.actor {
                _ if !operation.is_change() => GRANT_READ,
                Actor::User => GRANT_WRITE,
                Actor::Application => SIGN_IN_TO_WRITE,
            },
        ),
        // Also the response for an object that was just created, until it has reached all replicas of
        // the service, or that another client may yet create: retry without help of the user.
        404 | 410 => Class::retry(Reason::NotFound),
        405 | 406 | 411 | 415 => Class {
            disposition: Disposition::Bug,
            reason: Reason::InvalidRequest,
            advice: "The interface may have changed; please report it.",
        },
        // These concern the route, the protocol or the connection, and statuses from 440 on are private
        // to gateways: no change of a resource would fix them.
        407 | 421 | 425 | 426 | 431 | 440..=499 => Class::foreign(),
        409 if refusal.has_code("Directory_ConcurrencyViolation") => Class::retry(Reason::Conflict),
        409 => Class::user(
            Reason::Conflict,
            "Check whether another client manages this object or an object with the same identity.",
        ),
        412 => Class::retry(Reason::Conflict),
        423 => Class::retry(Reason::Locked),
        _ => Class::user(Reason::Rejected, "Check the values in the resource's spec."),
    }
}

/// Classifies a refusal by the token endpoint or by an intermediary.
fn authority_refusal(refusal: &Refusal) -> Class {
    let after = refusal.retry_after;
    let is_transient = authority::is_transient(refusal);
    match refusal.status {
        408 => Class::retry(Reason::TimedOut),
        429 => Class::throttled(Reason::Throttled, after),
        400..=499 if refusal.shape != Shape::Authority => Class::foreign(),
        400..=499 if !is_transient => authority::credential_refusal(refusal),
        400..=499 | 503 if after.is_some() => Class::throttled(Reason::ServiceUnavailable, after),
        400..=599 => Class::retry(Reason::ServiceUnavailable),
        _ => Class::retry(Reason::UnexpectedAnswer),
    }
}

#[cfg(test)]
mod tests;
