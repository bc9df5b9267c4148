//! Errors in the arguments.

use std::{io, path::PathBuf, time::Duration};

use rustls::pki_types::pem;
use thiserror::Error;
use url::Url;

use crate::{graph::EndpointError, lease::LeaseSettings, shard::ShardCount};

/// An error in the arguments, with the flag, its value and the expected form.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The URL is not safe for tokens and secrets.
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
    /// The URL cannot be that of a collector.
    #[error(
        "--otlp-endpoint `{url}` cannot be used; expected http or https, without a user name, a query or a fragment, \
         such as `http://otel-collector.monitoring:4318`"
    )]
    Collector {
        /// Its value, without a password.
        url: Url,
    },
    /// The file with certificates cannot be read.
    #[error("failed to read --ca-file `{}`", path.display())]
    ReadCaFile {
        /// The file.
        path: PathBuf,
        /// The cause of the failure.
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
    /// The file does not contain a certificate.
    #[error(
        "--ca-file `{}` does not contain a certificate; expected at least one, in PEM \
         (`-----BEGIN CERTIFICATE-----`)",
        path.display()
    )]
    EmptyCaFile {
        /// The file.
        path: PathBuf,
    },
    /// The name is not valid for an object in a cluster.
    #[error(
        "{flag} `{value}` is not a valid name; expected 1 to 63 lowercase letters, digits and `-`, \
         with a letter or digit at either end"
    )]
    Name {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// The time-out is zero, so no request could succeed.
    #[error(
        "--request-timeout is 0s; expected a duration in which a request can complete, such as `10s`"
    )]
    RequestTimeout,
    /// The interval is so short that a list could restart before it is complete.
    #[error("--relist-interval is {interval:?}; expected at least {min:?}, usually `1h`")]
    RelistInterval {
        /// The value.
        interval: Duration,
        /// The minimum value.
        min: Duration,
    },
    /// The duration is not valid for a Lease.
    #[error(
        "--lease-duration is {duration:?}; expected whole seconds, at least {:?}",
        LeaseSettings::MIN_DURATION
    )]
    LeaseDuration {
        /// The value.
        duration: Duration,
    },
    /// Without leases, replicas could not share the shards.
    #[error(
        "--shards is {shards} and --leader-elect is false; expected --leader-elect=true, as each shard needs a lease"
    )]
    ShardsWithoutLeases {
        /// Number of shards.
        shards: ShardCount,
    },
    /// The lease never covers the maximum duration of a request.
    #[error(
        "--lease-duration {duration:?} guarantees the leader {cover:?}, which must cover \
         --request-timeout {request_timeout:?} plus {:?} in the request budget: raise the first or lower the second",
        crate::graph::DEFAULT_MAX_WAIT
    )]
    LeaseTooShort {
        /// The duration of the lease.
        duration: Duration,
        /// The time that it covers at any moment.
        cover: Duration,
        /// The maximum duration of a request.
        request_timeout: Duration,
    },
    /// An earlier request could still be in flight at the end of the window.
    #[error(
        "--visibility-window is {window:?}; expected more than {sum:?}: {}twice \
         --request-timeout {request_timeout:?}",
        lease_duration.map_or(String::new(), |it| format!("--lease-duration {it:?} and "))
    )]
    VisibilityWindow {
        /// The window.
        window: Duration,
        /// The duration of the lease, or `None` without leader election.
        lease_duration: Option<Duration>,
        /// The maximum duration of a request.
        request_timeout: Duration,
        /// The sum that the window must exceed.
        sum: Duration,
    },
}
