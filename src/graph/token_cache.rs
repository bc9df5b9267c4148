//! Tokens, and a cache of the last one and of the last failure to obtain one. Pure; times are passed in.

use std::{sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use secrecy::SecretString;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    answer::{Answer, success},
    budget::MAX_PAUSE,
    claims::{Claims, Granted},
    credential::Actor,
    failure::Failure,
    json,
    malformed::Malformed,
    tenant::Tenant,
    verdict::Disposition,
};

/// Time before expiry at which a token is replaced, or a tenth of its lifetime if that is shorter.
const MARGIN: Duration = Duration::from_mins(5);
/// Bounds of the lifetime of a token. With none at all, each request would need a token of its own.
const MIN_LIFETIME: Duration = Duration::from_secs(1);
const MAX_LIFETIME: Duration = Duration::from_hours(24);
/// Minimum time between two replacements of refused tokens: if the next one is refused, too, the token
/// is not the cause.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
/// Age from which a token is replaced after a 403. A token contains the permissions of the moment it was
/// issued, so a permission that was granted since needs a new token.
///
/// A minute, less 10 s of slack. A denied request is retried after a minute at the earliest. That time
/// is recorded in whole seconds, truncated (up to 1 s less), and the token may have been obtained after
/// the reconcile began, by up to the time limit of its request (5 s). With a full minute, the retry could
/// use the old token again, and the permission would take effect a whole interval later.
const OUTDATED: Duration = Duration::from_secs(50);

/// First and longest time for which a failure is cached: a transient one, and one that the user has to
/// fix. The latter is often fixed at the authority, which no event announces, and should then be over within
/// a minute.
const TRANSIENT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
const PERSISTENT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

/// Token as a header value, marked as sensitive so that `Debug` does not print it.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub(super) header: HeaderValue,
    /// Serial number among the tokens obtained so far.
    pub(super) generation: u64,
}

/// Token as received from the authority.
#[derive(Debug)]
pub(super) struct FetchedToken {
    header: HeaderValue,
    lifetime: Duration,
    /// The permissions in the token, or `None` if it does not show them.
    pub(super) granted: Option<Granted>,
    /// The refresh token that takes the place of the one that was used.
    pub(super) refresh_token: Option<SecretString>,
}

impl FetchedToken {
    /// Lifetime if the response does not contain one: short, because a later refresh costs one request
    /// and an expired token a failure.
    const ASSUMED_LIFETIME: Duration = Duration::from_mins(5);

    /// Reads the response to a token request of an application in `tenant`.
    pub(super) fn read(answer: Answer, tenant: &Tenant, actor: Actor) -> Result<Self, Failure> {
        let malformed = || Failure::Malformed(Malformed::Token);
        let body = answer.json().map_err(|failure| match failure {
            Failure::Malformed(_) => malformed(),
            other => other,
        })?;
        let [token, lifetime, refresh_token] =
            success(&body, ["access_token", "expires_in", "refresh_token"])
                .map_err(|_| malformed())?;
        let token = json::text(token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(malformed)?;
        let claims = Claims::read(&token);
        if claims.is_of_another(tenant) {
            return Err(Failure::Malformed(Malformed::Tenant));
        }
        let mut header =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| malformed())?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            lifetime: seconds(lifetime).unwrap_or(Self::ASSUMED_LIFETIME),
            granted: claims.granted(actor),
            refresh_token: json::text(refresh_token)
                .filter(|token| !token.is_empty())
                .map(|token| SecretString::from(&*token)),
        })
    }
}

/// Parses a number of seconds, which older endpoints write as text.
fn seconds(member: Option<&RawValue>) -> Option<Duration> {
    let number = json::value(member).or_else(|| json::text(member)?.parse().ok());
    number.map(Duration::from_secs)
}

#[derive(Debug, Default)]
pub(super) struct TokenCache {
    token: Option<CachedToken>,
    /// Number of tokens obtained so far.
    generation: u64,
    failure: Option<CachedFailure>,
    /// Number of consecutive failures.
    failures: u32,
    /// When a refused token was last dropped.
    renewed: Option<Instant>,
    /// When a token was last due for replacement after a 403.
    outdated: Option<Instant>,
}

#[derive(Debug)]
struct CachedToken {
    header: HeaderValue,
    obtained: Instant,
    refresh: Instant,
    expiry: Instant,
}

#[derive(Debug)]
struct CachedFailure {
    failure: Arc<Failure>,
    until: Instant,
}

