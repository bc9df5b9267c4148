//! Errors that end a reconcile before its plan is complete. The reconcile is retried, and no information is lost.

use std::time::Duration;

use thiserror::Error;

use crate::plan::Blocked;

/// Why a reconcile failed.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// A request to the cluster failed.
    #[error("failed to {operation} {object}")]
    Cluster {
        /// The operation that failed.
        operation: &'static str,
        /// The object: `Kind namespace/name`.
        object: String,
        /// The cause of the failure.
        #[source]
        source: Box<kube::Error>,
    },
    /// The resource has changed since it was read, so the decision was based on a stale version.
    #[error("{object} has changed since it was read")]
    Conflict {
        /// The object: `Kind namespace/name`.
        object: String,
    },
    /// The lease of this replica expires too soon for a change at the service.
    #[error("the lease expires too soon to change {object} at the service")]
    NotLeading {
        /// The object: `Kind namespace/name`.
        object: String,
    },
    /// The plan did not converge within the maximum number of steps. This is a bug.
    #[error(
        "the plan for {object} did not converge within the maximum number of steps; this is a bug"
    )]
    StepLimit {
        /// The object: `Kind namespace/name`.
        object: String,
    },
    /// The operator stops, so that the reconcile does not wait for a list.
    #[error("the operator stops before {object} is reconciled")]
    Stopping {
        /// The object: `Kind namespace/name`.
        object: String,
    },
    /// The reconcile took longer than any should. This is a bug, or a service that is slow in every request.
    #[error("the reconcile of {object} was ended because it took too long; it is repeated")]
    Overdue {
        /// The object: `Kind namespace/name`.
        object: String,
    },
    /// The reconcile panicked. This is a bug.
    #[error("the reconcile of {object} panicked; this is a bug")]
    Panicked {
        /// The object: `Kind namespace/name`.
        object: String,
    },
}

/// Why something that a reconcile needs is not available.
#[derive(Debug)]
pub enum Unavailable {
    /// Something else must change first. The plan of the resource reports it.
    Blocked(Blocked),
    /// A request to the cluster failed. The reconcile ends, and is retried.
    Failed(ReconcileError),
}

impl From<Blocked> for Unavailable {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

impl From<ReconcileError> for Unavailable {
    fn from(error: ReconcileError) -> Self {
        Self::Failed(error)
    }
}

/// Separates what a plan reports from what ends a reconcile.
pub fn settled<T>(result: Result<T, Unavailable>) -> Result<Result<T, Blocked>, ReconcileError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Unavailable::Blocked(blocked)) => Ok(Err(blocked)),
        Err(Unavailable::Failed(error)) => Err(error),
    }
}

impl ReconcileError {
    /// Returns the class of the error, which stays the same from one failure to the next.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Cluster { operation, .. } => operation,
            Self::Conflict { .. } => "conflict",
            Self::NotLeading { .. } => "not leading",
            Self::StepLimit { .. } => "step limit",
            Self::Stopping { .. } => "stopping",
            Self::Overdue { .. } => "overdue",
            Self::Panicked { .. } => "panicked",
        }
    }

    /// Returns the pause before the next attempt, after `failures` consecutive failed reconciles.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        match self {
            // The watch usually catches up within milliseconds, so start at 200 ms; if it is far behind, the pause grows
            // to 200 ms << 8 = 51 s, still far below the default relist interval of 1 h.
            Self::Conflict { .. } => Duration::from_millis(200 << failures.min(8)),
            // The lease is renewed every few seconds, so a short pause is enough.
            Self::NotLeading { .. } | Self::Stopping { .. } => Duration::from_secs(1),
            // 1 s << 6 = 64 s: about a minute bounds the delay after an outage of the API server.
            Self::Cluster { .. } | Self::Panicked { .. } | Self::Overdue { .. } => {
                Duration::from_secs(1 << failures.min(6))
            }
            // Each attempt can send several requests to the service, so retry a bug rarely.
            Self::StepLimit { .. } => Duration::from_mins(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_on_an_old_picture_is_repeated_soon_and_then_ever_more_slowly() {
        let object = "ProvisioningFlow north/users".to_owned();
        let conflict = ReconcileError::Conflict { object };
        let pauses = [0, 1, 2, 8, u32::MAX].map(|failures| conflict.pause(failures).as_millis());
        assert_eq!(pauses, [200, 400, 800, 51_200, 51_200]);
    }
}
