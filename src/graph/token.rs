//! Access tokens: one request for all callers that wait, a cache of tokens, and a cache of failures.
//!
//! Only one token request is in progress at a time. A failure is cached and returned to all callers,
//! for longer each time it repeats, so that hundreds of resources with a wrong secret cause only an
//! occasional request to the authority.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Mutex, time::Instant};

use super::{
    account::Account,
    failure::Failure,
    operation::{Observer, Operation, RequestOutcome},
    token_cache::{AccessToken, FetchedToken, TokenCache},
    transport::Transport,
};

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

#[cfg(test)]
mod tests;
