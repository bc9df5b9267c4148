//! Errors, and the exit code of each.

use std::io;
use std::path::PathBuf;

use industrydata_operator::graph::EndpointError;
use thiserror::Error;
use url::Url;

use crate::authority::ExchangeError;
use crate::refusal::RefusedRequest;

/// Why the command failed. No variant contains a token, a client secret or the text of a response.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The arguments are wrong, or contradict the `GraphConnection`.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A request to the authority failed.
    #[error("failed to {operation}")]
    Exchange {
        /// What was attempted.
        operation: String,
        #[source]
        source: ExchangeError,
    },
    /// The authority refused a request.
    #[error(transparent)]
    Refused(#[from] Box<RefusedRequest>),
    /// The authority returned something that cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A request to the cluster failed.
    #[error("failed to {operation}")]
    Cluster {
        /// What was attempted, on which object.
        operation: String,
        #[source]
        source: ClusterError,
    },
    /// An object in the cluster is in the way.
    #[error("{object} {state}; {remedy}")]
    Object {
        /// Kind, name and namespace.
        object: String,
        state: String,
        remedy: String,
    },
    /// The user may not write what has to be written.
    #[error("you may not {}; ask an administrator of the cluster, or use --output yaml", missing.join(", "))]
    Forbidden {
        /// Verb, resource and namespace of each.
        missing: Vec<String>,
    },
    /// The HTTP client cannot be set up.
    #[error("failed to set up the HTTP client")]
    Http(#[source] reqwest::Error),
    /// A file of the system or the terminal cannot be used.
    #[error("failed to {operation}")]
    System {
        operation: &'static str,
        #[source]
        source: io::Error,
    },
}

/// What is wrong with the arguments.
#[derive(Debug, Error)]
pub(crate) enum UsageError {
    #[error("{flag} `{url}` cannot be used")]
    Endpoint {
        flag: &'static str,
        url: Url,
        #[source]
        source: EndpointError,
    },
    #[error("{flag} `{value}` is not valid; expected {expected}")]
    Value {
        flag: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("failed to read {flag} `{}`", path.display())]
    ReadFile {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("--ca-file `{}` does not contain a certificate; expected at least one, in PEM", .0.display())]
    Certificates(PathBuf),
    #[error(
        "the client secret in {0} is empty, longer than 1,024 bytes, or not one line of text; expected the secret's \
         value alone"
    )]
    ClientSecret(&'static str),
    #[error(
        "{missing} is missing; pass it, or pass --connection with a GraphConnection that exists"
    )]
    Missing { missing: &'static str },
    #[error(
        "{flag} is {given}, but GraphConnection {connection} has {field}: {found}; omit the flag, or use another \
         GraphConnection"
    )]
    Contradiction {
        flag: &'static str,
        given: String,
        connection: String,
        field: &'static str,
        found: String,
    },
    #[error("--key `clientSecret` is the key of the client secret; choose another one")]
    SameKey,
    #[error("failed to read the client secret from standard input")]
    Stdin(#[source] io::Error),
}

/// Why the response of the authority cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum AuthorityError {
    #[error(
        "the authority's response to {request} is malformed: {problem}; check --authority-endpoint"
    )]
    Malformed {
        request: &'static str,
        problem: &'static str,
    },
    #[error(
        "the code was not used in time; run the command again, and finish signing in within {0} minutes"
    )]
    Expired(u64),
    #[error(
        "the authority issued a token for tenant {found} instead of {expected}, and nothing was stored; sign in with an \
         account of that tenant, or correct --tenant"
    )]
    OtherTenant { expected: String, found: String },
    #[error(
        "the authority issued a token for application {found} instead of {expected}, and nothing was stored; check \
         --authority-endpoint"
    )]
    OtherApplication { expected: String, found: String },
    #[error(
        "the token lacks the delegated permission {permission}, and nothing was stored; add it to the app registration \
         {client_id} and grant admin consent (`az ad app permission admin-consent --id {client_id}`), then run the \
         command again"
    )]
    MissingPermission {
        permission: &'static str,
        client_id: String,
    },
    #[error(
        "the authority returned no refresh token, and nothing was stored; the scope offline_access was requested: an \
         administrator may have to consent to it for application {client_id}"
    )]
    NoRefreshToken { client_id: String },
}

/// Why a request to the cluster failed.
#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    #[error(transparent)]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    // Not the status as a whole, whose details repeat the message.
    #[error("{0}")]
    Status(String),
    #[error("the API server did not respond within {0} s; check the network and --context")]
    TimedOut(u64),
    #[error(transparent)]
    Client(kube::Error),
    #[error("the API server's response is malformed")]
    Malformed,
    #[error("it was changed at the same time, again and again; run the command again")]
    Conflict,
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status(status.message.clone()),
            other => Self::Client(other),
        }
    }
}

impl Error {
    /// Returns the exit code: 2 for wrong arguments, otherwise 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}
