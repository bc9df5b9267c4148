//! What can be wrong with the arguments.

use std::{io, path::PathBuf, time::Duration};

use rustls::pki_types::pem;
use thiserror::Error;
use url::Url;

use crate::{graph::EndpointError, lease::LeaseSettings};

/// What is wrong with the arguments: the flag, its value and what would be right.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Tokens and secrets must not be sent there.
    #[error("{flag} `{url}` cannot be used")]
    Endpoint {
        /// The flag.
        flag: &'static str,
        /// Its value, without a password.
        url: Url,
        /// What is wrong with it.
        #[source]
        source: EndpointError,
    },
    /// The file with certificates cannot be read.
    #[error("failed to read --ca-file `{}`", path.display())]
    ReadCaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file with certificates is not PEM.
    #[error("--ca-file `{}` is not PEM", path.display())]
    MalformedCaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The file with certificates has none.
    #[error(
        "--ca-file `{}` holds no certificate; right would be at least one, in PEM \
         (`-----BEGIN CERTIFICATE-----`)",
        path.display()
    )]
    EmptyCaFile {
        /// The file.
        path: PathBuf,
    },
    /// No object in a cluster can have this name.
    #[error(
        "{flag} `{value}` is no name; right would be 1 to 63 lowercase letters, digits and `-`, \
         with a letter or digit at either end"
    )]
    Name {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// No request could ever succeed.
    #[error(
        "--request-timeout is 0s; right would be a time in which a request can be answered, such as `10s`"
    )]
    RequestTimeout,
    /// A list could be begun anew before it is complete, over and over.
    #[error(
        "--relist-interval is {interval:?}; right would be at least {least:?}, and usually `1h`"
    )]
    RelistInterval {
        /// The value.
        interval: Duration,
        /// The least that it can be.
        least: Duration,
    },
    /// A Lease cannot last so long, or should not.
    #[error(
        "--lease-duration is {duration:?}; right would be whole seconds, at least {:?}",
        LeaseSettings::MIN_DURATION
    )]
    LeaseDuration {
        /// The value.
        duration: Duration,
    },
    /// The lease never covers the time that a request can take.
    #[error(
        "--lease-duration {duration:?} always leaves the leader {cover:?}, which must not be shorter than \
         --request-timeout {request_timeout:?} and {:?} in the request budget: raise the first or lower the second",
        crate::graph::DEFAULT_MAX_WAIT
    )]
    LeaseTooShort {
        /// The duration of the lease.
        duration: Duration,
        /// What it covers at any time.
        cover: Duration,
        /// The longest time that a request may take.
        request_timeout: Duration,
    },
    /// What was sent before could still be on its way.
    #[error(
        "--visibility-window is {window:?}; right would be more than {sum:?}: {}twice \
         --request-timeout {request_timeout:?}",
        lease_duration.map_or(String::new(), |it| format!("--lease-duration {it:?} and "))
    )]
    VisibilityWindow {
        /// The window.
        window: Duration,
        /// The duration of the lease; none without leader election.
        lease_duration: Option<Duration>,
        /// The longest time that a request may take.
        request_timeout: Duration,
        /// What the window must exceed.
        sum: Duration,
    },
}
