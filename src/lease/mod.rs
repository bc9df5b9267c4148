//! Leader election: which replica may write, and for which tenants.
//!
//! The replicas compete for one `Lease` of `coordination.k8s.io/v1` with the protocol of client-go, and
//! interoperate with candidates that use client-go itself. The holder renews the Lease periodically;
//! when the renewals stop, it expires and another candidate acquires it.
//!
//! With several shards there is a Lease for each. A process competes for all of them until it holds one,
//! and works for that shard alone.
//!
//! ```text
//! let (shard, lease_guard) = elector.acquire().await;
//! select! {
//!     lost = elector.keep() => /* stop all work at once, exit with an error */,
//!     () = work(shard, lease_guard) => /* asked to stop, and finished */,
//! }
//! elector.release().await;
//! ```
//!
//! `candidate` decides about one Lease and `mark` about their number, from values and times that are passed
//! in; `store` accesses the cluster; `seat` bounds each request; this file waits.
//!
//! # Guarantees
//!
//! * Among all candidates for a Lease, at most one [`LeaseGuard`] covers any span at any moment,
//!   provided that their clocks run at about the same rate: the fastest less than a ninth faster than
//!   the slowest. With the margin of a tenth, the holder stops after 9/10 of the duration on its own
//!   clock. The absolute time of the clocks does not matter: only times that one process has measured
//!   are compared, and only with each other.
//! * Under the same condition, no guard covers any span while a guard of a process with another number of
//!   shards does, whichever shards they are for.
//! * A guard that no longer covers any span never covers one again.
//!
//! # Caveats
//!
//! * **The lease is not a fence.** A process can be suspended between the check of the guard and the
//!   moment its bytes leave. An effect that must not happen twice needs a precondition of its own.
//! * A person who edits or deletes a Lease can cause two leaders, until the first one reads the
//!   Lease again.
//! * Versions without shards know only the Lease of the first one, and do not wait for the others.

mod candidate;
mod guard;
mod mark;
mod seat;
mod settings;
mod store;

use std::ops::Range;

use futures::future::try_join_all;
use kube::Client;
use tokio::{
    select,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, info, warn};

pub use self::{
    guard::LeaseGuard,
    settings::{LeaseSettings, identity},
    store::{KubernetesLeases, LeaseStore},
};
use self::{
    guard::LeaseTerm,
    mark::{Bid, Mark, bid, deciding},
    seat::{RoundError, Seat},
};
use crate::{
    metrics::Metrics,
    shard::{Shard, ShardCount},
    telemetry::with_causes,
};

/// How often a candidate reads other Leases to confirm that it may keep the one that it has taken. With the pauses of a
/// period and requests that take their longest time, this is over before the lease is: 20 s - 2 s margin - 3 × (3 s
/// request time-out + 2 s period) leaves 3 s for the write that follows.
const CONFIRMATIONS: usize = 3;

/// A candidate for the lease of any shard, and the holder of one once it has won.
///
/// It also maintains the gauges `leader` and `shard`, and counts its own writes.
#[derive(Debug)]
pub struct Elector<S = KubernetesLeases> {
    /// The Leases of all shards that there can be, in order.
    seats: Vec<Seat<S>>,
    /// The place of the Lease that is held, or was claimed last.
    own: usize,
    settings: LeaseSettings,
    metrics: Metrics,
    /// Sending side of the guard that was handed out, or `None` without the lease.
    term: Option<LeaseTerm>,
    /// Earliest start of the next round.
    next: Instant,
}

/// Reason why the lease is no longer held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed in time")]
    Expired,
    /// Another candidate holds it.
    #[error("the lease was taken by {holder}")]
    Taken {
        /// The identity of the new holder.
        holder: String,
    },
}

impl Elector {
    /// Returns a candidate that uses this client.
    ///
    /// The client should be used for nothing else, so that no other traffic can delay a renewal. It must
    /// not retry requests, because a retry would outlast the time limit of the request here, and it must
    /// not lose a request because its connection was idle. See [`crate::clients`].
    #[must_use]
    pub fn new(client: &Client, settings: &LeaseSettings, metrics: Metrics) -> Self {
        let store = |number| {
            let name = settings.lease_name(number);
            KubernetesLeases::new(client.clone(), &settings.namespace, &name)
        };
        Self::with_stores(store, settings.clone(), metrics)
    }
}

