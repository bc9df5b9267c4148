//! Requests to the authority that issues tokens: bounded in time and size, without redirects.

use std::time::Duration;

use industrydata_operator::graph::Tenant;
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, RequestBuilder, redirect, retry};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use thiserror::Error;
use url::{Host, Url};
use uuid::Uuid;

use crate::device_code::{DeviceCode, GRANT_TYPE, TokenResponse};
use crate::error::{AuthorityError, Error};
use crate::identity::tenant_of_issuer;
use crate::refusal::{Refusal, RefusedRequest, SignIn};
use crate::request::Request;

const USER_AGENT: &str = concat!("kubectl-industrydata/", env!("CARGO_PKG_VERSION"));

const CONNECT: Duration = Duration::from_secs(10);

/// Time limit of a request, to the last byte of the response.
const REQUEST: Duration = Duration::from_secs(30);

/// Largest response that is read. Those with tokens have 4 to 8 KiB.
const MAX_BODY: usize = 64 * 1024;

/// The authority, and the application that signs in.
pub(crate) struct Authority {
    http: reqwest::Client,
    endpoint: Url,
}

/// Who signs in, and for what.
pub(crate) struct Application<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) client_id: Uuid,
    pub(crate) client_secret: Option<&'a SecretString>,
    pub(crate) scope: &'a str,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error(
        "the authority cannot be reached; check the network, the proxy and --authority-endpoint"
    )]
    Unreachable(#[source] reqwest::Error),
    #[error("the authority's response is larger than {MAX_BODY} bytes; check --authority-endpoint")]
    TooLarge,
    #[error(
        "the authority responded with a redirect, which is never followed; check --authority-endpoint"
    )]
    Redirect,
    #[error(
        "the authority responded with status {0}; check --authority-endpoint, or run the command again later"
    )]
    Status(u16),
}

struct Response {
    status: u16,
    retry_after: Option<Duration>,
    body: SecretSlice<u8>,
}

impl Authority {
    /// Sets up the client, without a connection yet.
    ///
    /// # Errors
    ///
    /// [`Error::Http`] if a certificate cannot be used.
    pub(crate) fn new(request: &Request) -> Result<Self, Error> {
        let pem = request.ca_certificates.as_deref();
        let certificates = pem.map(Certificate::from_pem_bundle).transpose();
        let builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .user_agent(USER_AGENT)
            .tls_certs_merge(certificates.map_err(Error::Http)?.unwrap_or_default());
        let builder = if is_loopback(&request.authority) {
            // A proxy would receive plain http, and could not reach the loopback of this machine.
            builder.no_proxy()
        } else {
            builder
        };
        Ok(Self {
            http: builder.build().map_err(Error::Http)?,
            endpoint: request.authority.clone(),
        })
    }

    /// Returns the id of a tenant: itself, or that of the issuer for a domain.
    ///
    /// # Errors
    ///
    /// [`Error`] if the authority does not know the domain, or does not respond.
    pub(crate) async fn tenant_id(&self, tenant: &Tenant, sign_in: &SignIn) -> Result<Uuid, Error> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
        }
        if let Ok(id) = Uuid::try_parse(tenant.as_str()) {
            return Ok(id);
        }
        let path = [
            tenant.as_str(),
            "v2.0",
            ".well-known",
            "openid-configuration",
        ];
        let operation = format!("look up the id of tenant {tenant} at {}", self.endpoint);
        let response = self.exchange(self.http.get(self.at(&path))).await;
        let response = usable(response, &operation, sign_in)?;
        let discovery = serde_json::from_slice::<Discovery>(response.body.expose_secret());
        let id = discovery
            .ok()
            .and_then(|found| tenant_of_issuer(&found.issuer));
        Ok(id.ok_or(AuthorityError::Malformed {
            request: "the request for the tenant's id",
            problem: "its issuer does not contain the id of a tenant",
        })?)
    }

    /// Requests a code for the user.
    ///
    /// # Errors
    ///
    /// [`Error`] if the authority refuses, or returns something that must not be shown.
    pub(crate) async fn request_code(
        &self,
        application: &Application<'_>,
        sign_in: &SignIn,
    ) -> Result<DeviceCode, Error> {
        let client_id = application.client_id.to_string();
        let form = [
            ("client_id", client_id.as_str()),
            ("scope", application.scope),
        ];
        let request = self
            .http
            .post(self.of(application, "devicecode"))
            .form(&form);
        let operation = format!(
            "request a code for application {client_id} in tenant {}",
            application.tenant
        );
        let response = usable(self.exchange(request).await, &operation, sign_in)?;
        Ok(DeviceCode::read(response.body.expose_secret())?)
    }

    /// Asks once whether the user has signed in.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] if there is no response.
    pub(crate) async fn request_tokens(
        &self,
        application: &Application<'_>,
        code: &DeviceCode,
    ) -> Result<TokenResponse, ExchangeError> {
        let client_id = application.client_id.to_string();
        let mut form = vec![
            ("grant_type", GRANT_TYPE),
            ("client_id", client_id.as_str()),
            ("device_code", code.secret.expose_secret()),
        ];
        if let Some(secret) = application.client_secret {
            form.push(("client_secret", secret.expose_secret()));
        }
        let request = self.http.post(self.of(application, "token")).form(&form);
        let response = self.exchange(request).await?;
        Ok(TokenResponse::read(
            response.status,
            response.retry_after,
            response.body.expose_secret(),
        ))
    }

    fn of(&self, application: &Application<'_>, last: &str) -> Url {
        self.at(&[application.tenant, "oauth2", "v2.0", last])
    }

    /// Returns the URL with these path segments, each percent-encoded.
    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        // Only a URL that cannot be a base has no segments, and it is no endpoint.
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Response, ExchangeError> {
        // The URL has the tenant only, but says nothing that the operation does not.
        let unreachable = |error: reqwest::Error| ExchangeError::Unreachable(error.without_url());
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        // With its final size from the start, so that no copy of a token is left behind.
        let mut body = Vec::with_capacity(MAX_BODY);
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(ExchangeError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status,
            retry_after: seconds.map(Duration::from_secs),
            body: body.into(),
        })
    }
}

/// Returns a successful response; anything else as an error of the operation.
fn usable(
    response: Result<Response, ExchangeError>,
    operation: &str,
    sign_in: &SignIn,
) -> Result<Response, Error> {
    let failed = |source| Error::Exchange {
        operation: operation.to_owned(),
        source,
    };
    let response = response.map_err(failed)?;
    if response.status == 200 {
        return Ok(response);
    }
    if (300..400).contains(&response.status) {
        return Err(failed(ExchangeError::Redirect));
    }
    match Refusal::read(response.body.expose_secret()) {
        Some(refusal) => Err(Box::new(RefusedRequest {
            operation: operation.to_owned(),
            refusal,
            sign_in: sign_in.clone(),
        })
        .into()),
        None => Err(failed(ExchangeError::Status(response.status))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
