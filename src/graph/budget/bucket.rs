//! Token bucket with an adaptive rate. Pure arithmetic on times that are passed in.

use std::time::Duration;

use tokio::time::Instant;

const SLOWEST: f64 = 0.01;
const FASTEST: f64 = 10_000.0;
/// Share of the rate that is left after the service has throttled for the first time, or at a rate that is not near the
/// one at which it throttled before.
const DECREASE: f64 = 0.5;
/// The same near that rate. What the service allows is then known, and half of it would be wasted.
const DECREASE_NEAR: f64 = 0.9;
/// What is near the rate at which the service throttled: at least this share of it.
const NEAR: f64 = 0.75;
/// Share of the gap to that rate by which the rate rises in a second: half of the gap in 11 s, most of it in a minute.
const APPROACH: f64 = 1.0 / 16.0;
/// Minimum increase in a second, as a share of that rate. From a tenth below it, it is thus exceeded after 18 s for the
/// approach and 26 s for the rest, in which a pause of a second is 2 %.
const CREEP: f64 = 0.002;
/// How far that rate has to be exceeded before the service is believed to allow more.
const EXCEEDED: f64 = 1.02;
/// By how much more is then assumed. Each further time the factor is squared, so that a service that no longer throttles
/// gets a hundred times as much after five times.
const GROWTH: f64 = 1.1;
/// Increase of the rate as a share of the ceiling while no such rate is known.
const RAISE: f64 = 1.0 / 60.0;
/// Minimum time between two increases, regardless of the number of responses.
const RAISE_INTERVAL: Duration = Duration::from_secs(1);
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause if the service requests none; reached after seven throttlings in a row.
const MAX_OWN_PAUSE: Duration = Duration::from_mins(1);
/// Upper bound of a requested pause. Microsoft Graph has been observed to request minutes; a header
/// that requests years must not disable a connection until the next restart.
pub(in crate::graph) const MAX_PAUSE: Duration = Duration::from_hours(1);
/// Tolerance for sums of fractions slightly below one, without which the first waiter would sleep
/// for another tick.
const ROUNDING: f64 = 1e-9;

/// What the service has shown of the rate that it allows.
#[derive(Debug)]
struct Limit {
    /// Rate at which it throttled, or that is assumed since it has allowed more.
    rate: f64,
    /// By how much more is assumed the next time.
    growth: f64,
}

#[derive(Debug)]
pub(super) struct Bucket {
    ceiling: f64,
    burst: f64,
    rate: f64,
    /// `None` if the service has not throttled, or has allowed the ceiling since.
    limit: Option<Limit>,
    /// Tokens at the time `counted`.
    tokens: f64,
    /// Never before `opens`: no tokens accumulate while the bucket is closed.
    counted: Instant,
    opens: Instant,
    raised: Instant,
    /// Episodes of throttling since the last successful response.
    throttlings: u32,
    /// When the service last throttled a request.
    throttled: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let ceiling = ceiling(per_second);
        let burst = f64::from(burst.max(1));
        Self {
            ceiling,
            burst,
            rate: ceiling,
            limit: None,
            tokens: burst,
            counted: now,
            opens: now,
            raised: now,
            throttlings: 0,
            throttled: None,
        }
    }

    /// Changes the limits. A rate at the ceiling follows the ceiling; a reduced rate is kept, up to the
    /// new ceiling. Tokens are not added, and not removed within the new burst.
    pub(super) fn set_limits(&mut self, per_second: f64, burst: u32, now: Instant) {
        self.count(now);
        let free = self.rate >= self.ceiling && self.throttlings == 0;
        self.ceiling = ceiling(per_second);
        self.rate = if free {
            self.ceiling
        } else {
            self.rate.min(self.ceiling)
        };
        self.burst = f64::from(burst.max(1));
        self.tokens = self.tokens.min(self.burst);
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) const fn last_throttled(&self) -> Option<Instant> {
        self.throttled
    }

    pub(super) fn closed_for(&self, now: Instant) -> Duration {
        self.opens.saturating_duration_since(now)
    }

    /// Takes one token and returns `true` if the bucket is open and contains one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.count(now);
        let free = now >= self.opens && self.tokens >= 1.0 - ROUNDING;
        if free {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        free
    }

    /// Returns how long a request with `ahead` others before it waits at the current rate.
    pub(super) fn wait(&self, ahead: usize, now: Instant) -> Duration {
        let start = self.opens.max(now);
        let missing = as_tokens(ahead) + 1.0 - self.tokens_at(start);
        let fill = Duration::try_from_secs_f64((missing / self.rate).max(0.0));
        (start - now) + fill.unwrap_or(MAX_PAUSE)
    }

    pub(super) fn throttled(&mut self, pause: Option<Duration>, now: Instant) {
        self.count(now);
        self.throttled = Some(now);
        // Requests that were in progress at the first 429 are throttled, too. They belong to the same
        // episode, and must not lower the rate once more each.
        if now >= self.opens {
            // If the one request after a pause is throttled, too, the reason is not the rate.
            if self.throttlings == 0 {
                self.slow_down();
            }
            self.throttlings = self.throttlings.saturating_add(1);
            self.raised = now;
        }
        let pause = pause.unwrap_or_else(|| self.own_pause());
        self.opens = self.opens.max(now + pause.clamp(MIN_PAUSE, MAX_PAUSE));
        self.counted = self.opens;
        // One request probes whether the service has recovered; a whole burst would be throttled at once.
        self.tokens = self.tokens.min(1.0);
    }

    pub(super) fn succeeded(&mut self, now: Instant) {
        if now < self.opens {
            return;
        }
        self.throttlings = 0;
        if now.saturating_duration_since(self.raised) >= RAISE_INTERVAL {
            self.count(now);
            self.speed_up();
            self.raised = now;
        }
    }

    fn slow_down(&mut self) {
        let is_near = |limit: &Limit| self.rate >= NEAR * limit.rate;
        let decrease = if self.limit.as_ref().is_some_and(is_near) {
            DECREASE_NEAR
        } else {
            DECREASE
        };
        self.limit = Some(Limit {
            rate: self.rate,
            growth: GROWTH,
        });
        self.rate = (self.rate * decrease).max(SLOWEST);
    }

    fn speed_up(&mut self) {
        self.rate += match &mut self.limit {
            None => self.ceiling * RAISE,
            Some(limit) => {
                if self.rate >= EXCEEDED * limit.rate {
                    limit.rate *= limit.growth;
                    limit.growth *= limit.growth;
                }
                ((limit.rate - self.rate) * APPROACH).max(limit.rate * CREEP)
            }
        };
        if self.rate >= self.ceiling {
            self.rate = self.ceiling;
            self.limit = None;
        }
    }

    fn own_pause(&self) -> Duration {
        let doublings = self.throttlings.saturating_sub(1).min(16);
        MIN_PAUSE.saturating_mul(1 << doublings).min(MAX_OWN_PAUSE)
    }

    fn count(&mut self, now: Instant) {
        self.tokens = self.tokens_at(now);
        self.counted = self.counted.max(now);
    }

    fn tokens_at(&self, time: Instant) -> f64 {
        let elapsed = time.saturating_duration_since(self.counted).as_secs_f64();
        (self.tokens + elapsed * self.rate).min(self.burst)
    }
}

fn ceiling(per_second: f64) -> f64 {
    if per_second.is_nan() {
        SLOWEST
    } else {
        per_second.clamp(SLOWEST, FASTEST)
    }
}

/// Converts exactly, because no queue has 2³² waiters.
fn as_tokens(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests;