impl<S: LeaseStore> Elector<S> {
    /// Returns a candidate for leases in the given stores, of which there is one for each number of a shard.
    #[must_use]
    pub fn with_stores(store: impl Fn(u8) -> S, settings: LeaseSettings, metrics: Metrics) -> Self {
        let seat = |number| Seat::new(store(number), &settings, metrics.clone());
        Self {
            seats: (1..=ShardCount::MAX).map(seat).collect(),
            own: 0,
            settings,
            metrics,
            term: None,
            next: Instant::now(),
        }
    }

    /// Waits until this candidate has acquired the lease of a shard, and returns which. Errors of the API server are
    /// logged and retried.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses only the request in progress. If that request would have acquired the lease,
    /// [`Elector::release`] releases it.
    pub async fn acquire(&mut self) -> (Shard, LeaseGuard) {
        info!(identity = self.settings.identity, "waiting for the lease");
        let mut logged = None;
        loop {
            self.round().await;
            if let Some((shard, lease_guard)) = self.begin_term() {
                let (identity, shard_number) = (&self.settings.identity, shard.number());
                info!(identity, shard = shard_number, "lease acquired");
                return (shard, lease_guard);
            }
            self.log_wait(&mut logged);
        }
    }

    /// Logs what keeps this candidate from leading, if that has changed.
    fn log_wait(&self, logged: &mut Option<(Mark, String)>) {
        let first = &self.seats[0].candidate;
        let Some(holder) = first.other_holder() else {
            return;
        };
        let wait = (first.mark(), holder.to_owned());
        if logged.as_ref() == Some(&wait) {
            return;
        }
        info!(holder, "lease held by another");
        if wait.0 != Mark::Settled(self.settings.shards) {
            let shards = self.settings.shards.get();
            warn!(
                shards,
                "the processes that lead have another number of shards: waiting until all have ended"
            );
        }
        *logged = Some(wait);
    }

    /// Renews the lease until it is lost, and returns the reason. It must be polled for as long as the
    /// guard is in use, including the time in which the last steps are finished.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again; while it is not polled, the lease expires.
    pub async fn keep(&mut self) -> LeaseLost {
        while let Some(until) = self.held_until() {
            // Expiry is polled first: a renewal that is answered too late must not revive the lease,
            // as another candidate may have acquired it meanwhile.
            select! {
                biased;
                () = sleep_until(until) => self.forfeit(),
                () = self.round() => {}
            }
            if let (Some(term), Some(until)) = (&self.term, self.held_until()) {
                term.extend(until);
            }
        }
        self.end_term();
        let holder = self.seats[self.own].candidate.other_holder();
        let lost = holder.map_or(LeaseLost::Expired, |holder| LeaseLost::Taken {
            holder: holder.to_owned(),
        });
        warn!(identity = self.settings.identity, reason = %lost, "lease lost");
        lost
    }

    /// Releases the lease if this candidate holds it, so that the next leader need not wait until it
    /// expires.
    ///
    /// Call it only when all work that needed the lease has stopped, because the next leader starts at
    /// once. It takes at most two request time-outs ([`LeaseSettings::request_timeout`]); a failure is
    /// logged, and the lease then expires automatically.
    pub async fn release(mut self) {
        self.end_term();
        self.vacate().await;
    }

    /// Stops holding the own lease, and removes the holder from it, within two request time-outs.
    async fn vacate(&mut self) {
        self.forfeit();
        // Two requests: one to read the Lease and one to write it.
        let deadline = self.settings.request_timeout() * 2;
        let vacated = timeout(deadline, self.seats[self.own].vacate()).await;
        match vacated.map_err(RoundError::TimedOut) {
            Ok(Ok(true)) => info!(identity = self.settings.identity, "lease released"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) | Err(error) => {
                warn!(error = with_causes(&error), "lease not released");
            }
        }
    }

