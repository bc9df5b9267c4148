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

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    budget::{Budget, RateLimits},
    failure::Failure,
    intake::Intake,
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
    /// In order of last use, most recent last.
    credentials: Mutex<Vec<KnownCredential>>,
    pause: Mutex<Option<AuthorityPause>>,
}

/// Credential with its token cache. It is identified by its content: a token that was obtained with one
/// secret is never used by a client with another.
struct KnownCredential {
    secret: SecretString,
    cache: Arc<tokio::sync::Mutex<TokenCache>>,
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
                credentials: Mutex::default(),
                pause: Mutex::default(),
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

    /// Returns the token cache of a credential.
    pub(super) fn cache(&self, secret: &SecretString) -> Arc<tokio::sync::Mutex<TokenCache>> {
        let mut credentials = locked(&self.shared.credentials);
        let same = |known: &KnownCredential| known.secret.expose_secret() == secret.expose_secret();
        let known = credentials.iter().position(same);
        let known = known.map(|place| credentials.remove(place));
        let known = known.unwrap_or_else(|| KnownCredential {
            secret: secret.clone(),
            cache: Arc::default(),
        });
        let cache = Arc::clone(&known.cache);
        credentials.push(known);
        let surplus = credentials.len().saturating_sub(MAX_CREDENTIALS);
        credentials.drain(..surplus);
        cache
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
