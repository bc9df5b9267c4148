//! What is known about tokens: the last one, and the last failure to obtain one. Pure; the time is
//! passed in.

use std::{sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::{AccessToken, FetchedToken};
use crate::graph::{failure::Failure, verdict::Disposition};

/// A token is replaced this long before it expires, or a tenth of its life before if that is less.
const MARGIN: Duration = Duration::from_mins(5);
/// A lifetime beyond this is taken for this.
const MAX_LIFETIME: Duration = Duration::from_hours(24);
/// Tokens that the service refuses are replaced at most this often: if the next one is refused too,
/// the reason is not the token.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);
/// A token shows the permissions of the moment it was obtained. One that is older than a minute is
/// replaced when the service denies it something, as the permission may have been granted since.
///
/// That minute is taken as 50 s. What is denied is tried again after a minute at the earliest, but the
/// time is kept in whole seconds, cut (1 s less), and the token may have been obtained after the run
/// began, by as much as the time limit of its request (5 s); with the full minute, that second attempt
/// would meet the old token once more, and the permission would work a whole interval later.
const OUTDATED: Duration = Duration::from_secs(50);

/// First and longest time for which a failure is remembered: one that passes by itself, and one
/// that waits for a person.
const PASSING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
const WAITING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));

#[derive(Debug, Default)]
pub(in crate::graph) struct TokenCache {
    token: Option<CachedToken>,
    /// How many tokens there have been.
    generation: u64,
    failure: Option<CachedFailure>,
    /// Failures in a row.
    failures: u32,
    /// When a refused token was last thrown away.
    renewed: Option<Instant>,
    /// When a token was last replaced because the service denied it something, or was to be.
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
    /// What can be answered without asking the authority; `None` if it has to be asked.
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

    /// Takes in the authority's answer, and says what it means for whoever asked.
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

    /// Forgets a token that the service refused. `false`: asking for another would be in vain.
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

    /// Takes note that the service denied a token something. `false`: another would fare no better.
    ///
    /// The token stays good for everything else until there is another. None is asked for within 50 s
    /// of the last, so that what is denied for good costs one request for a token in that time.
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

    /// The failure that is remembered, and until when, if it is a pause that the authority asks for.
    pub(super) fn throttled(&self) -> Option<(Arc<Failure>, Instant)> {
        let CachedFailure { failure, until } = self.failure.as_ref()?;
        let throttled = matches!(
            failure.authority_disposition(),
            Disposition::Throttled { .. }
        );
        throttled.then(|| (Arc::clone(failure), *until))
    }

    fn record_token(&mut self, fetched: FetchedToken, now: Instant) -> AccessToken {
        let lifetime = fetched.lifetime.min(MAX_LIFETIME);
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

    /// A token that is due for replacement is better than none.
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

/// For how long a failure is remembered: doubling with each in a row, and as long as the authority
/// asks for.
fn pause(disposition: Disposition, before: u32) -> Duration {
    let (first, longest) = match disposition {
        Disposition::Retry | Disposition::Throttled { .. } => PASSING,
        Disposition::User | Disposition::Bug => WAITING,
    };
    let own = first.saturating_mul(1 << before.min(16)).min(longest);
    match disposition {
        Disposition::Throttled { after: Some(after) } => own.max(after.min(MAX_LIFETIME)),
        _ => own,
    }
}