    /// Waits for the start of the round, and renews the lease, or acquires one that is free.
    async fn round(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.settings.retry_period();
        let mut outcome = self.attempt().await;
        if outcome.as_ref().is_err_and(RoundError::is_conflict) {
            // Retry at once, because a renewal that waited for the next period would shorten the cover.
            // Only once: a conflict means that another client succeeded in writing the Lease.
            debug!("the lease was modified by another client");
            outcome = self.attempt().await;
        }
        if let Err(error) = outcome {
            warn!(error = with_causes(&error), "lease request failed");
        }
    }

    async fn attempt(&mut self) -> Result<(), RoundError> {
        if self.term.is_none() {
            return self.compete().await;
        }
        let own = &mut self.seats[self.own];
        if own.candidate.must_look() {
            own.look().await?;
        }
        own.claim().await
    }

    /// Acquires the lease of a shard, if there is one to be had.
    async fn compete(&mut self) -> Result<(), RoundError> {
        let count = self.settings.shards;
        self.seats[0].look().await?;
        let mark = self.seats[0].candidate.mark();
        self.look(deciding(count, mark)).await?;
        let now = Instant::now();
        match bid(count, mark, |place| {
            self.seats[place].candidate.is_free(now)
        }) {
            Bid::Take(place) => self.take(place).await,
            Bid::Change => self.change(mark).await,
            Bid::Wait => Ok(()),
        }
    }

    async fn look(&mut self, places: Range<usize>) -> Result<(), RoundError> {
        let looks = self.seats[places].iter_mut().map(Seat::look);
        try_join_all(looks).await.map(drop)
    }

    /// Takes a lease, and keeps it only if the number of shards has not changed meanwhile.
    async fn take(&mut self, place: usize) -> Result<(), RoundError> {
        let mark = Mark::Settled(self.settings.shards);
        self.claim(place, mark).await?;
        if place == 0 {
            return Ok(());
        }
        for _ in 0..CONFIRMATIONS {
            if self.seats[0].look().await.is_ok() {
                if self.seats[0].candidate.mark() == mark {
                    return Ok(());
                }
                break;
            }
        }
        self.vacate().await;
        Ok(())
    }

    /// Takes the lease of the first shard to change the number of shards, and keeps it only if none of the others is
    /// held.
    async fn change(&mut self, before: Mark) -> Result<(), RoundError> {
        self.claim(0, Mark::Changing).await?;
        let others = before.others();
        for _ in 0..CONFIRMATIONS {
            let looked = self.look(others.clone()).await;
            let now = Instant::now();
            let is_free = |seat: &Seat<S>| seat.candidate.is_free(now);
            if looked.is_ok() && self.seats[others.clone()].iter().all(is_free) {
                let mark = Mark::Settled(self.settings.shards);
                let settled = self.claim(0, mark).await;
                return settled.inspect_err(|_| self.forfeit());
            }
            sleep(self.settings.retry_period()).await;
        }
        self.seats[0].candidate.set_mark(before);
        self.vacate().await;
        Ok(())
    }

    async fn claim(&mut self, place: usize, mark: Mark) -> Result<(), RoundError> {
        self.own = place;
        let own = &mut self.seats[place];
        if place == 0 {
            own.candidate.set_mark(mark);
        }
        own.claim().await
    }

    fn held_until(&self) -> Option<Instant> {
        self.seats[self.own].candidate.held_until()
    }

    fn forfeit(&mut self) {
        self.seats[self.own].candidate.forfeit();
    }

    fn begin_term(&mut self) -> Option<(Shard, LeaseGuard)> {
        // The response may have arrived after the lease that it granted had expired.
        let until = self.held_until().filter(|until| *until > Instant::now())?;
        let number = u8::try_from(self.own + 1).ok()?;
        let shard = Shard::new(number, self.settings.shards)?;
        let (term, lease_guard) = LeaseTerm::new(until);
        self.end_term();
        self.term = Some(term);
        self.metrics.leads(Some(shard));
        Some((shard, lease_guard))
    }

    fn end_term(&mut self) {
        if let Some(term) = self.term.take() {
            term.end();
        }
        self.metrics.leads(None);
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
