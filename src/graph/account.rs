//! Application in a tenant, with the state that outlives a client: the request budget, tokens, and
//! failures to obtain one.
//!
//! A client is made for one credential. A new label on its Secret, a new limit or a new credential leads
//! to a new client, which must neither reopen a budget that the service closed nor repeat a token
//! request that the authority refused a second ago.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::jiff::SignedDuration;
use secrecy::SecretString;
use tokio::time::Instant;

use super::{
    budget::{Budget, RateLimits},
    claims::Granted,
    credential::{Credential, CredentialError, CredentialKey},
    failure::Failure,
    intake::Intake,
    model::KnownProperties,
    room::UsedBytes,
    tenant::Tenant,
    token_cache::TokenCache,
};

/// Number of credentials kept: the current one, the previous one, and one that is being tried.
const MAX_CREDENTIALS: usize = 3;

/// Application in a tenant. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Account {
    shared: Arc<AccountState>,
}

struct AccountState {
    tenant: Tenant,
    client_id: String,
    budget: Budget,
    intake: Intake,
    lists: UsedBytes,
    properties: KnownProperties,
    /// In order of last use, most recent last.
    credentials: Mutex<Vec<(CredentialKey, Arc<KnownCredential>)>>,
    pause: Mutex<Option<AuthorityPause>>,
    /// By how much the clock of the authority is ahead of this machine's.
    clock_offset: Mutex<SignedDuration>,
}

/// What is known of a credential. It is identified by its content: a token that was obtained with one
/// credential is never used by a client with another.
#[derive(Default)]
pub(super) struct KnownCredential {
    /// Its tokens.
    pub(super) tokens: Arc<tokio::sync::Mutex<TokenState>>,
    granted: Mutex<Option<Granted>>,
    not_stored: Mutex<Option<CredentialError>>,
}

/// The tokens of a credential.
#[derive(Default)]
pub(super) struct TokenState {
    /// Cache of its access tokens.
    pub(super) cache: TokenCache,
    /// The latest refresh token, or `None` if it is the given one.
    pub(super) rotated: Option<SecretString>,
    /// The refresh token in its place, or `None` if it is the given one.
    pub(super) kept: Option<SecretString>,
}

impl KnownCredential {
    pub(super) fn granted(&self) -> Option<Granted> {
        *locked(&self.granted)
    }

    pub(super) fn set_granted(&self, granted: Option<Granted>) {
        *locked(&self.granted) = granted;
    }

    pub(super) fn not_stored(&self) -> Option<CredentialError> {
        locked(&self.not_stored).clone()
    }

    pub(super) fn set_not_stored(&self, error: Option<CredentialError>) {
        *locked(&self.not_stored) = error;
    }
}

/// Pause that the authority requested of the application, regardless of the credential.
#[derive(Clone)]
struct AuthorityPause {
    failure: Arc<Failure>,
    until: Instant,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("tenant", &self.shared.tenant)
            .field("client_id", &self.shared.client_id)
            .field("budget", &self.shared.budget)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// Returns an account with a full budget and without cached tokens.
    #[must_use]
    pub fn new(tenant: Tenant, client_id: impl Into<String>, limits: RateLimits) -> Self {
        Self {
            shared: Arc::new(AccountState {
                tenant,
                client_id: client_id.into(),
                budget: Budget::new(limits),
                intake: Intake::of_account(),
                lists: UsedBytes::default(),
                properties: KnownProperties::default(),
                credentials: Mutex::default(),
                pause: Mutex::default(),
                clock_offset: Mutex::default(),
            }),
        }
    }

    /// Returns the tenant of the application.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.shared.tenant
    }

    /// Returns the client id of the application.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.shared.client_id
    }

    /// Returns the budget that all requests of this application share.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Returns the account's share of the bodies that may be read at the same time.
    pub(super) fn intake(&self) -> &Intake {
        &self.shared.intake
    }

    /// Returns the lists of the account that are kept.
    pub(super) fn lists(&self) -> &UsedBytes {
        &self.shared.lists
    }

    /// Returns the properties of flows in the lists of the account.
    pub(super) fn properties(&self) -> &KnownProperties {
        &self.shared.properties
    }

    /// Returns what is known of a credential.
    pub(super) fn known(&self, credential: &Credential) -> Arc<KnownCredential> {
        let key = credential.key();
        let mut credentials = locked(&self.shared.credentials);
        let place = credentials.iter().position(|(other, _)| *other == key);
        let known = place.map(|place| credentials.remove(place).1);
        let known = known.unwrap_or_default();
        credentials.push((key, Arc::clone(&known)));
        let surplus = credentials.len().saturating_sub(MAX_CREDENTIALS);
        credentials.drain(..surplus);
        known
    }

    /// Returns by how much the clock of the authority is ahead of this machine's, as far as that matters.
    pub(super) fn clock_offset(&self) -> SignedDuration {
        *locked(&self.shared.clock_offset)
    }

    pub(super) fn set_clock_offset(&self, offset: SignedDuration) {
        *locked(&self.shared.clock_offset) = offset;
    }

    /// Forgets all credentials and their tokens. Clients that exist keep theirs.
    pub fn forget_credentials(&self) {
        locked(&self.shared.credentials).clear();
    }

    /// Returns the failure with which the authority requested a pause, or `None` if the pause is over.
    pub(super) fn quiet(&self, now: Instant) -> Option<Arc<Failure>> {
        let pause = locked(&self.shared.pause);
        let pause = pause.as_ref().filter(|pause| now < pause.until)?;
        Some(Arc::clone(&pause.failure))
    }

    /// Records a pause during which no token is requested.
    pub(super) fn keep_quiet(&self, failure: Arc<Failure>, until: Instant) {
        *locked(&self.shared.pause) = Some(AuthorityPause { failure, until });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
