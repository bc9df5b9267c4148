//! Access tokens: one request for all callers that wait, a cache of tokens, and a cache of failures.
//!
//! Only one token request is in progress at a time. A failure is cached and returned to all callers,
//! for longer each time it repeats, so that hundreds of resources with a wrong secret cause only an
//! occasional request to the authority.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{OwnedMutexGuard, oneshot},
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use super::{
    account::{Account, KnownCredential, TokenState},
    claims::Granted,
    credential::{Actor, Credential, CredentialError, RefreshToken},
    failure::{Failure, Refusal},
    operation::{Observation, Observer, Operation, RequestOutcome},
    spans,
    token_cache::{AccessToken, FetchedToken},
    transport::Transport,
};
use crate::clock;

/// Format of the assertions that stand for a client secret, by [RFC 7523](https://www.rfc-editor.org/rfc/rfc7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Code of the authority for an assertion that is not valid yet, or not any more.
const WRONG_TIME: &str = "AADSTS700024";

/// Difference between the clocks from which an assertion is worth repeating with the authority's time.
const WORTHWHILE: SignedDuration = SignedDuration::from_mins(1);

/// Maximum time for keeping a refresh token in its place.
const STORE_TIMEOUT: Duration = Duration::from_secs(20);

/// Source of the tokens of a client. Cheap to clone.
#[derive(Clone)]
pub(super) struct TokenSource {
    transport: Transport,
    account: Account,
    credential: Credential,
    observer: Observer,
    /// What is known of this credential. Its tokens are locked while one is being fetched, so that other
    /// callers wait for that token instead of requesting another one.
    known: Arc<KnownCredential>,
}

impl TokenSource {
    pub(super) fn new(
        transport: Transport,
        account: Account,
        credential: Credential,
        observer: Observer,
    ) -> Self {
        let known = account.known(&credential);
        Self {
            transport,
            account,
            credential,
            observer,
            known,
        }
    }

    /// Returns on whose behalf the tokens act.
    pub(super) const fn actor(&self) -> Actor {
        self.credential.actor()
    }

    /// Returns the permissions in the latest token, or `None` if it does not show them.
    pub(super) fn granted(&self) -> Option<Granted> {
        self.known.granted()
    }

    /// Returns why the latest refresh token could not be kept in its place, or `None` if it is there.
    pub(super) fn not_stored(&self) -> Option<CredentialError> {
        self.known.not_stored()
    }

    /// Returns a valid token, from the cache or from the authority.
    ///
    /// # Errors
    ///
    /// The failure of the token request, possibly a cached one.
    pub(super) async fn get(&self) -> Result<AccessToken, Arc<Failure>> {
        let state = Arc::clone(&self.known.tokens).lock_owned().await;
        let now = Instant::now();
        if let Some(known) = state.cache.recall(now) {
            return known;
        }
        if let Some(failure) = self.account.quiet(now) {
            return state.cache.unless_still_good(&failure, now);
        }
        let Credential::RefreshToken(given) = &self.credential else {
            return self.obtain(state).await;
        };
        let (source, (sender, receiver)) = (self.clone(), oneshot::channel());
        let exchange = async move {
            // The caller may have given up.
            drop(sender.send(source.obtain(state).await));
        };
        (given.detach)(Box::pin(exchange.in_current_span()));
        let obtained = receiver.await;
        obtained.unwrap_or_else(|_| Err(Arc::new(Failure::TimedOut)))
    }

    async fn obtain(
        &self,
        mut state: OwnedMutexGuard<TokenState>,
    ) -> Result<AccessToken, Arc<Failure>> {
        let fetched = self.fetch(&mut state).await;
        if let Ok(fetched) = &fetched {
            self.known.set_granted(fetched.granted);
        }
        let recorded = state.cache.record(fetched, Instant::now());
        if let Some((failure, until)) = state.cache.throttled() {
            self.account.keep_quiet(failure, until);
        }
        recorded
    }

    /// Returns a newer token than `denied`, which the service accepted but which lacked a permission, or
    /// `None` if no other token is available or `denied` is too recent for another one to differ.
    pub(super) async fn instead_of(&self, denied: &AccessToken) -> Option<AccessToken> {
        let worthwhile = self
            .known
            .tokens
            .lock()
            .await
            .cache
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
        self.known
            .tokens
            .lock()
            .await
            .cache
            .refused(token.generation, Instant::now())
    }

    async fn fetch(&self, state: &mut TokenState) -> Result<FetchedToken, Failure> {
        let start = Instant::now();
        let deadline = start + self.transport.request_timeout() / 2;
        let fetched = self.request(state, deadline).await;
        let outcome = match &fetched {
            Ok(_) => RequestOutcome::Success,
            Err(failure) => RequestOutcome::Failure(failure.authority_reason()),
        };
        tracing::debug!(operation = %Operation::FetchToken, %outcome, "request finished");
        (self.observer)(Observation::Finished {
            operation: Operation::FetchToken,
            outcome,
            duration: start.elapsed(),
        });
        let mut fetched = fetched?;
        if let Credential::RefreshToken(given) = &self.credential {
            self.rotate(given, state, fetched.refresh_token.take())
                .await;
        }
        Ok(fetched)
    }

