//! Access tokens: obtained once for all who wait, kept while they are good, and not asked for in
//! vain.
//!
//! Only one request for a token is under way at a time. A failure is remembered for a while and
//! told to everyone who asks, longer and longer if it repeats, so that hundreds of resources with a
//! wrong secret are one request to the authority now and then.

mod cache;

use std::{fmt, sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

use super::{
    account::Account,
    answer::Answer,
    failure::Failure,
    model::Malformed,
    operation::{Observer, Operation, RequestOutcome},
    transport::Transport,
};
pub(super) use cache::TokenCache;

/// A tenant: its id (a GUID) or one of its domains.
///
/// Checked, as it becomes part of the URL that the secret is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(String);

/// A text that cannot be a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a tenant is a GUID or a domain name")]
pub struct InvalidTenant;

impl Tenant {
    /// Takes a GUID, or a domain name of at least two labels.
    ///
    /// # Errors
    ///
    /// [`InvalidTenant`] for anything else, also for `common`, `organizations` and `consumers`,
    /// which stand for no tenant in particular.
    pub fn new(text: &str) -> Result<Self, InvalidTenant> {
        let guid = text.len() == 36 && uuid::Uuid::try_parse(text).is_ok();
        (guid || is_domain(text))
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidTenant)
    }

    /// The GUID or domain.
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

/// A token as it is sent, marked so that `Debug` does not show it.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub(super) header: HeaderValue,
    /// Which of the tokens obtained so far it is.
    generation: u64,
}

/// Where a connection's requests get their token.
pub(super) struct TokenSource {
    transport: Transport,
    account: Account,
    secret: SecretString,
    observer: Observer,
    /// The account's cache of this very secret. Held while a token is being fetched: whoever else
    /// needs one waits here, and then finds it.
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

    /// A token that is good for now.
    ///
    /// # Errors
    ///
    /// What the authority, or the way to it, failed with; possibly a while ago.
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

    /// A newer token than one that the service accepted, but not for what was asked; `None` if none is
    /// to be had, or if that one is too young for another to be better.
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

    /// Tells that the service did not accept a token, and answers whether [`get`](Self::get) is
    /// worth another try.
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
        let answer = self.transport.send(request, deadline).await?;
        FetchedToken::read(answer)
    }
}

/// A token fresh from the authority.
#[derive(Debug)]
struct FetchedToken {
    header: HeaderValue,
    lifetime: Duration,
}

impl FetchedToken {
    /// For an answer that does not say how long the token lives.
    const ASSUMED_LIFETIME: Duration = Duration::from_mins(5);

    fn read(answer: Answer) -> Result<Self, Failure> {
        let malformed = || Failure::Malformed(Malformed::Token);
        let body = answer.json().map_err(|failure| match failure {
            Failure::Malformed(_) => malformed(),
            other => other,
        })?;
        let token = body["access_token"]
            .as_str()
            .filter(|token| !token.is_empty());
        let text = format!("Bearer {}", token.ok_or_else(malformed)?);
        let mut header = HeaderValue::try_from(text).map_err(|_| malformed())?;
        header.set_sensitive(true);
        let lifetime = seconds(&body["expires_in"]).unwrap_or(Self::ASSUMED_LIFETIME);
        Ok(Self { header, lifetime })
    }
}

/// A number of seconds; older endpoints write it as text.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
