//! What ends a run before its plan is carried out. The run is repeated; nothing is lost.

use std::time::Duration;

use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// The cluster did not do what was asked.
    #[error("failed to {operation} {object}")]
    Cluster {
        /// What was asked.
        operation: &'static str,
        /// Of which object: `Kind namespace/name`.
        object: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The resource has changed since it was read, so the decision was made on an old picture.
    #[error("{object} has changed in the meantime")]
    Outdated {
        /// `Kind namespace/name`.
        object: String,
    },
    /// This replica does not hold the lease for long enough to change anything at the service.
    #[error("the lease does not last for a change of {object} at the service")]
    NotLeading {
        /// `Kind namespace/name`.
        object: String,
    },
    /// The decisions do not come to an end. That is a mistake in this program.
    #[error("the plan for {object} does not come to an end; this is a bug")]
    Endless {
        /// `Kind namespace/name`.
        object: String,
    },
}

impl Error {
    /// How long to wait before the run is repeated, after `failures` runs in a row that ended early.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        match self {
            Self::Outdated { .. } => Duration::from_millis(200),
            Self::NotLeading { .. } => Duration::from_secs(1),
            Self::Cluster { .. } => Duration::from_secs(1 << failures.min(6)),
            Self::Endless { .. } => Duration::from_mins(5),
        }
    }
}
