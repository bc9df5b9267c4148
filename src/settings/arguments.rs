//! The flags and environment variables of the operator, and how each is read.

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::{ArgAction, Args};
use k8s_openapi::jiff::SignedDuration;
use kube::core::Selector;
use thiserror::Error;
use url::Url;

use super::selector;
use crate::shard::ShardCount;
use crate::telemetry::LogFormat;

/// Maximum value of a duration: far more than is useful for any of the flags.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// The flags of `industrydata-operator run`, each with an environment variable.
///
/// Malformed values are rejected here, and invalid values or combinations by
/// [`Settings::from_arguments`](super::Settings::from_arguments).
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) graph: GraphArguments,
    #[command(flatten)]
    pub(super) cluster: ClusterArguments,
    #[command(flatten)]
    pub(super) election: ElectionArguments,
    #[command(flatten)]
    pub(super) operation: OperationArguments,
}

/// How Microsoft Graph and the authority are reached.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Microsoft Graph")]
pub(super) struct GraphArguments {
    /// URL of Microsoft Graph. Must use https, or http on a loopback address, and have no path
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        default_value = "https://graph.microsoft.com",
        env = "INDUSTRYDATA_OPERATOR_GRAPH_ENDPOINT",
    )]
    pub(super) graph_endpoint: Url,

    /// URL of the authority that issues tokens. Must use https, or http on a loopback address, and
    /// have no path
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        default_value = "https://login.microsoftonline.com",
        env = "INDUSTRYDATA_OPERATOR_AUTHORITY_ENDPOINT",
    )]
    pub(super) authority_endpoint: Url,

    /// Scope of the tokens for Microsoft Graph. It identifies the service itself, also if --graph-endpoint is a gateway
    #[arg(
        long,
        value_name = "SCOPE",
        value_parser = token_scope,
        default_value = "https://graph.microsoft.com/.default",
        env = "INDUSTRYDATA_OPERATOR_TOKEN_SCOPE",
    )]
    pub(super) token_scope: String,

    /// URL of the authority for which certificates sign. It identifies the authority itself, also if
    /// --authority-endpoint is a gateway
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        default_value = "https://login.microsoftonline.com",
        env = "INDUSTRYDATA_OPERATOR_ASSERTION_AUDIENCE",
    )]
    pub(super) assertion_audience: Url,

    /// Audience of the tokens of service accounts for workload identity. Other audiences are refused, because their
    /// tokens would be accepted elsewhere, for instance by the API server
    #[arg(
        long,
        value_name = "AUDIENCE",
        value_parser = [
            "api://AzureADTokenExchange",
            "api://AzureADTokenExchangeUSGov",
            "api://AzureADTokenExchangeChina",
        ],
        default_value = "api://AzureADTokenExchange",
        env = "INDUSTRYDATA_OPERATOR_WORKLOAD_IDENTITY_AUDIENCE",
    )]
    pub(super) workload_identity_audience: String,

    /// File with certificates (PEM) of authorities to trust in addition to those of the system.
    /// Read at startup
    #[arg(long, value_name = "PATH", env = "INDUSTRYDATA_OPERATOR_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,

    /// Maximum duration of a request, such as `10s` or `1m30s`
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s",
        env = "INDUSTRYDATA_OPERATOR_REQUEST_TIMEOUT",
    )]
    pub(super) request_timeout: Duration,

    /// Maximum time until a change appears in a list, such as `45s`. Must be longer than the lease
    /// duration plus two request time-outs
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "45s",
        env = "INDUSTRYDATA_OPERATOR_VISIBILITY_WINDOW",
    )]
    pub(super) visibility_window: Duration,
}

/// What is watched in the cluster, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArguments {
    /// Context of the kubeconfig. Without it, the current context or the pod's service account is
    /// used
    #[arg(long, value_name = "NAME", env = "INDUSTRYDATA_OPERATOR_CONTEXT")]
    pub(super) context: Option<String>,

    /// Namespace to watch. Repeat the flag or separate namespaces with commas to watch several.
    /// Without it, all namespaces are watched
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        env = "INDUSTRYDATA_OPERATOR_WATCH_NAMESPACE"
    )]
    pub(super) watch_namespace: Vec<String>,

    /// Label selector for the resources to watch, of all three kinds
    #[arg(
        long,
        value_name = "SELECTOR",
        value_parser = selector::parse,
        env = "INDUSTRYDATA_OPERATOR_WATCH_SELECTOR",
    )]
    pub(super) watch_selector: Option<Selector>,

    /// Number of resources that are reconciled at the same time, without those that wait for the service, at least 1
    #[arg(
        long,
        value_name = "NUMBER",
        // A place is held for computations and for requests to the cluster, of about 10 ms each: 16 places
        // allow 1,600 of them a second, more than an API server grants one client.
        default_value = "16",
        env = "INDUSTRYDATA_OPERATOR_CONCURRENCY",
    )]
    pub(super) concurrency: NonZeroU16,

    /// Interval between full relists, such as `1h`, as a safety net for missed watch events. Must
    /// be at least 5s; up to a fifth is added at random
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "1h",
        env = "INDUSTRYDATA_OPERATOR_RELIST_INTERVAL",
    )]
    pub(super) relist_interval: Duration,
}

