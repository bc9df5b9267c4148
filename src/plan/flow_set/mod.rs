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

use super::conditions::{Progress, Readiness, Summary};
use super::definition::FlowSetBody;
use super::{Attempt, Blocked, Input, Plan, Planned, planner, resource, retry};

mod delete;
mod own;

#[cfg(test)]
mod tests;

type Planner<'a> = planner::Planner<'a, OutboundProvisioningFlowSet>;
type Next = planner::Next<Change>;

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
pub struct Related {
    /// An older resource that declares a set of the same name through the same connection.
    pub conflict: Option<String>,
    /// The remote sets that other resources manage.
    pub held: BTreeSet<FlowSetId>,
    /// The flows that refer to this resource.
    pub flows: FlowCount,
}

impl Planned for OutboundProvisioningFlowSet {
    type Status = OutboundProvisioningFlowSetStatus;
    type Item = FlowSet;
    type Change = Change;
    type Related = Related;

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&OutboundProvisioningFlowSetStatus> {
        self.status.as_ref()
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = Planner::new(input, inputs(input));
        let decision = decide(&mut planner);
        if planner.status.id.is_some() {
            planner.status.flows = Some(input.related.flows);
        }
        planner.finish(decision, &Readiness::of_existence("the set is as declared"))
    }
}

fn decide(planner: &mut Planner) -> Next {
    let input = planner.input;
    if resource::is_deleting(&*input.resource) {
        return delete::decide(planner);
    }
    if input.resource.spec.suspend {
        return planner.blocked_by(&Blocked::suspension(
            reason::SUSPENDED,
            "spec.suspend is true: the remote set is left as it is and not looked at",
        ));
    }
    if let Some(conflict) = &input.related.conflict {
        let message = format!(
            "{conflict} is older and declares a set with the same displayName through the same connection: give one of the two another name"
        );
        return Next::stand(Summary::stalled(reason::CONFLICT, message)).within_a_minute();
    }
    match &input.target {
        Err(blocked) => planner.blocked_by(blocked),
        Ok(_) if planner.wants_look() => Next::look(),
        Ok(_) => own::decide(planner),
    }
}

/// Changes when a person changes something that could mend a failure.
fn inputs(input: &Input<OutboundProvisioningFlowSet>) -> String {
    let resource = &*input.resource;
    let annotated = [
        annotation::REMOTE_ID,
        annotation::REQUESTED_AT,
        annotation::FLUX_REQUESTED_AT,
        annotation::ABANDON,
    ]
    .map(|name| resource::annotated(resource, name).unwrap_or_default());
    let generation = resource::generation(resource).to_string();
    let revision = input
        .target
        .as_ref()
        .map_or("", |target| target.revision.as_str());
    retry::fingerprint([generation.as_str(), revision].into_iter().chain(annotated))
}

/// Whether the operator may write to the service for this resource.
fn is_managed(set: &OutboundProvisioningFlowSet) -> bool {
    set.spec.management_policy == ManagementPolicy::Manage
}

/// The id that the user told us to adopt.
fn wanted_id(set: &OutboundProvisioningFlowSet) -> Option<&str> {
    resource::annotated(set, annotation::REMOTE_ID)
}
