//! Decides what to say about one [`GraphConnection`], and whether it may go.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::SignedDuration;

use crate::api::condition::READY;
use crate::api::{GraphConnection, GraphConnectionStatus, reason};
use crate::graph::model::FlowSet;
use crate::graph::verdict::Verdict;

use super::conditions::{Readiness, Summary, is_true};
use super::planner::{self, Next};
use super::{Blocked, Input, Plan, Planned, Policies, ResourceStep, resource};

/// How often a new credential is tried that the authority has not accepted yet. How often the authority is really asked
/// is decided where tokens are fetched.
const RETRY_CREDENTIAL: SignedDuration = SignedDuration::from_secs(10);

type Planner<'a> = planner::Planner<'a, GraphConnection>;
type Control<T = ()> = planner::Control<GraphConnection, T>;

/// What else has to be known to decide about a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Related {
    /// How many sets and flows refer to the connection.
    pub users: usize,
    /// What the authority answers to a new credential, while the one before is still in use.
    pub refused: Option<Verdict>,
}

impl Planned for GraphConnection {
    type Status = GraphConnectionStatus;
    type Item = FlowSet;
    type Change = Infallible;
    type Related = Related;

    const NOUN: &'static str = "connection";

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&GraphConnectionStatus> {
        self.status.as_ref()
    }

    /// What a connection stands for is not written to the service.
    fn policies(&self) -> Policies {
        Policies::default()
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = Planner::new(input);
        let control = steps(&mut planner);
        let readiness = Readiness::of_existence("the service answers with this credential");
        planner.finish(control, &readiness)
    }
}

/// Plans one connection. Each line ends planning or lets the next one go on; what comes to the end is as declared.
fn steps(planner: &mut Planner) -> Control {
    deleted(planner)?;
    planner.finalizer()?;
    suspended(planner)?;
    planner.target()?;
    planner.requested_refresh()?;
    planner.listed(is_true(&planner.status.conditions, READY))?;
    credential_accepted(planner)
}

/// Ends planning for a connection that its user has deleted.
fn deleted(planner: &mut Planner) -> Control {
    let resource = &*planner.input.resource;
    if !resource::is_deleting(resource) {
        return Continue(());
    }
    if !resource::is_held(resource) {
        return Break(Next::wait(Summary::Unchanged));
    }
    if planner.input.related.users > 0 {
        return Break(planner.wait_a_minute(Summary::reconciling(
            reason::IN_USE,
            "the connection is kept until no OutboundProvisioningFlowSet and no ProvisioningFlow refers to it any more: delete them too",
        )));
    }
    Break(Next::write(ResourceStep::RemoveFinalizer))
}

fn suspended(planner: &mut Planner) -> Control {
    if !planner.input.resource.spec.suspend {
        return Continue(());
    }
    Break(planner.blocked_by(&Blocked::suspension(
        reason::SUSPENDED,
        "spec.suspend is true: nothing that uses this connection is created, changed, reset or looked at",
    )))
}

/// The authority may need a minute to learn of a credential, and what the one before can still do must not stop for it.
fn credential_accepted(planner: &mut Planner) -> Control {
    let Some(verdict) = &planner.input.related.refused else {
        return Continue(());
    };
    let message = format!(
        "The Secret holds a new credential that cannot be used yet; the one before stays in use as long as it works. {}",
        verdict.message
    );
    planner.requeue_after(RETRY_CREDENTIAL);
    Break(planner.blocked_by(&Blocked::missing(verdict.reason.as_str(), message)))
}

#[cfg(test)]
mod tests;
