//! Typed client of the Microsoft Graph (beta) interface for outbound provisioning flow sets and
//! flows.
//!
//! [`Client`] makes requests, [`model`] contains the objects of the service, and [`verdict`] the meaning
//! of failures. All requests of one [`Account`] share one [`Budget`]; all clients with the same
//! credential share tokens.
//!
//! # Guarantees
//!
//! * A request is sent once. It is repeated, with another token, only after a 401, or after a 403 in the
//!   service's error shape, because these show that the first request had no effect.
//! * A success is a documented status with the documented shape. Any other 2xx response, such as the
//!   page of a gateway, is a failure that leaves the effect unknown.
//! * A list is either complete or an error, except for items that cannot be parsed, which are counted.
//! * The token is sent to the configured endpoints only: redirects and links to other origins are not
//!   followed.
//! * Errors, their causes and their `Debug` output contain no token, secret, password or text of a
//!   response.
//!
//! The module does not depend on Kubernetes.

mod account;
mod answer;
mod body;
mod budget;
mod certificate;
mod claims;
mod client;
mod credential;
mod error;
mod exchange;
mod failure;
mod intake;
mod json;
mod malformed;
pub mod model;
mod operation;
mod page;
mod room;
mod spans;
mod tenant;
#[cfg(test)]
mod testing;
mod token;
mod token_cache;
mod transport;
pub mod verdict;

pub(crate) use self::transport::{client_builder, ensure_crypto_provider, is_loopback, trusted};
pub use self::{
    account::Account,
    body::Passwords,
    budget::{Budget, Closed, DEFAULT_MAX_WAIT, Priority, RateLimits},
    certificate::{CertificateError, SigningKey},
    claims::{Granted, READ_PERMISSION, WRITE_PERMISSION},
    client::{Client, MAX_BATCH, Sweep},
    credential::{
        Actor, AssertionSource, Credential, CredentialError, Detach, RefreshToken,
        RefreshTokenStore,
    },
    error::{AUTHORITY_REFUSALS, AuthorityRefusal, Error},
    failure::{ErrorCode, Failure, LinkError, Refusal, Shape},
    malformed::Malformed,
    model::{
        FilterDefinition, Flow, FlowDefinition, FlowId, FlowSet, FlowSetDefinition, FlowSetId,
        FlowType, InvalidId, Listing,
    },
    operation::{Observation, Observer, Operation, RequestOutcome, unobserved},
    tenant::{InvalidTenant, Tenant},
    transport::{EndpointError, Transport, TransportError, TransportSettings, check_endpoint},
    verdict::{Certainty, Disposition, Reason, Verdict},
};
