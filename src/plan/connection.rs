//! Decides what to say about one [`GraphConnection`], and whether it may go.

use std::convert::Infallible;

use k8s_openapi::jiff::SignedDuration;

use crate::api::condition::READY;
use crate::api::{GraphConnection, GraphConnectionStatus, reason};
use crate::graph::model::FlowSet;
use crate::graph::verdict::Verdict;

use super::conditions::{Progress, Readiness, Summary, is_true};
use super::{Blocked, Input, Plan, Planned, Read, ResourceStep, planner, resource};

/// How often a new credential is tried that the authority has not accepted yet. How often the authority is really asked
/// is decided where tokens are fetched.
const RETRY_CREDENTIAL: SignedDuration = SignedDuration::from_secs(10);

type Planner<'a> = planner::Planner<'a, GraphConnection>;
type Next = planner::Next<Infallible>;

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

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&GraphConnectionStatus> {
        self.status.as_ref()
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = Planner::new(input, String::new());
        let decision = decide(&mut planner);
        let readiness = Readiness::of_existence("the service answers with this credential");
        planner.finish(decision, &readiness)
    }
}

fn decide(planner: &mut Planner) -> Next {
    let input = planner.input;
    let resource = &*input.resource;
    if resource::is_deleting(resource) {
        return delete(planner);
    }
    if !resource::is_held(resource) {
        return Next::write(ResourceStep::AddFinalizer);
    }
    if resource.spec.suspend {
        return planner.blocked_by(&Blocked::suspension(
            reason::SUSPENDED,
            "spec.suspend is true: nothing that uses this connection is created, changed, reset or looked at",
        ));
    }
    match (&input.target, &input.collection) {
        (Err(blocked), _) => planner.blocked_by(blocked),
        (Ok(_), None) => Next::look(),
        (Ok(_), Some(_)) if planner.wants_look() => Next::look(),
        (Ok(_), Some(Read::Unknown(unreadable))) => {
            let ready = is_true(&planner.status.conditions, READY);
            planner.unreadable(unreadable, ready)
        }
        (Ok(_), Some(Read::Known(_))) => match &input.related.refused {
            Some(verdict) => not_accepted(planner, verdict),
            None => Next::stand(Summary::Synced {
                progress: Progress::Settled,
            }),
        },
    }
}

/// The authority may need a minute to learn of a credential, and what the one before can still do must not stop for it.
fn not_accepted(planner: &mut Planner, verdict: &Verdict) -> Next {
    let message = format!(
        "The Secret holds a new credential that cannot be used yet; the one before stays in use as long as it works. {}",
        verdict.message
    );
    let blocked = Blocked::missing(verdict.reason.as_str(), message);
    planner.blocked_by(&blocked).sooner(RETRY_CREDENTIAL)
}

fn delete(planner: &Planner) -> Next {
    if !resource::is_held(&*planner.input.resource) {
        return Next::stand(Summary::Unchanged);
    }
    if planner.input.related.users > 0 {
        return Next::stand(Summary::reconciling(
            reason::IN_USE,
            "the connection is kept until no OutboundProvisioningFlowSet and no ProvisioningFlow refers to it any more: delete them too",
        ))
        .within_a_minute();
    }
    Next::write(ResourceStep::RemoveFinalizer)
}

#[cfg(test)]
mod tests;
