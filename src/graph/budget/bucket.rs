//! The token bucket and its changing rate: arithmetic, with the time passed in.

use std::time::Duration;

use tokio::time::Instant;

const SLOWEST: f64 = 0.01;
const FASTEST: f64 = 10_000.0;
/// The rate never falls below this share of the ceiling, so that the operator does not come to a
/// stand.
const FLOOR: f64 = 1.0 / 32.0;
/// One raise is this share of the ceiling: from the floor back to the ceiling takes a minute of
/// good answers.
const RAISE: f64 = 1.0 / 60.0;
/// At most one raise in this time, however many answers come.
const RAISE_INTERVAL: Duration = Duration::from_secs(1);
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// What a pause doubles up to where the service names none.
const MAX_OWN_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause believed. Microsoft Graph has been seen to ask for minutes; a header that says
/// years must not switch a connection off until the next restart.
const MAX_PAUSE: Duration = Duration::from_hours(1);
/// Sums of fractions may come out a hair below one; without this the first waiter would sleep
/// another tick.
const ROUNDING: f64 = 1e-9;

#[derive(Debug)]
pub(super) struct Bucket {
    ceiling: f64,
    burst: f64,
    rate: f64,
    /// Tokens at the time `counted`.
    tokens: f64,
    /// Never before `opens`: no tokens gather while the bucket is closed.
    counted: Instant,
    opens: Instant,
    raised: Instant,
    /// Episodes of throttling since the last good answer.
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

    /// A rate at the ceiling stays there; one that was forced down is kept, between the new
    /// floor and the new ceiling. Tokens are neither given nor, within the new burst, taken.
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

    /// Takes one token if there is one and the bucket is open.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.count(now);
        let free = now >= self.opens && self.tokens >= 1.0 - ROUNDING;
        if free {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        free
    }

    /// How long a request with this many before it has to wait, at the present rate.
    pub(super) fn wait(&self, ahead: usize, now: Instant) -> Duration {
        let start = self.opens.max(now);
        let missing = as_tokens(ahead) + 1.0 - self.tokens_at(start);
        let fill = Duration::try_from_secs_f64((missing / self.rate).max(0.0));
        (start - now) + fill.unwrap_or(MAX_PAUSE)
    }

    pub(super) fn throttled(&mut self, pause: Option<Duration>, now: Instant) {
        self.count(now);
        // Requests that were under way when the first 429 came are told off as well. That is the
        // same news, and must not halve the rate once more for each of them.
        if now >= self.opens {
            self.rate = (self.rate / 2.0).max(self.ceiling * FLOOR);
            self.throttlings = self.throttlings.saturating_add(1);
            self.raised = now;
        }
        let pause = pause.unwrap_or_else(|| self.own_pause());
        self.opens = self.opens.max(now + pause.clamp(MIN_PAUSE, MAX_PAUSE));
        self.counted = self.opens;
        // One request finds out whether the service is well again; a saved-up burst would be
        // throttled at once.
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

/// Exact: no queue has 2³² waiters.
fn as_tokens(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
