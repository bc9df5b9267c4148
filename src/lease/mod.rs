//! Leader election: which replica may write.
//!
//! The replicas compete for one `Lease` of `coordination.k8s.io/v1`, by the protocol of client-go,
//! with which this takes part on equal terms. Whoever holds it renews it all the time; when the
//! renewals stop, it expires and goes to another.
//!
//! ```text
//! let lease_guard = elector.acquire().await;
//! select! {
//!     lost = elector.keep() => /* stop all work at once, exit with an error */,
//!     () = work(lease_guard) => /* told to stop, and finished */,
//! }
//! elector.release().await;
//! ```
//!
//! `candidate` decides, on values and times that are passed in; `store` talks to the cluster; this
//! file waits, and bounds each wait.
//!
//! *Guarantees*
//!
//! * Of all candidates for a Lease, at most one [`LeaseGuard`] covers any span at any moment, as long
//!   as their clocks run at about the same rate: the fastest by less than a ninth faster than the
//!   slowest. What the clocks show does not matter: only times that one process measured are
//!   compared, and only with each other.
//! * a guard that has stopped to cover never covers again.
//!
//! *Caveats*
//!
//! * **The lease alone is no fence.** A process can be stopped between its last look at the guard
//!   and the moment its bytes leave. What must not happen twice needs a precondition of its own.
//! * Someone who edits or deletes the Lease by hand can make two leaders, until the first looks at
//!   it again.

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
/// It also keeps the gauge that says whether this process leads, and counts its own writes.
#[derive(Debug)]
pub struct Elector<S = KubernetesLeases> {
    store: S,
    settings: LeaseSettings,
    candidate: Candidate,
    metrics: Metrics,
    /// The guard that was handed out, while it lasts.
    term: Option<LeaseTerm>,
    /// When it is time for the next round.
    next: Instant,
}

/// Why the lease is held no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// No renewal succeeded in time.
    #[error("the lease could not be renewed in time")]
    Expired,
    /// Somebody else was seen holding it.
    #[error("the lease was taken by {holder}")]
    Taken {
        /// The identity of the new holder.
        holder: String,
    },
}

/// What keeps a round from its end.
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
    /// A candidate that uses this client.
    ///
    /// The client should be used for nothing else, so that no other traffic can hold up a renewal,
    /// must not repeat requests by itself, as a repetition would outlast the time that a request has
    /// here, and must not lose one because its connection was idle. See [`crate::clients`].
    #[must_use]
    pub fn new(client: Client, settings: LeaseSettings, metrics: Metrics) -> Self {
        let store = KubernetesLeases::new(client, &settings.namespace, &settings.name);
        Self::with_store(store, settings, metrics)
    }
}

impl<S: LeaseStore> Elector<S> {
    /// A candidate for a lease that is kept elsewhere.
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

    /// Waits until the lease is won. Errors of the API server are logged, and retried.
    ///
    /// *Cancel safety*: nothing is lost but the request under way. If that was the one that would
    /// have won the lease, [`Elector::release`] gives it back.
    pub async fn acquire(&mut self) -> LeaseGuard {
        info!(identity = self.settings.identity, "waiting for the lease");
        let mut told: Option<String> = None;
        loop {
            self.round().await;
            if let Some(lease_guard) = self.begin_term() {
                info!(identity = self.settings.identity, "lease acquired");
                return lease_guard;
            }
            if let Some(holder) = self.candidate.other_holder()
                && told.as_deref() != Some(holder)
            {
                info!(holder, "lease held by another");
                told = Some(holder.to_owned());
            }
        }
    }

    /// Renews the lease until it is lost, and says why it was. Must be polled all the time that the
    /// guard is in use, the time in which the last steps are finished included.
    ///
    /// *Cancel safety*: can be dropped and called again; without it the lease expires.
    pub async fn keep(&mut self) -> LeaseLost {
        while let Some(until) = self.candidate.held_until() {
            // The end comes first: a renewal that is answered too late must not revive the lease.
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

    /// Gives the lease up if this candidate has it, so that the next need not wait for its end.
    ///
    /// Call it only when all work that needed the lease has stopped: the next leader starts at
    /// once. It takes no longer than two requests may ([`LeaseSettings::request_timeout`]); if it
    /// fails, which is logged, the lease expires by itself.
    pub async fn release(mut self) {
        self.candidate.forfeit();
        self.end_term();
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

    /// Waits for its time, then looks, and takes or renews the lease if it is free to.
    async fn round(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.settings.retry_period();
        let mut outcome = self.attempt().await;
        if outcome.as_ref().is_err_and(RoundError::is_conflict) {
            debug!("the lease was written by another in between");
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

    /// Takes the holder out of the Lease, if it is this candidate. A renewal whose answer was not
    /// awaited may still arrive in between, so a conflict leads to another look.
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
        // The answer may have come after the end of what it granted.
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