/// The lease, and the shards that each have one.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Leader election")]
pub(super) struct ElectionArguments {
    /// Whether to write only while holding the lease. Turn it off only if a second operator can
    /// never run
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value = "true",
        default_missing_value = "true",
        env = "INDUSTRYDATA_OPERATOR_LEADER_ELECT",
    )]
    pub(super) leader_elect: bool,

    /// Namespace of the lease. Without it, the namespace of the pod, or `default` outside of a
    /// cluster
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "INDUSTRYDATA_OPERATOR_LEASE_NAMESPACE"
    )]
    pub(super) lease_namespace: Option<String>,

    /// Name of the lease
    #[arg(
        long,
        value_name = "NAME",
        default_value = "industrydata-operator",
        env = "INDUSTRYDATA_OPERATOR_LEASE_NAME"
    )]
    pub(super) lease_name: String,

    /// Duration of the lease without renewal, in whole seconds, such as `20s`. Also the longest
    /// time without a leader after a crash
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "20s",
        env = "INDUSTRYDATA_OPERATOR_LEASE_DURATION",
    )]
    pub(super) lease_duration: Duration,

    /// Number of shards over which tenants are spread, from 1 to 16. Each is led by one replica, so at least as many
    /// replicas are needed. All replicas must have the same number
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = ShardCount::ONE,
        env = "INDUSTRYDATA_OPERATOR_SHARDS",
    )]
    pub(super) shards: ShardCount,
}

/// How the process itself is operated.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operation")]
pub(super) struct OperationArguments {
    /// Address of `/livez`, `/readyz` and `/metrics`. Outside of a cluster, use a loopback address
    /// such as 127.0.0.1:8080 to keep them private to this machine
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        value_parser = address,
        default_value = "0.0.0.0:8080",
        env = "INDUSTRYDATA_OPERATOR_ADMIN_ADDRESS",
    )]
    pub(super) admin_address: SocketAddr,

    /// Whether `/metrics` has series for each resource, with its state and reason. Turn it off for tens of thousands of
    /// flows, or if those who reach the address must not see the names of resources
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value = "true",
        default_missing_value = "true",
        env = "INDUSTRYDATA_OPERATOR_RESOURCE_METRICS",
    )]
    pub(super) resource_metrics: bool,

    /// Maximum time for steps in progress to finish after SIGTERM, such as `20s`. Must be shorter
    /// than the pod's terminationGracePeriodSeconds
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        default_value = "20s",
        env = "INDUSTRYDATA_OPERATOR_SHUTDOWN_GRACE",
    )]
    pub(super) shutdown_grace: Duration,

    /// Format of log lines
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        env = "INDUSTRYDATA_OPERATOR_LOG_FORMAT"
    )]
    pub(super) log_format: LogFormat,

    /// What to log: a level, or directives such as `info,kube_client=warn`
    #[arg(
        long,
        value_name = "DIRECTIVES",
        default_value = "info",
        env = "INDUSTRYDATA_OPERATOR_LOG_LEVEL"
    )]
    pub(super) log_level: String,

    /// URL of an OpenTelemetry collector to which traces are sent (OTLP over HTTP), such as
    /// `http://otel-collector.monitoring:4318`. Must use http or https, and have no query. Without it, there are no
    /// traces. They contain names of resources and ids of requests, but neither secrets nor bodies
    #[arg(
        long,
        value_name = "URL",
        value_parser = url,
        env = "INDUSTRYDATA_OPERATOR_OTLP_ENDPOINT",
    )]
    pub(super) otlp_endpoint: Option<Url>,
}

/// Why a value cannot be parsed. Clap adds the flag and the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidValue {
    #[error("expected a URL, such as `https://graph.microsoft.com`")]
    Url,
    #[error("expected a duration with a unit, such as `60s` or `1m30s`")]
    Duration,
    #[error("expected at most `24h`")]
    LongDuration,
    #[error(
        "expected a URL with https that ends with `/.default`, such as `https://graph.microsoft.com/.default`"
    )]
    Scope,
    #[error("expected an IP address and a port, such as `127.0.0.1:8080`")]
    Address,
}

fn url(text: &str) -> Result<Url, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::Url)
}

fn token_scope(text: &str) -> Result<String, InvalidValue> {
    let resource = text.strip_suffix("/.default").map(Url::parse);
    let is_scope = matches!(resource, Some(Ok(url)) if url.scheme() == "https" && url.has_host());
    let is_scope = is_scope && !text.contains(char::is_whitespace);
    is_scope.then(|| text.to_owned()).ok_or(InvalidValue::Scope)
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
