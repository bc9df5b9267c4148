//! HTTP: endpoints, time-outs, TLS, bounded responses. It does not depend on tokens or budgets.

use std::{fmt, time::Duration};

use reqwest::{RequestBuilder, redirect, retry};
use rustls_native_certs::CertificateResult;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::{
    answer::{Answer, Headers},
    failure::{Failure, Refusal},
    intake::{Intake, MAX_BODY, MAX_ERROR_BODY, ReadBody},
    room::UsedBytes,
    tenant::Tenant,
};

// Lifetime of pooled connections.
//
// A request is lost if the peer closes its connection just as it is sent. Load balancers and gateways
// close idle connections after 55 to 75 s, so this side closes them first, well before that.
const MAX_IDLE: Duration = Duration::from_secs(30);
// TCP detects a dead connection within 15 + 3 × 5 = 30 s, the longest time for which an idle one is kept.
// There is no read time-out, because it would also fire on connections that are merely idle.
const TCP_PROBE_AFTER: Duration = Duration::from_secs(15);
const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(5);
const TCP_PROBES: u32 = 3;

/// Settings of a [`Transport`]: endpoints, trust and time-outs.
#[derive(Clone)]
pub struct TransportSettings {
    /// Endpoint of Microsoft Graph, such as `https://graph.microsoft.com`. See [`check_endpoint`].
    pub graph_endpoint: Url,
    /// Endpoint of the token authority, such as `https://login.microsoftonline.com`. See [`check_endpoint`].
    pub authority_endpoint: Url,
    /// Scope of the tokens, such as `https://graph.microsoft.com/.default`. It identifies the service itself, also if
    /// requests go through a gateway.
    pub token_scope: String,
    /// Origin of the authority for which assertions are signed, such as `https://login.microsoftonline.com`. It
    /// identifies the authority itself, also if requests go through a gateway.
    pub assertion_audience: Url,
    /// Certificates (PEM, one or more) of authorities to trust in addition to those of the system. A
    /// system without a certificate store uses [Mozilla's](https://wiki.mozilla.org/CA) as of the build.
    pub ca_certificates: Option<Vec<u8>>,
    /// Time limit from leaving the budget to the last byte of the response, including the token and a
    /// repetition after a 401. A token request has half of it, so that time is left for the request.
    pub request_timeout: Duration,
    /// Time limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
}

impl fmt::Debug for TransportSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportSettings")
            .field("graph_endpoint", &self.graph_endpoint.as_str())
            .field("authority_endpoint", &self.authority_endpoint.as_str())
            .field("token_scope", &self.token_scope)
            .field("assertion_audience", &self.assertion_audience.as_str())
            .field("ca_certificates", &self.ca_certificates.is_some())
            .field("request_timeout", &self.request_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("user_agent", &self.user_agent)
            .finish()
    }
}

/// HTTP connection pool for the service and the authority, shared by all clients of the process.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transport {
    http: reqwest::Client,
    /// Establishes a connection for each request and keeps none.
    unpooled: reqwest::Client,
    graph: Endpoint,
    authority: Endpoint,
    token_scope: String,
    assertion_audience: Endpoint,
    request_timeout: Duration,
    intake: Intake,
    lists: UsedBytes,
}

