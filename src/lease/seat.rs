//! One Lease that a process competes for: what is known of it, and the requests for it, each with a time limit.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, error::Elapsed, timeout};

use super::{
    LeaseSettings, LeaseStore,
    candidate::{Candidate, Proposal},
};
use crate::{clock, metrics::Metrics};

/// A Lease, as a candidate knows it.
#[derive(Debug)]
pub(super) struct Seat<S> {
    store: S,
    pub(super) candidate: Candidate,
    request_timeout: Duration,
    metrics: Metrics,
}

/// Error of a round, or of the release.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoundError {
    #[error("failed to read the lease")]
    Get(#[source] kube::Error),
    #[error("failed to write the lease")]
    Write(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    TimedOut(#[source] Elapsed),
}

impl<S: LeaseStore> Seat<S> {
    pub(super) fn new(store: S, settings: &LeaseSettings, metrics: Metrics) -> Self {
        Self {
            store,
            candidate: Candidate::new(settings),
            request_timeout: settings.request_timeout(),
            metrics,
        }
    }

    /// Reads the Lease.
    pub(super) async fn look(&mut self) -> Result<(), RoundError> {
        let answer = timeout(self.request_timeout, self.store.get()).await;
        let found = answer
            .map_err(RoundError::TimedOut)?
            .map_err(RoundError::Get)?;
        self.candidate.saw(found, Instant::now());
        Ok(())
    }

    /// Acquires or renews the lease, if it is free as it was last observed.
    pub(super) async fn claim(&mut self) -> Result<(), RoundError> {
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

    /// Removes the holder from the Lease if it is this candidate, and returns whether it was. A renewal whose response
    /// was not awaited may still arrive in between, so after a conflict the Lease is read again. The caller bounds the
    /// time.
    pub(super) async fn vacate(&mut self) -> Result<bool, RoundError> {
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

    async fn write(
        &self,
        request: impl Future<Output = kube::Result<Lease>>,
    ) -> Result<Lease, RoundError> {
        let answer = timeout(self.request_timeout, request).await;
        let lease = answer
            .map_err(RoundError::TimedOut)?
            .map_err(RoundError::Write)?;
        self.metrics.lease_write();
        Ok(lease)
    }
}

impl RoundError {
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Write(kube::Error::Api(status)) if status.code == 409)
    }
}
