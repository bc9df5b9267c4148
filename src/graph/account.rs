//! An application in a tenant, with everything about it that outlives a client: the request budget,
//! tokens, and failures to obtain one.
//!
//! A client is made for one credential. Another label on its Secret, another limit or another
//! credential gives a new client, and must neither open a budget that the service closed nor forget
//! that the authority refused a secret a second ago.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    budget::{Budget, RateLimits},
    failure::Failure,
    token::{Tenant, TokenCache},
};

/// Credentials remembered: the present one, the one before, and one that is being tried.
const MAX_CREDENTIALS: usize = 3;

/// An application in a tenant. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Account {
    shared: Arc<AccountState>,
}

struct AccountState {
    tenant: Tenant,
    client_id: String,
    budget: Budget,
    /// The last one used is at the end.
    credentials: Mutex<Vec<KnownCredential>>,
    quiet: Mutex<Option<AuthorityPause>>,
}

/// What is known about one credential. It is found by its content: a token that was obtained with
/// one secret is never used by whoever has another.
struct KnownCredential {
    secret: SecretString,
    cache: Arc<tokio::sync::Mutex<TokenCache>>,
}

/// A pause that the authority asks of the application, whichever credential it shows.
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
    /// An account that nothing is known about, with a full budget.
    #[must_use]
    pub fn new(tenant: Tenant, client_id: impl Into<String>, limits: RateLimits) -> Self {
        Self {
            shared: Arc::new(AccountState {
                tenant,
                client_id: client_id.into(),
                budget: Budget::new(limits),
                credentials: Mutex::default(),
                quiet: Mutex::default(),
            }),
        }
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.shared.tenant
    }

    /// The application's client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.shared.client_id
    }

    /// The budget of all requests that are made as this application.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// What is known about a credential.
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

    /// Why the authority is not to be asked now, if it is not.
    pub(super) fn quiet(&self, now: Instant) -> Option<Arc<Failure>> {
        let quiet = locked(&self.shared.quiet);
        let quiet = quiet.as_ref().filter(|quiet| now < quiet.until)?;
        Some(Arc::clone(&quiet.failure))
    }

    /// Leaves the authority alone until then.
    pub(super) fn keep_quiet(&self, failure: Arc<Failure>, until: Instant) {
        *locked(&self.shared.quiet) = Some(AuthorityPause { failure, until });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
