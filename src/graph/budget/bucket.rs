//! Token bucket with an adaptive rate. Pure arithmetic on times that are passed in.

use std::time::Duration;

use tokio::time::Instant;

const SLOWEST: f64 = 0.01;
const FASTEST: f64 = 10_000.0;
/// Minimum rate as a share of the ceiling, so that the operator always makes progress: five halvings,
/// 1/2⁵.
const FLOOR: f64 = 1.0 / 32.0;
/// Increase of the rate as a share of the ceiling. With one per second, the way from the floor back to
/// the ceiling takes a minute: 60 × 1/60.
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

#[derive(Debug)]
pub(super) struct Bucket {
    ceiling: f64,
    burst: f64,
    rate: f64,
    /// Tokens at the time `counted`.
    tokens: f64,
    /// Never before `opens`: no tokens accumulate while the bucket is closed.
    counted: Instant,
    opens: Instant,
    raised: Instant,
    /// Episodes of throttling since the last successful response.
    throttlings: u32,
}

impl Bucket {
    pub(super) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let ceiling = ceiling(per_second);
        let burst = f64::from(burst.max(1));
        Self {
            ceiling,
            burst,
            rate: ceiling,
            tokens: burst,
            counted: now,
            opens: now,
            raised: now,
            throttlings: 0,
        }
    }

    /// Changes the limits. A rate at the ceiling follows the ceiling; a reduced rate is kept, between
    /// the new floor and the new ceiling. Tokens are not added, and not removed within the new burst.
    pub(super) fn set_limits(&mut self, per_second: f64, burst: u32, now: Instant) {
        self.count(now);
        let free = self.rate >= self.ceiling && self.throttlings == 0;
        self.ceiling = ceiling(per_second);
        self.rate = if free {
            self.ceiling
        } else {
            self.rate.clamp(self.ceiling * FLOOR, self.ceiling)
        };
        self.burst = f64::from(burst.max(1));
        self.tokens = self.tokens.min(self.burst);
    }

    pub(super) const fn rate(&self) -> f64 {
        self.rate
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
        // Requests that were in progress at the first 429 are throttled, too. They belong to the same
        // episode, and must not halve the rate once more each.
        if now >= self.opens {
            self.rate = (self.rate / 2.0).max(self.ceiling * FLOOR);
            self.throttlings = self.throttlings.saturating_add(1);
            self.raised = now;
        }
        let pause = pause.unwrap_or_else(|| self.own_pause());
        self.opens = self.opens.max(now + pause.clamp(MIN_PAUSE, MAX_PAUSE));
        self.counted = self.opens;
        // One request probes whether the service has recovered; a whole burst would be throttled at
        // once.
        self.tokens = self.tokens.min(1.0);
    }

    pub(super) fn succeeded(&mut self, now: Instant) {
        if now < self.opens {
            return;
        }
        self.throttlings = 0;
        if now.saturating_duration_since(self.raised) >= RAISE_INTERVAL {
            self.count(now);
            self.rate = (self.rate + self.ceiling * RAISE).min(self.ceiling);
            self.raised = now;
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
