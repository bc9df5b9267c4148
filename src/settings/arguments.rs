//! The flags and environment variables of the operator, and how each is read.

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::{ArgAction, Args};
use k8s_openapi::jiff::SignedDuration;
use kube::core::Selector;
use thiserror::Error;
use url::Url;

use super::selector;
use crate::telemetry::LogFormat;

/// The longest time that can be given: far more than makes sense for any of the flags.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// The flags of `industrydata-operator run`, each with an environment variable.
///
/// What is wrong in itself is refused here, what is wrong in what it means by
/// [`Settings::from_arguments`](super::Settings::from_arguments).
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Microsoft Graph. Must be https, or http on a loopback address; without a path
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        default_value = "https://graph.microsoft.com",
        env = "INDUSTRYDATA_OPERATOR_GRAPH_ENDPOINT",
        help_heading = "Microsoft Graph"
    )]
    pub graph_endpoint: Url,

    /// The authority that gives out tokens. Must be https, or http on a loopback address; without a
    /// path
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        default_value = "https://login.microsoftonline.com",
        env = "INDUSTRYDATA_OPERATOR_AUTHORITY_ENDPOINT",
        help_heading = "Microsoft Graph"
    )]
    pub authority_endpoint: Url,

    /// A file with certificates (PEM) of authorities to trust in addition to the system's. Read at
    /// the start
    #[arg(
        long,
        value_name = "PATH",
        env = "INDUSTRYDATA_OPERATOR_CA_FILE",
        help_heading = "Microsoft Graph"
    )]
    pub ca_file: Option<PathBuf>,

    /// The longest time that a request may take, such as `10s` or `1m30s`
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s",
        env = "INDUSTRYDATA_OPERATOR_REQUEST_TIMEOUT",
        help_heading = "Microsoft Graph"
    )]
    pub request_timeout: Duration,

    /// How long a change may take to show in a list, such as `45s`. Must be longer than the lease
    /// duration and two request time-outs together
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "45s",
        env = "INDUSTRYDATA_OPERATOR_VISIBILITY_WINDOW",
        help_heading = "Microsoft Graph"
    )]
    pub visibility_window: Duration,

    /// The context of the kubeconfig to use. Without it, the current context or the pod's service
    /// account
    #[arg(
        long,
        value_name = "NAME",
        env = "INDUSTRYDATA_OPERATOR_CONTEXT",
        help_heading = "Cluster"
    )]
    pub context: Option<String>,

    /// A namespace to watch; may be repeated, or have several with commas between them. Without it,
    /// all namespaces
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        env = "INDUSTRYDATA_OPERATOR_WATCH_NAMESPACE",
        help_heading = "Cluster"
    )]
    pub watch_namespace: Vec<String>,

    /// A label selector for the resources to watch, of all three kinds
    #[arg(
        long,
        value_name = "SELECTOR",
        value_parser = selector::parse,
        env = "INDUSTRYDATA_OPERATOR_WATCH_SELECTOR",
        help_heading = "Cluster"
    )]
    pub watch_selector: Option<Selector>,

    /// How many resources of one kind are reconciled at a time, at least 1
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "16",
        env = "INDUSTRYDATA_OPERATOR_CONCURRENCY",
        help_heading = "Cluster"
    )]
    pub concurrency: NonZeroU16,

    /// How often all resources are listed anew, such as `1h`, should the cluster ever fail to tell of
    /// a change. Must be at least 5s; up to a fifth is added at random
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "1h",
        env = "INDUSTRYDATA_OPERATOR_RELIST_INTERVAL",
        help_heading = "Cluster"
    )]
    pub relist_interval: Duration,

    /// Whether to write only while holding the lease. Turn it off only where nothing else can run
    /// a second operator
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value = "true",
        default_missing_value = "true",
        env = "INDUSTRYDATA_OPERATOR_LEADER_ELECT",
        help_heading = "Leader election"
    )]
    pub leader_elect: bool,

    /// The namespace of the lease. Without it, the pod's; outside of a cluster, `default`
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "INDUSTRYDATA_OPERATOR_LEASE_NAMESPACE",
        help_heading = "Leader election"
    )]
    pub lease_namespace: Option<String>,

    /// The name of the lease
    #[arg(
        long,
        value_name = "NAME",
        default_value = "industrydata-operator",
        env = "INDUSTRYDATA_OPERATOR_LEASE_NAME",
        help_heading = "Leader election"
    )]
    pub lease_name: String,

    /// How long the lease lasts without renewal, in whole seconds, such as `20s`: as long as nobody
    /// leads after a leader has crashed
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "20s",
        env = "INDUSTRYDATA_OPERATOR_LEASE_DURATION",
        help_heading = "Leader election"
    )]
    pub lease_duration: Duration,

    /// Where `/livez`, `/readyz` and `/metrics` are served. Outside of a cluster, a loopback
    /// address such as 127.0.0.1:8080 keeps them to this machine
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        value_parser = address,
        default_value = "0.0.0.0:8080",
        env = "INDUSTRYDATA_OPERATOR_ADMIN_ADDRESS",
        help_heading = "Operation"
    )]
    pub admin_address: SocketAddr,

    /// How long steps under way may take to finish after SIGTERM, such as `20s`. Must be shorter
    /// than the pod's terminationGracePeriodSeconds
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "20s",
        env = "INDUSTRYDATA_OPERATOR_SHUTDOWN_GRACE",
        help_heading = "Operation"
    )]
    pub shutdown_grace: Duration,

    /// How a log line looks
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        env = "INDUSTRYDATA_OPERATOR_LOG_FORMAT",
        help_heading = "Operation"
    )]
    pub log_format: LogFormat,

    /// What is logged: a level, or directives such as `info,kube_client=warn`
    #[arg(
        long,
        value_name = "DIRECTIVES",
        default_value = "info",
        env = "INDUSTRYDATA_OPERATOR_LOG_LEVEL",
        help_heading = "Operation"
    )]
    pub log_level: String,
}

/// Why a value cannot be read. The flag and the value are told by clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidValue {
    #[error("right would be a URL such as `https://graph.microsoft.com`")]
    Url,
    #[error("right would be a time with units, such as `60s` or `1m30s`")]
    Duration,
    #[error("right would be at most `24h`")]
    LongDuration,
    #[error("right would be an IP address and a port, such as `127.0.0.1:8080`")]
    Address,
}

fn url(text: &str) -> Result<Url, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::Url)
}

pub(crate) fn duration(text: &str) -> Result<Duration, InvalidValue> {
    let duration: SignedDuration = text.parse().map_err(|_| InvalidValue::Duration)?;
    let duration = Duration::try_from(duration).map_err(|_| InvalidValue::Duration)?;
    if duration > MAX_DURATION {
        return Err(InvalidValue::LongDuration);
    }
    Ok(duration)
}

fn address(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::Address)
}