impl TokenCache {
    /// Returns the cached token or failure, or `None` if a request to the authority is needed.
    pub(super) fn recall(&self, now: Instant) -> Option<Result<AccessToken, Arc<Failure>>> {
        if let Some(token) = self.token(now, |token| token.refresh) {
            return Some(Ok(token));
        }
        let failure = self
            .failure
            .as_ref()
            .filter(|failure| now < failure.until)?;
        Some(self.unless_still_good(&failure.failure, now))
    }

    /// Records the response of the authority, and returns the result for the caller.
    pub(super) fn record(
        &mut self,
        fetched: Result<FetchedToken, Failure>,
        now: Instant,
    ) -> Result<AccessToken, Arc<Failure>> {
        match fetched {
            Ok(fetched) => Ok(self.record_token(fetched, now)),
            Err(failure) => self.record_failure(failure, now),
        }
    }

    /// Drops a token that the service refused, and returns whether to obtain another one.
    pub(super) fn refused(&mut self, generation: u64, now: Instant) -> bool {
        if generation != self.generation {
            return true;
        }
        let recent = |renewed| now.saturating_duration_since(renewed) < RENEWAL_INTERVAL;
        if self.renewed.is_some_and(recent) {
            return false;
        }
        self.renewed = Some(now);
        self.token = None;
        true
    }

    /// Records that a token lacked a permission, and returns whether to obtain another one.
    ///
    /// The token remains valid for other requests until it is replaced. At most one replacement is
    /// requested every 50 s, so that a permanent denial causes at most one token request in that time.
    pub(super) fn denied(&mut self, generation: u64, now: Instant) -> bool {
        if generation != self.generation {
            return true;
        }
        let outdated = self.outdated;
        let recent = |then| now.saturating_duration_since(then) < OUTDATED;
        let Some(token) = &mut self.token else {
            return false;
        };
        if recent(token.obtained) || outdated.is_some_and(recent) {
            return false;
        }
        token.refresh = now;
        self.outdated = Some(now);
        true
    }

    /// Returns the cached failure and its end if it is a pause that the authority requested, or `None`.
    pub(super) fn throttled(&self) -> Option<(Arc<Failure>, Instant)> {
        let CachedFailure { failure, until } = self.failure.as_ref()?;
        let throttled = matches!(
            failure.authority_disposition(),
            Disposition::Throttled { .. }
        );
        throttled.then(|| (Arc::clone(failure), *until))
    }

    fn record_token(&mut self, fetched: FetchedToken, now: Instant) -> AccessToken {
        let lifetime = fetched.lifetime.clamp(MIN_LIFETIME, MAX_LIFETIME);
        self.generation += 1;
        self.failure = None;
        self.failures = 0;
        self.token = Some(CachedToken {
            header: fetched.header.clone(),
            obtained: now,
            refresh: now + lifetime - MARGIN.min(lifetime / 10),
            expiry: now + lifetime,
        });
        AccessToken {
            header: fetched.header,
            generation: self.generation,
        }
    }

    fn record_failure(
        &mut self,
        failure: Failure,
        now: Instant,
    ) -> Result<AccessToken, Arc<Failure>> {
        let pause = pause(failure.authority_disposition(), self.failures);
        let failure = Arc::new(failure);
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(CachedFailure {
            failure: Arc::clone(&failure),
            until: now + pause,
        });
        self.unless_still_good(&failure, now)
    }

    /// Returns the token until it expires, even if it is due for replacement, or else the failure.
    pub(super) fn unless_still_good(
        &self,
        failure: &Arc<Failure>,
        now: Instant,
    ) -> Result<AccessToken, Arc<Failure>> {
        let token = self.token(now, |token| token.expiry);
        token.ok_or_else(|| Arc::clone(failure))
    }

    fn token(&self, now: Instant, end: impl Fn(&CachedToken) -> Instant) -> Option<AccessToken> {
        let token = self.token.as_ref().filter(|token| now < end(token))?;
        Some(AccessToken {
            header: token.header.clone(),
            generation: self.generation,
        })
    }
}

/// Returns how long a failure is cached: doubled for each consecutive failure, and at least as long as
/// the authority requests, up to the longest pause that the service can request.
fn pause(disposition: Disposition, before: u32) -> Duration {
    let (first, longest) = match disposition {
        Disposition::Retry | Disposition::Throttled { .. } => TRANSIENT,
        Disposition::User | Disposition::Bug => PERSISTENT,
    };
    let own = first.saturating_mul(1 << before.min(16)).min(longest);
    match disposition {
        Disposition::Throttled { after: Some(after) } => own.max(after.min(MAX_PAUSE)),
        _ => own,
    }
}

#[cfg(test)]
mod tests;