/// Error of [`Transport::new`].
#[derive(Debug, Error)]
pub enum TransportError {
    /// The endpoint of Microsoft Graph cannot be used.
    #[error("unusable Graph endpoint")]
    Graph(#[source] EndpointError),
    /// The endpoint of the authority cannot be used.
    #[error("unusable authority endpoint")]
    Authority(#[source] EndpointError),
    /// The audience of assertions cannot be used.
    #[error("unusable audience of assertions")]
    Audience(#[source] EndpointError),
    /// The additional certificates cannot be read.
    #[error("unreadable CA certificates")]
    Certificates(#[source] reqwest::Error),
    /// The HTTP client cannot be set up.
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

/// Reason why a URL cannot be an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Neither https nor http to a loopback address.
    #[error("must be https (http is for loopback addresses only)")]
    Insecure,
    /// A user name or password in the URL.
    #[error("must not hold a user name or password")]
    Credentials,
    /// A path, query or fragment.
    #[error("must have no path, query or fragment")]
    NotAnOrigin,
}

/// Checks that tokens and secrets may be sent to a URL, and that it is an origin to which a path can be
/// added.
///
/// Only https is accepted, and http to a loopback address (`localhost`, `127.0.0.0/8`, `::1`),
/// which never leaves the machine.
///
/// # Errors
///
/// [`EndpointError`] if it is not such a URL.
pub fn check_endpoint(url: &Url) -> Result<(), EndpointError> {
    if !(url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(url)) {
        return Err(EndpointError::Insecure);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::NotAnOrigin);
    }
    Ok(())
}

/// Returns whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A checked origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(Url);

impl Endpoint {
    pub(super) fn new(url: Url) -> Result<Self, EndpointError> {
        check_endpoint(&url).map(|()| Self(url))
    }

    /// Returns the URL with these path segments, each percent-encoded, so that none can alter the path.
    pub(super) fn at<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        // Only a URL that cannot be a base, like `mailto:`, has no segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl Transport {
    /// Sets up the pool, without connecting yet.
    ///
    /// Uses the rustls crypto provider of the process, and installs `ring` if there is none yet. Proxies
    /// are taken from the usual environment variables, except if an endpoint is on this machine.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if an endpoint or certificate is unusable.
    pub fn new(settings: TransportSettings) -> Result<Self, TransportError> {
        let graph = Endpoint::new(settings.graph_endpoint).map_err(TransportError::Graph)?;
        let authority =
            Endpoint::new(settings.authority_endpoint).map_err(TransportError::Authority)?;
        let assertion_audience =
            Endpoint::new(settings.assertion_audience).map_err(TransportError::Audience)?;
        let trusted = trusted(settings.ca_certificates.as_deref())?;
        let builder = || {
            let http = client_builder(&trusted)
                .connect_timeout(settings.connect_timeout)
                .tcp_keepalive(TCP_PROBE_AFTER)
                .tcp_keepalive_interval(TCP_PROBE_INTERVAL)
                .tcp_keepalive_retries(TCP_PROBES)
                .user_agent(&settings.user_agent);
            if graph.is_loopback() || authority.is_loopback() {
                // A proxy would receive plain http, and could not reach the loopback of this machine.
                http.no_proxy()
            } else {
                http
            }
        };
        let pooled = builder().pool_idle_timeout(MAX_IDLE).build();
        // With zero idle connections the library disables the pool.
        let unpooled = builder().pool_max_idle_per_host(0).build();
        Ok(Self {
            http: pooled.map_err(TransportError::Setup)?,
            unpooled: unpooled.map_err(TransportError::Setup)?,
            graph,
            authority,
            token_scope: settings.token_scope,
            assertion_audience,
            request_timeout: settings.request_timeout,
            intake: Intake::of_process(),
            lists: UsedBytes::default(),
        })
    }

    /// Returns the [`TransportSettings::request_timeout`].
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Returns how much the lists take that the process keeps.
    pub(super) const fn lists(&self) -> &UsedBytes {
        &self.lists
    }

    pub(super) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Returns the client for a request that must not be lost, because no read reveals whether it was
    /// carried out: its connection is new, and was never idle.
    pub(super) const fn unpooled(&self) -> &reqwest::Client {
        &self.unpooled
    }

    pub(super) const fn graph(&self) -> &Endpoint {
        &self.graph
    }

    pub(super) const fn authority(&self) -> &Endpoint {
        &self.authority
    }

    pub(super) fn token_scope(&self) -> &str {
        &self.token_scope
    }

    /// Returns for whom an assertion for a token of `tenant` is signed.
    pub(super) fn assertion_audience(&self, tenant: &Tenant) -> String {
        let path = [tenant.as_str(), "oauth2", "v2.0", "token"];
        self.assertion_audience.at(path).into()
    }

    /// Sends a request once and reads the response, once the process and the account have a place for its body.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`] for any status other than 2xx, and other failures of the exchange.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        deadline: Instant,
        account: &Intake,
    ) -> Result<Answer, Failure> {
        self.send_within(MAX_BODY, request, deadline, account).await
    }

    /// Sends a request whose response is small, like [`send`](Self::send).
    pub(super) async fn send_small(
        &self,
        request: RequestBuilder,
        deadline: Instant,
        account: &Intake,
    ) -> Result<Answer, Failure> {
        self.send_within(MAX_ERROR_BODY, request, deadline, account)
            .await
    }

    async fn send_within(
        &self,
        max_body: usize,
        request: RequestBuilder,
        deadline: Instant,
        account: &Intake,
    ) -> Result<Answer, Failure> {
        let response = timeout_at(deadline, request.send()).await;
        let response = response
            .map_err(|_| Failure::TimedOut)?
            .map_err(Failure::from)?;
        let status = response.status();
        let headers = Headers::read(response.headers());
        let is_success = status.is_success();
        let limit = if is_success { max_body } else { MAX_ERROR_BODY };
        let read = ReadBody::read(response, limit, [account, &self.intake]);
        let body = timeout_at(deadline, read).await;
        let body = body.unwrap_or(Err(Failure::TimedOut));
        if is_success {
            return Ok(Answer {
                status,
                headers,
                body,
            });
        }
        // A refusal whose body cannot be read is still a refusal, but its sender is unknown.
        let body = body.unwrap_or_default();
        Err(Failure::Refused(Refusal::read(status, headers, &body)))
    }
}

/// Returns a builder of clients that trust these authorities in addition to the system's, follow no redirects and repeat
/// no requests.
pub(crate) fn client_builder(trusted: &[reqwest::Certificate]) -> reqwest::ClientBuilder {
    ensure_crypto_provider();
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        // With HTTP/2 all tenants would share one connection: its death would fail all requests, and the slow ones of
        // one tenant could use up its streams, usually 100, and its flow control window.
        .http1_only()
        .tls_certs_merge(trusted.to_vec())
}

/// Returns the authorities to trust in addition to the system's: the given ones (PEM), and Mozilla's if the system has
/// none.
///
/// # Errors
///
/// [`TransportError::Certificates`] if the given ones cannot be read.
pub(crate) fn trusted(
    ca_certificates: Option<&[u8]>,
) -> Result<Vec<reqwest::Certificate>, TransportError> {
    let mut trusted = certificates(ca_certificates)?;
    if has_no_authorities(&rustls_native_certs::load_native_certs()) {
        trusted.extend(built_in()?);
    }
    Ok(trusted)
}

fn certificates(pem: Option<&[u8]>) -> Result<Vec<reqwest::Certificate>, TransportError> {
    let bundle = pem.map(reqwest::Certificate::from_pem_bundle).transpose();
    bundle
        .map(Option::unwrap_or_default)
        .map_err(TransportError::Certificates)
}

/// Returns whether the system has no certificate store, like an image that contains only the program. A
/// configured store (`SSL_CERT_FILE`) that cannot be read is an error, not a reason to trust other
/// authorities instead.
fn has_no_authorities(system: &CertificateResult) -> bool {
    system.certs.is_empty() && system.errors.is_empty()
}

fn built_in() -> Result<Vec<reqwest::Certificate>, TransportError> {
    let authorities = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let certificates = authorities.map(|certificate| reqwest::Certificate::from_der(certificate));
    certificates
        .collect::<Result<_, _>>()
        .map_err(TransportError::Certificates)
}

/// Installs `ring` as the rustls crypto provider of the process if there is none yet.
pub(crate) fn ensure_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread installed a provider first, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests;
