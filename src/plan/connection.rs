//! Decides what to say about one [`GraphConnection`], and whether it may go.

use std::convert::Infallible;

use crate::api::{GraphConnection, GraphConnectionStatus, reason};
use crate::graph::model::FlowSet;
use crate::graph::verdict::Verdict;

use super::conditions::{Progress, Readiness, Standing, is_true};
use super::{Kind, Observed, Obstacle, Plan, Read, ResourceStep, draft, resource};

/// A poll that fails once is no news; the third in a row is.
const FAILURES_WORTH_TELLING: u32 = 3;

type Draft<'a> = draft::Draft<'a, GraphConnection>;
type Decision = draft::Decision<Infallible>;

/// What else has to be known to decide about a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How many sets and flows refer to the connection.
    pub users: usize,
    /// How many polls in a row have failed.
    pub failures: u32,
}

impl Kind for GraphConnection {
    type Status = GraphConnectionStatus;
    type Item = FlowSet;
    type Change = Infallible;
    type Surroundings = Surroundings;

    fn status(&self) -> Option<&GraphConnectionStatus> {
        self.status.as_ref()
    }

    fn plan(observed: &Observed<Self>) -> Plan<Self> {
        let draft = Draft::new(observed, String::new());
        let decision = decide(&draft);
        let readiness = Readiness::of_existence("the service answers with this credential");
        draft.finish(decision, &readiness)
    }
}

fn decide(draft: &Draft) -> Decision {
    let observed = draft.observed;
    let resource = &*observed.resource;
    if resource::is_deleting(resource) {
        return delete(draft);
    }
    if !resource::is_held(resource) {
        return Decision::write(ResourceStep::Hold);
    }
    if resource.spec.suspend {
        return draft.obstructed(&Obstacle::suspension(
            reason::SUSPENDED,
            "spec.suspend is true: nothing that uses this connection is created, changed, reset or looked at",
        ));
    }
    match (&observed.place, &observed.collection) {
        (Err(obstacle), _) => draft.obstructed(obstacle),
        (Ok(_), None) => Decision::look(),
        (Ok(_), Some(_)) if draft.wants_look() => Decision::look(),
        (Ok(_), Some(Read::Unknown(verdict))) => unreadable(draft, verdict),
        (Ok(_), Some(Read::Known(_))) => Decision::stand(Standing::Synced {
            progress: Progress::Settled,
        }),
    }
}

fn unreadable(draft: &Draft, verdict: &Verdict) -> Decision {
    let conditions = &draft.status.conditions;
    let ready = is_true(conditions, crate::api::condition::READY);
    let news = draft.observed.around.failures >= FAILURES_WORTH_TELLING;
    Draft::unreadable(verdict, ready && !news)
}

fn delete(draft: &Draft) -> Decision {
    if !resource::is_held(&*draft.observed.resource) {
        return Decision::stand(Standing::Unchanged);
    }
    if draft.observed.around.users > 0 {
        return Decision::stand(Standing::reconciling(
            reason::IN_USE,
            "the connection is kept until no OutboundProvisioningFlowSet and no ProvisioningFlow refers to it any more: delete them too",
        ))
        .within_a_minute();
    }
    Decision::write(ResourceStep::Release)
}

#[cfg(test)]
mod tests;
