//! Arguments and environment variables, read and validated once at startup.
//!
//! [`Arguments`] are the given values, [`Settings`] the validated result. The client of the service
//! honours the usual variables for proxies (`HTTPS_PROXY`, `NO_PROXY`), and the client of the
//! cluster honours `KUBECONFIG`.

mod arguments;
mod error;
mod selector;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::jiff::SignedDuration;
use kube::core::Selector;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use self::arguments::ElectionArguments;
pub(crate) use self::arguments::duration;
pub use self::{
    arguments::Arguments,
    error::SettingsError,
    selector::{InvalidSelector, label_names},
};
use crate::{
    graph::{DEFAULT_MAX_WAIT, TransportSettings, check_endpoint},
    lease::{self, LeaseSettings},
    metrics::Detail,
    plan::Limits,
    shard::ShardCount,
    telemetry::LogFormat,
    traces::TraceSettings,
};

const USER_AGENT: &str = concat!("industrydata-operator/", env!("CARGO_PKG_VERSION"));

/// File in which a pod finds the name of its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

const DEPENDENCY_GRACE: SignedDuration = SignedDuration::from_secs(10);

/// Time-out for a TCP and TLS connection. Even to another continent, one takes less than a second.
const MAX_CONNECT: Duration = Duration::from_secs(3);

/// Minimum relist interval. With a shorter one, a large cluster would be listed all the time.
const MIN_RELIST_INTERVAL: Duration = Duration::from_secs(5);

/// Validated settings of the operator: each value is valid, and so is their combination.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Microsoft Graph.
    pub graph_endpoint: Url,
    /// The token authority.
    pub authority_endpoint: Url,
    /// Scope of the tokens for Microsoft Graph.
    pub token_scope: String,
    /// The authority for which certificates sign.
    pub assertion_audience: Url,
    /// Audience of the tokens of service accounts.
    pub workload_identity_audience: String,
    /// Certificates (PEM, at least one) of authorities to trust in addition to the system's.
    pub ca_certificates: Option<Vec<u8>>,
    /// Maximum duration of a request.
    pub request_timeout: Duration,
    /// Maximum time until a change appears in a list. Longer than a lease and two requests.
    pub visibility_window: Duration,
    /// Context of the kubeconfig, or `None` for the current one or the pod's service account.
    pub context: Option<String>,
    /// The namespaces to watch.
    pub scope: WatchedNamespaces,
    /// Label selector for the resources to watch, or `None` for all resources.
    pub selector: Option<Selector>,
    /// Number of resources that are reconciled at the same time. Not zero.
    pub concurrency: u16,
    /// Interval between full relists of all resources.
    pub relist_interval: Duration,
    /// Lease, with an identity that is unique to this process, or `None` to lead without a lease.
    pub lease: Option<LeaseSettings>,
    /// Address of the admin server.
    pub admin_address: SocketAddr,
    /// Whether the metrics have series for each resource.
    pub detail: Detail,
    /// Maximum time for steps in progress to finish when the operator stops.
    pub shutdown_grace: Duration,
    /// Log settings.
    pub log: LogSettings,
    /// The OpenTelemetry collector to which traces are sent, or `None` for no traces.
    pub otlp_endpoint: Option<Url>,
}

/// The namespaces to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchedNamespaces {
    /// All namespaces, including future ones.
    All,
    /// The given namespaces: at least one, sorted and without duplicates.
    Only(Vec<String>),
}

/// Log settings. They are validated by [`telemetry::init`](crate::telemetry::init).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Format of log lines.
    pub format: LogFormat,
    /// Directives that select what is logged.
    pub directives: String,
}

