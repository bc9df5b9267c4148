//! Request budget of one account: the rate of requests, their order, and the pauses that the service
//! requests.
//!
//! A token bucket with an adaptive rate, which is lowered when the service throttles and rises again
//! while the service responds, slowly where it throttled before. `Retry-After` closes the bucket for all requests. Requests wait in
//! one queue for each priority: a lower priority is served only while the higher ones are empty, and
//! each priority is served in order of arrival.
//!
//! [`bucket`] is arithmetic on times that are passed in, and [`queue`] is the order of the waiters; this
//! file adds the waiting itself. There is no background task: each waiter has its own timer, and a
//! waiter that leaves the queue wakes the next one.

mod bucket;
mod queue;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::time::{Instant, timeout_at};

pub(super) use self::bucket::MAX_PAUSE;
use self::{
    bucket::Bucket,
    queue::{Queue, Ticket},
};

/// Upper bound of [`RateLimits::max_wait`]: the longest pause that the service can request.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// Priority of a request. The variants are in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Deletes and resets, for which a user is waiting.
    User,
    /// Creates and updates.
    Change,
    /// Polls.
    Poll,
}

impl Priority {
    /// All priorities, most urgent first.
    pub const ALL: [Self; 3] = [Self::User, Self::Change, Self::Poll];

    /// Returns the name used in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Change => "change",
            Self::Poll => "poll",
        }
    }
}

/// Limits of a [`Budget`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimits {
    /// Sustained requests per second, which the budget never exceeds. Values are clamped to the range
    /// 0.01 to 10,000.
    pub per_second: f64,
    /// Requests at once after an idle time. Zero is treated as one.
    pub burst: u32,
    /// Longest time that [`Budget::acquire`] waits; at most an hour.
    pub max_wait: Duration,
}

/// Default of [`RateLimits::max_wait`]: long enough for a burst to drain, and short enough that the
/// lease of the leader covers it together with the request.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(2);

/// Refusal of a request that could not be granted within [`RateLimits::max_wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request budget is closed")]
pub struct Closed {
    /// Estimated time until a request can be granted.
    pub remaining: Duration,
}

/// Request budget of one account, shared by all clients of the account.
///
/// # Guarantees
///
/// * Over any time, the number of grants is at most `burst + per_second × time`.
/// * A closed budget grants no request.
/// * [`acquire`](Self::acquire) returns within [`RateLimits::max_wait`].
#[derive(Debug)]
pub struct Budget {
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    max_wait: Duration,
    bucket: Bucket,
    queue: Queue,
    /// Number of requests that the service throttled.
    throttled: u64,
}

impl BudgetState {
    /// Returns the earliest time at which a request with `ahead` others before it can be granted.
    fn turn(&self, ahead: usize, now: Instant) -> Instant {
        now + self.bucket.wait(ahead, now)
    }
}

/// Result of a waiter's attempt.
enum Admission {
    Go,
    WakeAt(Instant),
    GiveUp(Closed),
}

impl Budget {
    /// Returns an open budget with a full bucket.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        let state = BudgetState {
            max_wait: limits.max_wait.min(MAX_WAIT),
            bucket: Bucket::new(limits.per_second, limits.burst, Instant::now()),
            queue: Queue::default(),
            throttled: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Changes the limits. A pause that the service requested remains, and so does a reduced rate, as
    /// far as the new limit allows.
    pub fn set_limits(&self, limits: RateLimits) {
        let mut state = self.lock();
        state.max_wait = limits.max_wait.min(MAX_WAIT);
        state
            .bucket
            .set_limits(limits.per_second, limits.burst, Instant::now());
        state.queue.wake_first();
    }

    /// Returns the longest time that [`acquire`](Self::acquire) waits.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.lock().max_wait
    }

    /// Waits until one request may be sent.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the request cannot be granted within [`RateLimits::max_wait`], because the service
    /// requested a longer pause or because too many requests are waiting. It is returned at once if
    /// this is known in advance, and otherwise as soon as it is known.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue, without using the budget.
    pub async fn acquire(&self, priority: Priority) -> Result<(), Closed> {
        self.acquire_before(priority, Instant::now() + self.max_wait())
            .await
    }

    /// Checks that the budget is not closed for longer than [`acquire`](Self::acquire) would wait.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is closed for longer.
    pub fn check(&self) -> Result<(), Closed> {
        let remaining = self.closed_for();
        if remaining > self.max_wait() {
            return Err(Closed { remaining });
        }
        Ok(())
    }

    /// Like [`acquire`](Self::acquire), but waits until `deadline`.
    pub(super) async fn acquire_before(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<(), Closed> {
        let request = self.enter(priority);
        loop {
            match request.attempt(deadline) {
                Admission::Go => return Ok(()),
                Admission::GiveUp(closed) => return Err(closed),
                // Whether it was woken or timed out does not matter: the next attempt decides.
                Admission::WakeAt(time) => drop(timeout_at(time, request.ticket.notified()).await),
            }
        }
    }

    /// Records that the service throttled a request, with the pause that it requested, if any.
    ///
    /// Closes the budget for that pause, at least one second and at most one hour. Without a requested
    /// pause it closes for one second, which doubles with each further throttling up to one minute.
    pub fn throttled(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        state.throttled += 1;
        state.bucket.throttled(pause, Instant::now());
        state.queue.wake_first();
    }

    /// Records that the service responded to a request without throttling it.
    pub fn succeeded(&self) {
        self.lock().bucket.succeeded(Instant::now());
    }

    /// Returns how long ago the service last throttled a request, or `None` if it never has.
    #[must_use]
    pub fn throttled_ago(&self) -> Option<Duration> {
        let throttled = self.lock().bucket.last_throttled();
        throttled.map(|throttled| throttled.elapsed())
    }

    /// Returns the time until the budget opens; zero if it is open.
    #[must_use]
    pub fn closed_for(&self) -> Duration {
        self.lock().bucket.closed_for(Instant::now())
    }

    /// Returns the number of requests that the service throttled.
    #[must_use]
    pub fn throttled_requests(&self) -> u64 {
        self.lock().throttled
    }

    /// Returns the current rate in requests per second, which is lower than the limit while the service throttles.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.lock().bucket.rate()
    }

    fn enter(&self, priority: Priority) -> QueuedRequest<'_> {
        let ticket = self.lock().queue.enter(priority);
        QueuedRequest {
            budget: self,
            ticket,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Request in the queue, which it leaves when dropped.
struct QueuedRequest<'a> {
    budget: &'a Budget,
    ticket: Ticket,
}

impl QueuedRequest<'_> {
    fn attempt(&self, deadline: Instant) -> Admission {
        let now = Instant::now();
        let mut state = self.budget.lock();
        let ahead = state.queue.ahead(&self.ticket);
        if ahead == 0 && state.bucket.take(now) {
            return Admission::Go;
        }
        let turn = state.turn(ahead, now);
        if turn > deadline || now >= deadline {
            return Admission::GiveUp(Closed {
                remaining: turn - now,
            });
        }
        // Only the first waiter needs a timer; the others are woken when they become first.
        Admission::WakeAt(if ahead == 0 { turn } else { deadline })
    }
}

impl Drop for QueuedRequest<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.queue.leave(&self.ticket);
        state.queue.wake_first();
    }
}

#[cfg(test)]
mod tests;
