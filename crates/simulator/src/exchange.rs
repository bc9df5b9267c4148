//! A request between its admission and its answer.

use crate::{
    fault_plan::FaultPlan,
    reply::Reply,
    route::{Operation, Target},
};

/// A request whose fate has been decided.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) target: Target,
    /// None: the method is not allowed.
    pub(crate) operation: Option<Operation>,
    pub(crate) plan: FaultPlan,
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Answered,
    Cut,
}

/// The end of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    pub(crate) line: Line,
    pub(crate) plan: FaultPlan,
}