impl Settings {
    /// Validates the arguments, and reads the files that they refer to.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] contains the flag, the value and the expected form.
    pub fn from_arguments(arguments: Arguments) -> Result<Self, SettingsError> {
        let Arguments {
            graph,
            cluster,
            election,
            operation,
        } = arguments;
        check_request_timeout(graph.request_timeout)?;
        check_relist_interval(cluster.relist_interval)?;
        let shards = election.shards;
        let lease = election.leader_elect.then(|| lease(election));
        let lease = lease.transpose()?;
        check_shards(shards, lease.as_ref())?;
        check_lease(lease.as_ref(), graph.request_timeout)?;
        check_window(
            graph.visibility_window,
            lease.as_ref(),
            graph.request_timeout,
        )?;
        Ok(Self {
            graph_endpoint: endpoint("--graph-endpoint", graph.graph_endpoint)?,
            authority_endpoint: endpoint("--authority-endpoint", graph.authority_endpoint)?,
            token_scope: graph.token_scope,
            assertion_audience: endpoint("--assertion-audience", graph.assertion_audience)?,
            workload_identity_audience: graph.workload_identity_audience,
            ca_certificates: graph.ca_file.map(certificates).transpose()?,
            request_timeout: graph.request_timeout,
            visibility_window: graph.visibility_window,
            context: cluster.context.filter(|context| !context.is_empty()),
            scope: scope(cluster.watch_namespace)?,
            selector: cluster
                .watch_selector
                .filter(|selector| !selector.selects_all()),
            concurrency: cluster.concurrency.get(),
            relist_interval: cluster.relist_interval,
            lease,
            admin_address: operation.admin_address,
            detail: detail(operation.resource_metrics),
            shutdown_grace: operation.shutdown_grace,
            log: LogSettings {
                format: operation.log_format,
                directives: operation.log_level,
            },
            otlp_endpoint: operation.otlp_endpoint.map(collector).transpose()?,
        })
    }

    /// Returns the settings for connections to Microsoft Graph and the authority.
    #[must_use]
    pub fn transport(&self) -> TransportSettings {
        TransportSettings {
            graph_endpoint: self.graph_endpoint.clone(),
            authority_endpoint: self.authority_endpoint.clone(),
            token_scope: self.token_scope.clone(),
            assertion_audience: self.assertion_audience.clone(),
            ca_certificates: self.ca_certificates.clone(),
            request_timeout: self.request_timeout,
            connect_timeout: MAX_CONNECT.min(self.request_timeout / 2),
            user_agent: USER_AGENT.to_owned(),
        }
    }

    /// Returns where traces are sent, or `None` for no traces.
    #[must_use]
    pub fn traces(&self) -> Option<TraceSettings> {
        let endpoint = self.otlp_endpoint.clone()?;
        Some(TraceSettings {
            endpoint,
            ca_certificates: self.ca_certificates.clone(),
            user_agent: USER_AGENT.to_owned(),
        })
    }

    /// Returns the durations on which the protocols depend.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            // No flag can be longer than a day.
            visibility_window: SignedDuration::try_from(self.visibility_window)
                .unwrap_or(SignedDuration::MAX),
            dependency_grace: DEPENDENCY_GRACE,
        }
    }
}

fn endpoint(flag: &'static str, url: Url) -> Result<Url, SettingsError> {
    match check_endpoint(&url) {
        Ok(()) => Ok(url),
        Err(source) => {
            let url = without_password(url);
            Err(SettingsError::Endpoint { flag, url, source })
        }
    }
}

/// Checks the URL of a collector, which may be reached over http: traces contain no secret.
fn collector(url: Url) -> Result<Url, SettingsError> {
    let is_web = ["http", "https"].contains(&url.scheme()) && url.has_host();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if is_web && is_anonymous && url.query().is_none() && url.fragment().is_none() {
        return Ok(url);
    }
    let url = without_password(url);
    Err(SettingsError::Collector { url })
}

fn without_password(mut url: Url) -> Url {
    // This fails only for URLs that cannot contain a password.
    let _ = url.set_password(None);
    url
}

fn certificates(path: PathBuf) -> Result<Vec<u8>, SettingsError> {
    let pem = match fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(SettingsError::ReadCaFile { path, source }),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Err(source) => Err(SettingsError::MalformedCaFile { path, source }),
        Ok(certificates) if certificates.is_empty() => Err(SettingsError::EmptyCaFile { path }),
        Ok(_) => Ok(pem),
    }
}

