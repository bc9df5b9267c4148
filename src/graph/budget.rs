//! The request budget of one connection: how fast it may ask, who goes first, and when to keep
//! quiet.
//!
//! A token bucket whose rate gives way: it is halved when the service throttles and creeps back
//! while the service answers. `Retry-After` closes it for everyone. Waiting requests stand in
//! priorities; a lower priority moves only while the higher ones are empty, and a priority serves in order of
//! arrival.
//!
//! [`bucket`] is arithmetic on a time that is passed in, [`queue`] is the order of waiting; this
//! file adds the waiting itself. Nothing runs in the background: each waiter keeps its own timer,
//! and whoever leaves wakes the next.

mod bucket;
mod queue;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use self::{
    bucket::Bucket,
    queue::{Queue, Ticket},
};

const MAX_WAIT: Duration = Duration::from_hours(1);

/// How urgent a request is. The order of the variants is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Deletes, and whatever a person asked for and is waiting for.
    User,
    /// Creates and updates.
    Change,
    /// Polls.
    Poll,
}

impl Priority {
    /// All of them, most urgent first.
    pub const ALL: [Self; 3] = [Self::User, Self::Change, Self::Poll];
}

/// The limits of a [`Budget`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimits {
    /// Requests a second in the long run: the ceiling that the budget never exceeds. Values outside
    /// 0.01 to 10,000 are taken as the nearest of these.
    pub per_second: f64,
    /// Requests at once after a quiet time. Zero is taken as one.
    pub burst: u32,
    /// The longest time that [`Budget::acquire`] waits; at most an hour.
    pub max_wait: Duration,
}

/// The usual [`RateLimits::max_wait`]: long enough for a burst to drain, short enough that the leader's lease covers it
/// together with the request.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(2);

/// The budget did not let a request go, and would not within [`RateLimits::max_wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request budget is closed")]
pub struct Closed {
    /// In how long it is worth asking again, as far as can be foreseen.
    pub remaining: Duration,
}

/// The request budget of one connection, shared by all that use the connection.
///
/// *Guarantees*: over any time the number of grants is at most `burst + per_second × time`; none is
/// made while the budget is closed; [`acquire`](Self::acquire) returns within [`RateLimits::max_wait`].
#[derive(Debug)]
pub struct Budget {
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    max_wait: Duration,
    bucket: Bucket,
    queue: Queue,
}

impl BudgetState {
    /// The earliest time at which a request with this many before it can go.
    fn turn(&self, ahead: usize, now: Instant) -> Instant {
        now + self.bucket.wait(ahead, now)
    }
}

/// What a waiter finds when it looks.
enum Admission {
    Go,
    WakeAt(Instant),
    GiveUp(Closed),
}

impl Budget {
    /// A full bucket, open at its ceiling.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        let state = BudgetState {
            max_wait: limits.max_wait.min(MAX_WAIT),
            bucket: Bucket::new(limits.per_second, limits.burst, Instant::now()),
            queue: Queue::default(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Changes the limits. A pause that the service asked for stays, and so does a rate that it forced
    /// down, as far as the new ceiling allows.
    pub fn set_limits(&self, limits: RateLimits) {
        let mut state = self.lock();
        state.max_wait = limits.max_wait.min(MAX_WAIT);
        state
            .bucket
            .set_limits(limits.per_second, limits.burst, Instant::now());
        state.queue.wake_first();
    }

    /// The longest time that [`acquire`](Self::acquire) waits.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        self.lock().max_wait
    }

    /// Waits until one request may go.
    ///
    /// Dropping the future gives the place in the queue to the next.
    ///
    /// # Errors
    ///
    /// [`Closed`], at once, if the turn would not come within [`RateLimits::max_wait`]: because the
    /// service asked for a longer pause, or because too many are waiting. Also later, if either
    /// turns out so while waiting.
    pub async fn acquire(&self, priority: Priority) -> Result<(), Closed> {
        self.acquire_before(priority, Instant::now() + self.max_wait())
            .await
    }

    /// Whether the budget is closed for longer than [`acquire`](Self::acquire) would wait.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is.
    pub fn check(&self) -> Result<(), Closed> {
        let remaining = self.closed_for();
        if remaining > self.max_wait() {
            return Err(Closed { remaining });
        }
        Ok(())
    }

    /// As [`acquire`](Self::acquire), with a deadline of the caller's.
    pub(super) async fn acquire_before(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<(), Closed> {
        let place = self.enter(priority);
        loop {
            match place.look(deadline) {
                Admission::Go => return Ok(()),
                Admission::GiveUp(closed) => return Err(closed),
                // Queued or timed out, it looks again; which of the two it was does not matter.
                Admission::WakeAt(time) => drop(timeout_at(time, place.ticket.called()).await),
            }
        }
    }

    /// Tells that the service throttled a request, and for how long it wants quiet, if it said so.
    ///
    /// Closes the budget for that time, at least one second and at most one hour; without a time,
    /// for one second, doubling with each further throttling up to one minute.
    pub fn throttled(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        state.bucket.throttled(pause, Instant::now());
        state.queue.wake_first();
    }

    /// Tells that the service answered a request without throttling it.
    pub fn succeeded(&self) {
        self.lock().bucket.succeeded(Instant::now());
    }

    /// The present rate, in requests a second: the ceiling, or less while recovering from
    /// throttling.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.lock().bucket.rate()
    }

    /// For how much longer the budget is closed. Zero: it is open.
    #[must_use]
    pub fn closed_for(&self) -> Duration {
        self.lock().bucket.closed_for(Instant::now())
    }

    /// How many requests are waiting in a priority.
    #[must_use]
    pub fn waiting(&self, priority: Priority) -> usize {
        self.lock().queue.waiting(priority)
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

/// A place in the queue, left when dropped.
struct QueuedRequest<'a> {
    budget: &'a Budget,
    ticket: Ticket,
}

impl QueuedRequest<'_> {
    fn look(&self, deadline: Instant) -> Admission {
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
        // Only the first needs its own timer; the others are called when they become first.
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
