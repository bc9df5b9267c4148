//! Operations of the service and their outcomes: the labels of logs and metrics.

use std::{fmt, sync::Arc, time::Duration};

use super::{budget::Priority, verdict::Reason};

/// Request that this client can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Obtain an access token from the authority.
    FetchToken,
    /// List flow sets (one page).
    ListFlowSets,
    /// List flow sets with their flows (one page).
    ListFlowSetsWithFlows,
    /// Read one flow set.
    GetFlowSet,
    /// Create a flow set.
    CreateFlowSet,
    /// Change a flow set.
    UpdateFlowSet,
    /// Delete a flow set.
    DeleteFlowSet,
    /// List the flows of a set (one page).
    ListFlows,
    /// List the flows of several sets (one batch).
    ListFlowsOfSets,
    /// Read one flow.
    GetFlow,
    /// Create a flow.
    CreateFlow,
    /// Change a flow.
    UpdateFlow,
    /// Delete a flow.
    DeleteFlow,
    /// Reset a flow.
    ResetFlow,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 14] = [
        Self::FetchToken,
        Self::ListFlowSets,
        Self::ListFlowSetsWithFlows,
        Self::GetFlowSet,
        Self::CreateFlowSet,
        Self::UpdateFlowSet,
        Self::DeleteFlowSet,
        Self::ListFlows,
        Self::ListFlowsOfSets,
        Self::GetFlow,
        Self::CreateFlow,
        Self::UpdateFlow,
        Self::DeleteFlow,
        Self::ResetFlow,
    ];

    /// Returns the name used in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchToken => "FetchToken",
            Self::ListFlowSets => "ListFlowSets",
            Self::ListFlowSetsWithFlows => "ListFlowSetsWithFlows",
            Self::GetFlowSet => "GetFlowSet",
            Self::CreateFlowSet => "CreateFlowSet",
            Self::UpdateFlowSet => "UpdateFlowSet",
            Self::DeleteFlowSet => "DeleteFlowSet",
            Self::ListFlows => "ListFlows",
            Self::ListFlowsOfSets => "ListFlowsOfSets",
            Self::GetFlow => "GetFlow",
            Self::CreateFlow => "CreateFlow",
            Self::UpdateFlow => "UpdateFlow",
            Self::DeleteFlow => "DeleteFlow",
            Self::ResetFlow => "ResetFlow",
        }
    }

    /// Returns whether it changes something at the service.
    #[must_use]
    pub const fn is_change(self) -> bool {
        match self {
            Self::CreateFlowSet
            | Self::UpdateFlowSet
            | Self::DeleteFlowSet
            | Self::CreateFlow
            | Self::UpdateFlow
            | Self::DeleteFlow
            | Self::ResetFlow => true,
            Self::FetchToken
            | Self::ListFlowSets
            | Self::ListFlowSetsWithFlows
            | Self::GetFlowSet
            | Self::ListFlows
            | Self::ListFlowsOfSets
            | Self::GetFlow => false,
        }
    }

    /// Returns a description that can follow "failed to" or "could not".
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::FetchToken => "obtain an access token",
            Self::ListFlowSets => "list the flow sets",
            Self::ListFlowSetsWithFlows => "list the flow sets with their flows",
            Self::GetFlowSet => "read the flow set",
            Self::CreateFlowSet => "create the flow set",
            Self::UpdateFlowSet => "update the flow set",
            Self::DeleteFlowSet => "delete the flow set",
            Self::ListFlows => "list the flows",
            Self::ListFlowsOfSets => "list the flows of several sets",
            Self::GetFlow => "read the flow",
            Self::CreateFlow => "create the flow",
            Self::UpdateFlow => "update the flow",
            Self::DeleteFlow => "delete the flow",
            Self::ResetFlow => "reset the flow",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestOutcome {
    /// A response of the documented shape.
    Success,
    /// A failure, with its class.
    Failure(Reason),
}

impl RequestOutcome {
    /// Returns all outcomes.
    pub fn all() -> impl Iterator<Item = Self> {
        let failures = Reason::ALL.iter().map(|(reason, _)| Self::Failure(*reason));
        std::iter::once(Self::Success).chain(failures)
    }

    /// Returns the name used in labels: `Success`, or the name of the [`Reason`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failure(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to a request: once for each page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The budget granted it.
    Admitted {
        /// Its priority.
        priority: Priority,
        /// Time that it waited for the budget.
        waited: Duration,
    },
    /// It is finished.
    Finished {
        /// What it was for.
        operation: Operation,
        /// How it ended.
        outcome: RequestOutcome,
        /// Time since the budget granted it; zero if the budget refused it.
        duration: Duration,
    },
}

/// Callback for requests. It is called on the task that makes the request, so it must not block.
pub type Observer = Arc<dyn Fn(Observation) + Send + Sync>;

/// Returns an observer that ignores everything.
#[must_use]
pub fn unobserved() -> Observer {
    Arc::new(|_| {})
}