fn scope(mut namespaces: Vec<String>) -> Result<WatchedNamespaces, SettingsError> {
    // An empty environment variable results in one empty name.
    namespaces.retain(|namespace| !namespace.is_empty());
    if namespaces.is_empty() {
        return Ok(WatchedNamespaces::All);
    }
    namespaces.sort();
    namespaces.dedup();
    let namespaces = namespaces
        .into_iter()
        .map(|value| name("--watch-namespace", value));
    namespaces
        .collect::<Result<_, _>>()
        .map(WatchedNamespaces::Only)
}

/// Validates the name of a namespace or Lease.
fn name(flag: &'static str, value: String) -> Result<String, SettingsError> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&value.len())
        && value.bytes().all(is_inner)
        && !value.starts_with('-')
        && !value.ends_with('-');
    if is_name {
        Ok(value)
    } else {
        Err(SettingsError::Name { flag, value })
    }
}

fn lease(election: ElectionArguments) -> Result<LeaseSettings, SettingsError> {
    let duration = election.lease_duration;
    if duration < LeaseSettings::MIN_DURATION || duration.subsec_nanos() > 0 {
        return Err(SettingsError::LeaseDuration { duration });
    }
    let namespace = election.lease_namespace;
    let namespace = namespace
        .filter(|namespace| !namespace.is_empty())
        .or_else(|| pod_namespace(Path::new(POD_NAMESPACE)))
        .unwrap_or_else(|| "default".to_owned());
    Ok(LeaseSettings {
        namespace: name("--lease-namespace", namespace)?,
        name: name("--lease-name", election.lease_name)?,
        shards: election.shards,
        identity: lease::identity(),
        duration,
    })
}

fn detail(resource_metrics: bool) -> Detail {
    if resource_metrics {
        Detail::EachResource
    } else {
        Detail::Totals
    }
}

fn pod_namespace(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let namespace = text.trim();
    (!namespace.is_empty()).then(|| namespace.to_owned())
}

/// Checks that there are leases by which replicas share the shards.
const fn check_shards(
    shards: ShardCount,
    lease: Option<&LeaseSettings>,
) -> Result<(), SettingsError> {
    if lease.is_none() && shards.get() > 1 {
        return Err(SettingsError::ShardsWithoutLeases { shards });
    }
    Ok(())
}

fn check_request_timeout(request_timeout: Duration) -> Result<(), SettingsError> {
    if request_timeout.is_zero() {
        return Err(SettingsError::RequestTimeout);
    }
    Ok(())
}

fn check_relist_interval(interval: Duration) -> Result<(), SettingsError> {
    let min = MIN_RELIST_INTERVAL;
    if interval < min {
        return Err(SettingsError::RelistInterval { interval, min });
    }
    Ok(())
}

/// Checks that the lease can cover a request. A write is sent only if the lease covers its maximum
/// duration, so with a shorter lease nothing would ever be written.
fn check_lease(
    lease: Option<&LeaseSettings>,
    request_timeout: Duration,
) -> Result<(), SettingsError> {
    match lease {
        Some(lease) if lease.steady_cover() < request_timeout + DEFAULT_MAX_WAIT => {
            Err(SettingsError::LeaseTooShort {
                duration: lease.duration,
                cover: lease.steady_cover(),
                request_timeout,
            })
        }
        _ => Ok(()),
    }
}

/// Checks that no request of this or an earlier leader can still be in flight when the window ends.
fn check_window(
    window: Duration,
    lease: Option<&LeaseSettings>,
    request_timeout: Duration,
) -> Result<(), SettingsError> {
    let lease_duration = lease.map(|lease| lease.duration);
    let sum = lease_duration.unwrap_or_default() + request_timeout * 2;
    if window > sum {
        return Ok(());
    }
    Err(SettingsError::VisibilityWindow {
        window,
        lease_duration,
        request_timeout,
        sum,
    })
}

#[cfg(test)]
mod tests;
