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
        /// Of which object: `Planned namespace/name`.
        object: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The resource has changed since it was read, so the decision was made on an old picture.
    #[error("{object} has changed in the meantime")]
    Conflict {
        /// `Planned namespace/name`.
        object: String,
    },
    /// This replica does not hold the lease for long enough to change anything at the service.
    #[error("the lease does not last for a change of {object} at the service")]
    NotLeading {
        /// `Planned namespace/name`.
        object: String,
    },
    /// The decisions do not come to an end. That is a mistake in this program.
    #[error("the plan for {object} does not come to an end; this is a bug")]
    StepLimit {
        /// `Planned namespace/name`.
        object: String,
    },
    /// The run panicked. That is a mistake in this program.
    #[error("a run for {object} panicked; this is a bug")]
    Panicked {
        /// `Planned namespace/name`.
        object: String,
    },
}

impl Error {
    /// The class of the error, which stays the same from one failure to the next.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Cluster { operation, .. } => operation,
            Self::Conflict { .. } => "conflict",
            Self::NotLeading { .. } => "not leading",
            Self::StepLimit { .. } => "step limit",
            Self::Panicked { .. } => "panicked",
        }
    }

    /// How long to wait before the run is repeated, after `failures` runs in a row that ended early.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        match self {
            // A watch is behind by milliseconds, or by much more.
            Self::Conflict { .. } => Duration::from_millis(200 << failures.min(8)),
            Self::NotLeading { .. } => Duration::from_secs(1),
            Self::Cluster { .. } | Self::Panicked { .. } => {
                Duration::from_secs(1 << failures.min(6))
            }
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
        let conflict = Error::Conflict { object };
        let pauses = [0, 1, 2, 8, u32::MAX].map(|failures| conflict.pause(failures).as_millis());
        assert_eq!(pauses, [200, 400, 800, 51_200, 51_200]);
    }
}
