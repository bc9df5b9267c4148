//! Leader election: which replica may write.
//!
//! The replicas compete for one `Lease` of `coordination.k8s.io/v1` with the protocol of client-go, and
//! interoperate with candidates that use client-go itself. The holder renews the Lease periodically;
//! when the renewals stop, it expires and another candidate acquires it.
//!
//! ```text
//! let lease_guard = elector.acquire().await;
//! select! {
//!     lost = elector.keep() => /* stop all work at once, exit with an error */,
//!     () = work(lease_guard) => /* asked to stop, and finished */,
//! }
//! elector.release().await;
//! ```
//!
//! `candidate` decides, from values and times that are passed in; `store` accesses the cluster; this
//! file waits, and bounds each wait.
//!
//! # Guarantees
//!
//! * Among all candidates for a Lease, at most one [`LeaseGuard`] covers any span at any moment,
//!   provided that their clocks run at about the same rate: the fastest less than a ninth faster than
//!   the slowest. With the margin of a tenth, the holder stops after 9/10 of the duration on its own
//!   clock. The absolute time of the clocks does not matter: only times that one process has measured
//!   are compared, and only with each other.
//! * A guard that no longer covers any span never covers one again.
//!
//! # Caveats
//!
//! * **The lease is not a fence.** A process can be suspended between the check of the guard and the
//!   moment its bytes leave. An effect that must not happen twice needs a precondition of its own.
//! * A person who edits or deletes the Lease can cause two leaders, until the first one reads the
//!   Lease again.

mod candidate;
mod guard;
mod settings;
mod store;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use tokio::{
    select,
    time::{Instant, error::Elapsed, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use self::{
    candidate::{Candidate, Proposal},
    guard::LeaseTerm,
};
pub use self::{
    guard::LeaseGuard,
    settings::{LeaseSettings, identity},
    store::{KubernetesLeases, LeaseStore},
};
use crate::{clock, metrics::Metrics, telemetry::with_causes};

/// A candidate for the lease, and its holder once it has won.
///
/// It also maintains the gauge `leader` and counts its own writes.
#[derive(Debug)]
pub struct Elector<S = KubernetesLeases> {
    store: S,
    settings: LeaseSettings,
    candidate: Candidate,
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

/// Error of a round, or of the release.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("failed to read the lease")]
    Get(#[source] kube::Error),
    #[error("failed to write the lease")]
    Write(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    TimedOut(#[source] Elapsed),
}

impl Elector {
    /// Returns a candidate that uses this client.
    ///
    /// The client should be used for nothing else, so that no other traffic can delay a renewal. It must
    /// not retry requests, because a retry would outlast the time limit of the request here, and it must
    /// not lose a request because its connection was idle. See [`crate::clients`].
    #[must_use]
    pub fn new(client: Client, settings: LeaseSettings, metrics: Metrics) -> Self {
        let store = KubernetesLeases::new(client, &settings.namespace, &settings.name);
        Self::with_store(store, settings, metrics)
    }
}

impl<S: LeaseStore> Elector<S> {
    /// Returns a candidate for a lease in the given store.
    #[must_use]
    pub fn with_store(store: S, settings: LeaseSettings, metrics: Metrics) -> Self {
        Self {
            store,
            candidate: Candidate::new(&settings),
            settings,
            metrics,
            term: None,
            next: Instant::now(),
        }
    }

    /// Waits until this candidate has acquired the lease. Errors of the API server are logged and
    /// retried.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses only the request in progress. If that request would have acquired the lease,
    /// [`Elector::release`] releases it.
    pub async fn acquire(&mut self) -> LeaseGuard {
        info!(identity = self.settings.identity, "waiting for the lease");
        let mut logged: Option<String> = None;
        loop {
            self.round().await;
            if let Some(lease_guard) = self.begin_term() {
                info!(identity = self.settings.identity, "lease acquired");
                return lease_guard;
            }
            if let Some(holder) = self.candidate.other_holder()
                && logged.as_deref() != Some(holder)
            {
                info!(holder, "lease held by another");
                logged = Some(holder.to_owned());
            }
        }
    }

    /// Renews the lease until it is lost, and returns the reason. It must be polled for as long as the
    /// guard is in use, including the time in which the last steps are finished.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again; while it is not polled, the lease expires.
    pub async fn keep(&mut self) -> LeaseLost {
        while let Some(until) = self.candidate.held_until() {
            // Expiry is polled first: a renewal that is answered too late must not revive the lease,
            // as another candidate may have acquired it meanwhile.
            select! {
                biased;
                () = sleep_until(until) => self.candidate.forfeit(),
                () = self.round() => {}
            }
            if let (Some(term), Some(until)) = (&self.term, self.candidate.held_until()) {
                term.extend(until);
            }
        }
        self.end_term();
        let lost = self
            .candidate
            .other_holder()
            .map_or(LeaseLost::Expired, |holder| LeaseLost::Taken {
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
        self.candidate.forfeit();
        self.end_term();
        // Two requests: one to read the Lease and one to write it.
        let deadline = self.settings.request_timeout() * 2;
        match timeout(deadline, self.vacate())
            .await
            .map_err(RoundError::TimedOut)
        {
            Ok(Ok(true)) => info!(identity = self.settings.identity, "lease released"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) | Err(error) => {
                warn!(error = with_causes(&error), "lease not released");
            }
        }
    }

    /// Waits for the start of the round, and acquires or renews the lease if it is free.
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
        if self.candidate.must_look() {
            self.look().await?;
        }
        let sent = Instant::now();
        let Some(proposal) = self.candidate.proposal(sent, clock::now()) else {
            return Ok(());
        };
        let lease = match proposal {
            Proposal::Create(lease) => self.write(self.store.create(&lease)).await?,
            Proposal::Replace(lease) => self.write(self.store.replace(&lease)).await?,
        };
        self.candidate.wrote(lease, sent, Instant::now());
        Ok(())
    }

    async fn look(&mut self) -> Result<(), RoundError> {
        let answer = timeout(self.settings.request_timeout(), self.store.get()).await;
        let found = answer
            .map_err(RoundError::TimedOut)?
            .map_err(RoundError::Get)?;
        self.candidate.saw(found, Instant::now());
        Ok(())
    }

    async fn write(
        &self,
        request: impl Future<Output = kube::Result<Lease>>,
    ) -> Result<Lease, RoundError> {
        let answer = timeout(self.settings.request_timeout(), request).await;
        let lease = answer
            .map_err(RoundError::TimedOut)?
            .map_err(RoundError::Write)?;
        self.metrics.lease_write();
        Ok(lease)
    }

    /// Removes the holder from the Lease if it is this candidate. A renewal whose response was not
    /// awaited may still arrive in between, so after a conflict the Lease is read again. The caller
    /// bounds the time.
    async fn vacate(&mut self) -> Result<bool, RoundError> {
        loop {
            self.look().await?;
            let Some(lease) = self.candidate.vacated(clock::now()) else {
                return Ok(false);
            };
            match self.write(self.store.replace(&lease)).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn begin_term(&mut self) -> Option<LeaseGuard> {
        let until = self.candidate.held_until();
        // The response may have arrived after the lease that it granted had expired.
        let until = until.filter(|until| *until > Instant::now())?;
        let (term, lease_guard) = LeaseTerm::new(until);
        self.end_term();
        self.term = Some(term);
        self.metrics.leads(true);
        Some(lease_guard)
    }

    fn end_term(&mut self) {
        if let Some(term) = self.term.take() {
            term.end();
        }
        self.metrics.leads(false);
    }
}

impl RoundError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Write(kube::Error::Api(status)) if status.code == 409)
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