    async fn request(
        &self,
        state: &TokenState,
        deadline: Instant,
    ) -> Result<FetchedToken, Failure> {
        let Credential::Certificate(key) = &self.credential else {
            return self
                .exchange(&self.form(state, deadline).await?, deadline)
                .await;
        };
        let sign = || {
            let now = clock::now() + self.account.clock_offset();
            let audience = self.transport.assertion_audience(self.account.tenant());
            let assertion = key.assertion(self.account.client_id(), &audience, now);
            assertion.ok_or_else(|| Failure::Credential(unsigned()))
        };
        let sent = self.exchange(&asserted(sign()?), deadline).await;
        // If the clock of this machine is wrong, the authority's own is used.
        let is_early_or_late =
            |refusal: &Refusal| refusal.has_code(WRONG_TIME) && self.is_wrong_by(refusal.date);
        match &sent {
            Err(Failure::Refused(refusal)) if is_early_or_late(refusal) => {
                self.exchange(&asserted(sign()?), deadline).await
            }
            _ => sent,
        }
    }

    /// Returns whether the time that was used differs from this one, and uses this one from now on.
    fn is_wrong_by(&self, date: Option<Timestamp>) -> bool {
        let Some(date) = date else {
            return false;
        };
        let offset = date.duration_since(clock::now());
        let change = offset - self.account.clock_offset();
        self.account.set_clock_offset(offset);
        change.abs() >= WORTHWHILE
    }

    /// Returns the form for a credential that is not signed here.
    async fn form(&self, state: &TokenState, deadline: Instant) -> Result<Form, Failure> {
        match &self.credential {
            Credential::ClientSecret(secret) => {
                Ok(application_form([("client_secret", secret.clone())]))
            }
            Credential::Federated(source) => {
                let assertion = timeout_at(deadline, source.assertion()).await;
                let assertion = assertion.map_err(|_| Failure::TimedOut)?;
                Ok(asserted(assertion.map_err(Failure::Credential)?))
            }
            Credential::RefreshToken(given) => {
                let token = state.rotated.as_ref().unwrap_or(&given.token);
                let mut form = vec![
                    ("grant_type", "refresh_token".into()),
                    ("refresh_token", token.clone()),
                ];
                let secret = given.client_secret.clone();
                form.extend(secret.map(|secret| ("client_secret", secret)));
                Ok(form)
            }
            Credential::Certificate(_) => Err(Failure::Credential(unsigned())),
        }
    }

    async fn exchange(&self, form: &Form, deadline: Instant) -> Result<FetchedToken, Failure> {
        let tenant = self.account.tenant();
        let url = self
            .transport
            .authority()
            .at([tenant.as_str(), "oauth2", "v2.0", "token"]);
        let scope = match self.actor() {
            Actor::Application => self.transport.token_scope().to_owned(),
            Actor::User => format!("{} offline_access", self.transport.token_scope()),
        };
        let mut fields = vec![("client_id", self.account.client_id()), ("scope", &scope)];
        fields.extend(
            form.iter()
                .map(|(name, value)| (*name, value.expose_secret())),
        );
        let span = spans::request(Operation::FetchToken, &Method::POST, &url, None);
        let request = self.transport.http().post(url).form(&fields);
        let intake = self.account.intake();
        let sent = self.transport.send_small(request, deadline, intake);
        let answer = sent.instrument(span.clone()).await;
        spans::answered(&span, &answer);
        FetchedToken::read(answer?, tenant, self.actor())
    }

    /// Keeps the refresh token that the authority has issued in place of the one that was used. If it cannot be kept,
    /// it is used all the same, and the next exchange tries to keep its successor.
    async fn rotate(
        &self,
        given: &RefreshToken,
        state: &mut TokenState,
        issued: Option<SecretString>,
    ) {
        let used = state.rotated.as_ref().unwrap_or(&given.token);
        let Some(issued) = issued.filter(|issued| issued.expose_secret() != used.expose_secret())
        else {
            return;
        };
        // The token in its place is the last one that could be kept there.
        let kept = state.kept.as_ref().unwrap_or(&given.token);
        let stored = tokio::time::timeout(STORE_TIMEOUT, given.store.replace(kept, &issued)).await;
        let stored = stored.unwrap_or_else(|_| Err(slow_store()));
        if stored.is_ok() {
            state.kept = Some(issued.clone());
        }
        self.known.set_not_stored(stored.err());
        state.rotated = Some(issued);
    }
}

/// The fields of a token request that depend on the credential.
type Form = Vec<(&'static str, SecretString)>;

fn application_form<const N: usize>(proof: [(&'static str, SecretString); N]) -> Form {
    let grant = ("grant_type", "client_credentials".into());
    [grant].into_iter().chain(proof).collect()
}

fn asserted(assertion: SecretString) -> Form {
    application_form([
        ("client_assertion_type", ASSERTION_TYPE.into()),
        ("client_assertion", assertion),
    ])
}

fn unsigned() -> CredentialError {
    CredentialError {
        message: "the assertion could not be signed".to_owned(),
        is_transient: true,
    }
}

fn slow_store() -> CredentialError {
    CredentialError {
        message: "the refresh token could not be written back in time".to_owned(),
        is_transient: true,
    }
}

#[cfg(test)]
mod tests;
