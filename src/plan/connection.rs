//! Decides what to say about one [`GraphConnection`], and whether it may go.

use std::convert::Infallible;

use k8s_openapi::jiff::SignedDuration;

use crate::api::condition::READY;
use crate::api::{GraphConnection, GraphConnectionStatus, reason};
use crate::graph::model::FlowSet;
use crate::graph::verdict::Verdict;

use super::conditions::{Progress, Readiness, Standing, is_true};
use super::{Kind, Observed, Obstacle, Plan, Read, ResourceStep, draft, resource};

/// How often a new credential is tried that the authority has not accepted yet. How often the authority is really asked
/// is decided where tokens are fetched.
const RETRY_CREDENTIAL: SignedDuration = SignedDuration::from_secs(10);

type Draft<'a> = draft::Draft<'a, GraphConnection>;
type Decision = draft::Decision<Infallible>;

/// What else has to be known to decide about a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How many sets and flows refer to the connection.
    pub users: usize,
    /// What the authority answers to a new credential, while the one before is still in use.
    pub refused: Option<Verdict>,
}

impl Kind for GraphConnection {
    type Status = GraphConnectionStatus;
    type Item = FlowSet;
    type Change = Infallible;
    type Surroundings = Surroundings;

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&GraphConnectionStatus> {
        self.status.as_ref()
    }

    fn plan(observed: &Observed<Self>) -> Plan<Self> {
        let mut draft = Draft::new(observed, String::new());
        let decision = decide(&mut draft);
        let readiness = Readiness::of_existence("the service answers with this credential");
        draft.finish(decision, &readiness)
    }
}

fn decide(draft: &mut Draft) -> Decision {
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
        (Ok(_), Some(Read::Unknown(unreadable))) => {
            let ready = is_true(&draft.status.conditions, READY);
            draft.unreadable(unreadable, ready)
        }
        (Ok(_), Some(Read::Known(_))) => match &observed.around.refused {
            Some(verdict) => not_accepted(draft, verdict),
            None => Decision::stand(Standing::Synced {
                progress: Progress::Settled,
            }),
        },
    }
}

/// The authority may need a minute to learn of a credential, and what the one before can still do must not stop for it.
fn not_accepted(draft: &mut Draft, verdict: &Verdict) -> Decision {
    let message = format!(
        "The Secret holds a new credential that cannot be used yet; the one before stays in use as long as it works. {}",
        verdict.message
    );
    let obstacle = Obstacle::missing(verdict.reason.as_str(), message);
    draft.obstructed(&obstacle).sooner(RETRY_CREDENTIAL)
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
