//! What is asked of the service, and how it went: the labels of logs and metrics.

use std::{fmt, sync::Arc, time::Duration};

use super::verdict::Reason;

/// The requests that this client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Obtain an access token from the authority.
    FetchToken,
    /// List flow sets (one page).
    ListFlowSets,
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
    /// The name for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchToken => "FetchToken",
            Self::ListFlowSets => "ListFlowSets",
            Self::GetFlowSet => "GetFlowSet",
            Self::CreateFlowSet => "CreateFlowSet",
            Self::UpdateFlowSet => "UpdateFlowSet",
            Self::DeleteFlowSet => "DeleteFlowSet",
            Self::ListFlows => "ListFlows",
            Self::GetFlow => "GetFlow",
            Self::CreateFlow => "CreateFlow",
            Self::UpdateFlow => "UpdateFlow",
            Self::DeleteFlow => "DeleteFlow",
            Self::ResetFlow => "ResetFlow",
        }
    }

    /// What it does, to follow "failed to" or "could not".
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::FetchToken => "obtain an access token",
            Self::ListFlowSets => "list the flow sets",
            Self::GetFlowSet => "read the flow set",
            Self::CreateFlowSet => "create the flow set",
            Self::UpdateFlowSet => "update the flow set",
            Self::DeleteFlowSet => "delete the flow set",
            Self::ListFlows => "list the flows",
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

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestOutcome {
    /// As it should.
    Success,
    /// It failed.
    Failure(Reason),
}

impl RequestOutcome {
    /// The name for labels: `Success`, or that of the [`Reason`].
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

/// Told of each finished request: what it was, how it went and how long it took.
///
/// A list counts once a page. The duration starts when the budget lets the request go; a request
/// that the budget refused is told with zero. Called on the task that made the request, so it must
/// not block.
pub type Observer = Arc<dyn Fn(Operation, RequestOutcome, Duration) + Send + Sync>;

/// An observer that ignores everything.
#[must_use]
pub fn unobserved() -> Observer {
    Arc::new(|_, _, _| {})
}
