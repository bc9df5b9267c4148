//! Plans of an [`OutboundProvisioningFlowSet`].
//!
//! The protocol is that of a flow, except for the key: several sets may have the same display name. So a set is
//! identified by its id; before the id is known, only a set that has our display name, that no other resource manages
//! and that was created after our intent can be ours.

use std::collections::BTreeSet;
use std::ops::ControlFlow::{Break, Continue};

use crate::api::{
    FlowCount, OutboundProvisioningFlowSet, OutboundProvisioningFlowSetStatus, reason,
};
use crate::graph::model::{FlowSet, FlowSetDefinition, FlowSetId};

use super::conditions::{Readiness, Summary};
use super::planner;
use super::{Attempt, Input, Ownership, Plan, Planned, Policies};

mod find;
mod update;

pub use find::candidates;

#[cfg(test)]
mod tests;

type FlowSetPlanner<'a> = planner::Planner<'a, OutboundProvisioningFlowSet>;
type FlowSetControl<T = ()> = planner::Control<OutboundProvisioningFlowSet, T>;

/// A change of a set at the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowSetChange {
    /// Create the set.
    Create {
        /// The recorded intent.
        attempt: Attempt,
        /// The set to create.
        definition: FlowSetDefinition,
    },
    /// Update the set.
    Update {
        /// Id of the set.
        id: FlowSetId,
        /// The desired set.
        definition: FlowSetDefinition,
    },
    /// Delete the set.
    Delete {
        /// Id of the set.
        id: FlowSetId,
    },
}

/// Further input for the plan of a set.
#[derive(Clone, Debug, Default)]
pub struct FlowSetRelations {
    /// The resource that has, or may create, a set with the same name through the same connection.
    pub conflict: Option<String>,
    /// Another resource that manages the recorded set, described without details that users of this namespace may not
    /// read. `None` for one that only observes.
    pub owner: Option<String>,
    /// Whether another resource has an unresolved create of a set with this name in the same tenant.
    pub is_contested: bool,
    /// The remote sets that other resources manage, among the [`candidates`] at least.
    pub held: BTreeSet<FlowSetId>,
    /// The flows that refer to this resource.
    pub flows: FlowCount,
}

impl Planned for OutboundProvisioningFlowSet {
    type Status = OutboundProvisioningFlowSetStatus;
    type Id = FlowSetId;
    type Item = FlowSet;
    type Change = FlowSetChange;
    type Related = FlowSetRelations;

    const NOUN: &'static str = "set";

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&OutboundProvisioningFlowSetStatus> {
        self.status.as_ref()
    }

    fn policies(&self) -> Policies {
        Policies {
            management: self.spec.management_policy,
            adoption: self.spec.adoption_policy,
            drift: self.spec.drift_policy,
            deletion: self.spec.deletion_policy,
        }
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = FlowSetPlanner::new(input);
        let control = steps(&mut planner);
        if planner.status.id.is_some() {
            planner.status.flows = Some(input.related.flows.clone());
        }
        let readiness = Readiness::of_existence("the set is as declared");
        planner.finish(control, &readiness)
    }
}

/// Plans one set. Each line either ends planning or continues with the next one; at the end, the set is as declared.
fn steps(planner: &mut FlowSetPlanner) -> FlowSetControl {
    let is_foreign = planner.input.related.owner.is_some();
    let change = |id| FlowSetChange::Delete { id };
    planner.deleted(in_use(planner), is_foreign, find::create_outcome, change)?;
    planner.yield_to(is_foreign);
    planner.suspended(planner.input.resource.spec.suspend)?;
    foreign(planner)?;
    conflict(planner)?;
    planner.target()?;
    planner.requested_refresh()?;
    let (set, ownership) = find::find_or_create(planner)?;
    planner.finalizer()?;
    adopt(planner, &set, ownership);
    update::plan(planner, &set)
}

/// Returns what delays the deletion of the set: its flows must be deleted first.
fn in_use(planner: &FlowSetPlanner) -> Option<Summary> {
    (planner.input.related.flows.total > 0).then(|| {
        Summary::reconciling(
            reason::IN_USE,
            "deletion waits until no ProvisioningFlow refers to this set: delete them too",
        )
    })
}

/// Ends planning if another resource manages the recorded set.
fn foreign(planner: &mut FlowSetPlanner) -> FlowSetControl {
    let Some(owner) = &planner.input.related.owner else {
        return Continue(());
    };
    let message = format!(
        "{owner} manages the set in status.id: delete this resource, which leaves the set unchanged, or set spec.managementPolicy to Observe"
    );
    Break(planner.wait_a_minute(Summary::stalled(reason::CONFLICT, message)))
}

/// Ends planning if another resource has, or may create, a set with the same name.
fn conflict(planner: &mut FlowSetPlanner) -> FlowSetControl {
    let Some(other) = &planner.input.related.conflict else {
        return Continue(());
    };
    let message = format!(
        "{other} declares a set with the same displayName through the same connection and comes first: change the displayName of one of them"
    );
    Break(planner.wait_a_minute(Summary::stalled(reason::CONFLICT, message)))
}

/// Adopts the set and mirrors its properties in the status.
fn adopt(planner: &mut FlowSetPlanner, set: &FlowSet, ownership: Ownership) {
    planner.memory.absent_since = None;
    planner.owned(ownership, set.id.as_str());
    planner.resolve_attempt();
    let status = &mut planner.status;
    status.id = Some(set.id.to_string());
    status.owned = planner.input.resource.is_managed();
    status.created_date_time.clone_from(&set.created);
    status
        .last_modified_date_time
        .clone_from(&set.last_modified);
}
