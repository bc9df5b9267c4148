//! Access tokens: one request for all callers that wait, a cache of tokens, and a cache of failures.
//!
//! Only one token request is in progress at a time. A failure is cached and returned to all callers,
//! for longer each time it repeats, so that hundreds of resources with a wrong secret cause only an
//! occasional request to the authority.

mod cache;

use std::{fmt, sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

use super::{
    account::Account,
    answer::{Answer, success},
    failure::Failure,
    json,
    model::Malformed,
    operation::{Observer, Operation, RequestOutcome},
    transport::Transport,
};
pub(super) use cache::TokenCache;

/// Tenant, by its id (a GUID) or one of its domains.
///
/// It is validated, because it becomes part of the URL to which the secret is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(String);

/// Error for a text that is neither a GUID nor a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a tenant is a GUID or a domain name")]
pub struct InvalidTenant;

impl Tenant {
    /// Returns the tenant for a GUID or for a domain name of at least two labels.
    ///
    /// # Errors
    ///
    /// [`InvalidTenant`] for anything else, including `common`, `organizations` and `consumers`, which
    /// do not identify a single tenant.
    pub fn new(text: &str) -> Result<Self, InvalidTenant> {
        let guid = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
        (guid || is_domain(text))
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidTenant)
    }

    /// Returns the GUID or domain name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Token as a header value, marked as sensitive so that `Debug` does not print it.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub(super) header: HeaderValue,
    /// Serial number among the tokens obtained so far.
    generation: u64,
}

/// Source of the tokens of a client.
pub(super) struct TokenSource {
    transport: Transport,
    account: Account,
    secret: SecretString,
    observer: Observer,
    /// Token cache of this secret. Locked while a token is being fetched, so that other callers wait for
    /// that token instead of requesting another one.
    cache: Arc<Mutex<TokenCache>>,
}

impl TokenSource {
    pub(super) fn new(
        transport: Transport,
        account: Account,
        secret: SecretString,
        observer: Observer,
    ) -> Self {
        let cache = account.cache(&secret);
        Self {
            transport,
            account,
            secret,
            observer,
            cache,
        }
    }

    /// Returns a valid token, from the cache or from the authority.
    ///
    /// # Errors
    ///
    /// The failure of the token request, possibly a cached one.
    pub(super) async fn get(&self) -> Result<AccessToken, Arc<Failure>> {
        let mut cache = self.cache.lock().await;
        let now = Instant::now();
        if let Some(known) = cache.recall(now) {
            return known;
        }
        if let Some(failure) = self.account.quiet(now) {
            return cache.unless_still_good(&failure, now);
        }
        let fetched = self.fetch().await;
        let recorded = cache.record(fetched, Instant::now());
        if let Some((failure, until)) = cache.throttled() {
            self.account.keep_quiet(failure, until);
        }
        recorded
    }

    /// Returns a newer token than `denied`, which the service accepted but which lacked a permission, or
    /// `None` if no other token is available or `denied` is too recent for another one to differ.
    pub(super) async fn instead_of(&self, denied: &AccessToken) -> Option<AccessToken> {
        let worthwhile = self
            .cache
            .lock()
            .await
            .denied(denied.generation, Instant::now());
        let token = if worthwhile {
            self.get().await.ok()
        } else {
            None
        };
        token.filter(|token| token.generation != denied.generation)
    }

    /// Records that the service did not accept a token, and returns whether to call
    /// [`get`](Self::get) again.
    pub(super) async fn refused(&self, token: &AccessToken) -> bool {
        self.cache
            .lock()
            .await
            .refused(token.generation, Instant::now())
    }

    async fn fetch(&self) -> Result<FetchedToken, Failure> {
        let start = Instant::now();
        let fetched = self
            .request(start + self.transport.request_timeout() / 2)
            .await;
        let outcome = match &fetched {
            Ok(_) => RequestOutcome::Success,
            Err(failure) => RequestOutcome::Failure(failure.authority_reason()),
        };
        tracing::debug!(operation = %Operation::FetchToken, %outcome, "request finished");
        (self.observer)(Operation::FetchToken, outcome, start.elapsed());
        fetched
    }

    async fn request(&self, deadline: Instant) -> Result<FetchedToken, Failure> {
        let tenant = self.account.tenant().as_str();
        let url = self
            .transport
            .authority()
            .at([tenant, "oauth2", "v2.0", "token"]);
        let scope = format!("{}/.default", self.transport.graph().origin());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.account.client_id()),
            ("scope", &scope),
            ("client_secret", self.secret.expose_secret()),
        ];
        let request = self.transport.http().post(url).form(&form);
        let intake = self.account.intake();
        let answer = self.transport.send(request, deadline, intake).await?;
        FetchedToken::read(answer)
    }
}

/// Token as received from the authority.
#[derive(Debug)]
struct FetchedToken {
    header: HeaderValue,
    lifetime: Duration,
}

impl FetchedToken {
    /// Lifetime if the response does not contain one: short, because a later refresh costs one request
    /// and an expired token a failure.
    const ASSUMED_LIFETIME: Duration = Duration::from_mins(5);

    fn read(answer: Answer) -> Result<Self, Failure> {
        let malformed = || Failure::Malformed(Malformed::Token);
        let body = answer.json().map_err(|failure| match failure {
            Failure::Malformed(_) => malformed(),
            other => other,
        })?;
        let [token, lifetime] =
            success(&body, ["access_token", "expires_in"]).map_err(|_| malformed())?;
        let token = json::text(token).filter(|token| !token.is_empty());
        let text = format!("Bearer {}", token.ok_or_else(malformed)?);
        let mut header = HeaderValue::try_from(text).map_err(|_| malformed())?;
        header.set_sensitive(true);
        let lifetime = seconds(lifetime).unwrap_or(Self::ASSUMED_LIFETIME);
        Ok(Self { header, lifetime })
    }
}

/// Parses a number of seconds, which older endpoints write as text.
fn seconds(member: Option<&RawValue>) -> Option<Duration> {
    let number = json::value(member).or_else(|| json::text(member)?.parse().ok());
    number.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
