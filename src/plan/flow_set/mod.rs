//! Decides what to do about one [`OutboundProvisioningFlowSet`].
//!
//! The protocol is that of a flow, but for the key: several sets may have one display name. So a set is known by its id;
//! before it has one, only a set that has our display name, that no other resource holds and that was made after our
//! intent can be ours.

use std::collections::BTreeSet;

use crate::api::{
    AdoptionPolicy, DeletionPolicy, DriftPolicy, FlowCount, ManagementPolicy,
    OutboundProvisioningFlowSet, OutboundProvisioningFlowSetStatus, annotation, reason,
};
use crate::graph::model::{FlowSet, FlowSetId};

use super::conditions::{Progress, Readiness, Standing};
use super::definition::FlowSetBody;
use super::{Attempt, Kind, Observed, Obstacle, Plan, draft, resource, retry};

mod delete;
mod own;

#[cfg(test)]
mod tests;

type Draft<'a> = draft::Draft<'a, OutboundProvisioningFlowSet>;
type Decision = draft::Decision<Change>;

/// A change of a set at the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create the set.
    Create {
        /// The intent that was written down.
        attempt: Attempt,
        /// What to create.
        body: FlowSetBody,
    },
    /// Change the set.
    Update {
        /// The set.
        id: String,
        /// What it should be.
        body: FlowSetBody,
    },
    /// Delete the set.
    Delete {
        /// The set.
        id: String,
    },
}

/// What else has to be known to decide about a set.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// An older resource that declares a set of the same name through the same connection.
    pub rival: Option<String>,
    /// The remote sets that other resources manage.
    pub held: BTreeSet<FlowSetId>,
    /// The flows that refer to this resource.
    pub flows: FlowCount,
}

impl Kind for OutboundProvisioningFlowSet {
    type Status = OutboundProvisioningFlowSetStatus;
    type Item = FlowSet;
    type Change = Change;
    type Surroundings = Surroundings;

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&OutboundProvisioningFlowSetStatus> {
        self.status.as_ref()
    }

    fn plan(observed: &Observed<Self>) -> Plan<Self> {
        let mut draft = Draft::new(observed, inputs(observed));
        let decision = decide(&mut draft);
        if draft.status.id.is_some() {
            draft.status.flows = Some(observed.around.flows);
        }
        draft.finish(decision, &Readiness::of_existence("the set is as declared"))
    }
}

fn decide(draft: &mut Draft) -> Decision {
    let observed = draft.observed;
    if resource::is_deleting(&*observed.resource) {
        return delete::decide(draft);
    }
    if observed.resource.spec.suspend {
        return draft.obstructed(&Obstacle::suspension(
            reason::SUSPENDED,
            "spec.suspend is true: the remote set is left as it is and not looked at",
        ));
    }
    if let Some(rival) = &observed.around.rival {
        let message = format!(
            "{rival} is older and declares a set with the same displayName through the same connection: give one of the two another name"
        );
        return Decision::stand(Standing::stalled(reason::CONFLICT, message)).within_a_minute();
    }
    match &observed.place {
        Err(obstacle) => draft.obstructed(obstacle),
        Ok(_) if draft.wants_look() => Decision::look(),
        Ok(_) => own::decide(draft),
    }
}

/// Changes when a person changes something that could mend a failure.
fn inputs(observed: &Observed<OutboundProvisioningFlowSet>) -> String {
    let resource = &*observed.resource;
    let annotated = [
        annotation::REMOTE_ID,
        annotation::REQUESTED_AT,
        annotation::FLUX_REQUESTED_AT,
        annotation::ABANDON,
    ]
    .map(|name| resource::annotated(resource, name).unwrap_or_default());
    let generation = resource::generation(resource).to_string();
    let route = observed
        .place
        .as_ref()
        .map_or("", |place| place.route.as_str());
    retry::fingerprint([generation.as_str(), route].into_iter().chain(annotated))
}

/// Whether the operator may write to the service for this resource.
fn is_managed(set: &OutboundProvisioningFlowSet) -> bool {
    set.spec.management_policy == ManagementPolicy::Manage
}

/// The id that the user told us to adopt.
fn wanted_id(set: &OutboundProvisioningFlowSet) -> Option<&str> {
    resource::annotated(set, annotation::REMOTE_ID)
}
