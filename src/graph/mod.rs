//! Typed client of the Microsoft Graph (beta) interface for outbound provisioning flow sets and
//! flows.
//!
//! [`Client`] makes requests, [`model`] is what the service holds, [`verdict`] is what a failure
//! means. Everything that is sent as one [`Account`] passes one [`Budget`]; tokens are shared by all
//! who show the same credential.
//!
//! *Guarantees*
//!
//! * A request is sent once. The only repetition is after a 401 or 403 in the service's error shape,
//!   which proves that the first had no effect, with another token.
//! * A success is a documented status with the documented shape. Whatever else comes with a 2xx, such
//!   as the page of a gateway, is a failure that leaves the effect unknown.
//! * A list is complete or an error, but for items that cannot be understood, which it counts.
//! * The token goes to the configured endpoints only: redirects and links to other origins are not
//!   followed.
//! * Errors, their causes and their `Debug` output hold no token, secret, password or text of an
//!   answer.
//!
//! The module knows nothing of Kubernetes.

mod account;
mod answer;
mod body;
mod budget;
mod client;
mod error;
mod exchange;
mod failure;
pub mod model;
mod operation;
mod page;
#[cfg(test)]
mod testing;
mod token;
mod transport;
pub mod verdict;

pub(crate) use self::transport::ensure_crypto_provider;
pub use self::{
    account::Account,
    body::{FilterDefinition, FlowDefinition, FlowSetDefinition},
    budget::{Budget, Closed, DEFAULT_MAX_WAIT, Priority, RateLimits},
    client::Client,
    error::Error,
    failure::{ErrorCode, Failure, LinkError, Refusal, Shape},
    model::{Flow, FlowId, FlowSet, FlowSetId, FlowType, InvalidId, Listing, Malformed},
    operation::{Observer, Operation, RequestOutcome, unobserved},
    token::{InvalidTenant, Tenant},
    transport::{EndpointError, Transport, TransportError, TransportSettings, check_endpoint},
    verdict::{Certainty, Disposition, Reason, Verdict},
};
