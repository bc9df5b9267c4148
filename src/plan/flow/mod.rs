//! Plans of a [`ProvisioningFlow`].
//!
//! | question | answered in |
//! |---|---|
//! | may the resource be deleted? | `../delete.rs` |
//! | is there a remote flow? | `find.rs` |
//! | may it be created now? | `../create.rs` |
//! | is the flow ours? | `adopt.rs` |
//! | what does its readiness mean? | `readiness.rs` |
//! | has it drifted, and is that corrected? | `update.rs`, `../correct.rs` |
//! | is a reset due or in progress? | `reset.rs` |

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::api::{ProvisioningFlow, ProvisioningFlowStatus, ResetPhase, reason};
use crate::graph::model::{Flow, FlowDefinition, FlowId, FlowSetId, FlowType};

use super::conditions::Summary;
use super::definition;
use super::planner::{self, Next};
use super::{
    Attempt, Blocked, Input, Password, Plan, Planned, Policies, ResourceStep, Target, password,
    resource,
};

mod adopt;
mod find;
mod observed;
mod readiness;
mod reset;
mod update;

#[cfg(test)]
mod tests;

type FlowPlanner<'a> = planner::Planner<'a, ProvisioningFlow>;
type FlowControl<T = ()> = planner::Control<ProvisioningFlow, T>;

/// A change of a flow at the service.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowChange {
    /// Create the flow.
    Create {
        /// The recorded intent.
        attempt: Attempt,
        /// The flow to create.
        definition: FlowDefinition,
    },
    /// Change properties of the flow.
    Update {
        /// Id of the flow.
        id: FlowId,
        /// The properties to change, each in full.
        definition: FlowDefinition,
    },
    /// Reset the flow.
    Reset {
        /// Id of the flow.
        id: FlowId,
    },
    /// Delete the flow.
    Delete {
        /// Id of the flow.
        id: FlowId,
    },
}

/// Further input for the plan of a flow.
#[derive(Clone, Debug)]
pub struct FlowRelations {
    /// The resource that manages the same flow, or has an unresolved create for it, described without details that users
    /// of this namespace may not read. `None` for one that only observes.
    pub conflict: Option<String>,
    /// The current passwords that the spec refers to, or what blocks reading them.
    pub passwords: Result<Vec<Password>, Blocked>,
}

impl Planned for ProvisioningFlow {
    type Status = ProvisioningFlowStatus;
    type Id = FlowId;
    type Item = Flow;
    type Change = FlowChange;
    type Related = FlowRelations;

    const NOUN: &'static str = "flow";

    fn id_of(item: &Flow) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&ProvisioningFlowStatus> {
        self.status.as_ref()
    }

    fn deadline(&self) -> Duration {
        self.spec.progress_deadline.into()
    }

    fn policies(&self) -> Policies {
        Policies {
            management: self.spec.management_policy,
            adoption: self.spec.adoption_policy,
            drift: self.spec.drift_policy,
            deletion: self.spec.deletion_policy,
        }
    }

    fn is_in_doubt(&self) -> bool {
        let reset = self
            .status
            .as_ref()
            .and_then(|status| status.reset.as_ref());
        reset.is_some_and(|reset| reset.phase == Some(ResetPhase::Sending))
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = FlowPlanner::new(input);
        planner.note_passwords();
        let control = steps(&mut planner);
        let spec = &input.resource.spec;
        let (readiness, deadline) = readiness::judge(&planner.status, &input.resource, input.now);
        if let Some(deadline) = deadline {
            planner.requeue_after(deadline);
        }
        let mut plan = planner.finish(control, &readiness);
        if !plan.status.conditions.is_empty() {
            let kind = definition::flow_type(spec);
            plan.status.type_ = kind.map(|kind| kind.as_str().to_owned());
            let reference = spec.flow_set_ref.as_ref().map(|set| &set.name);
            plan.status.flow_set = reference.or(spec.flow_set_id.as_ref()).cloned();
        }
        plan
    }
}

/// Plans one flow. Each line either ends planning or continues with the next one; at the end, the flow is as declared.
fn steps(planner: &mut FlowPlanner) -> FlowControl {
    let is_foreign = planner.input.related.conflict.is_some();
    planner.deleted(None, is_foreign, find::create_outcome, |id| {
        FlowChange::Delete { id }
    })?;
    planner.yield_to(is_foreign);
    planner.suspended(planner.input.resource.spec.suspend)?;
    conflict(planner)?;
    let target = planner.target()?;
    enter(planner, target)?;
    planner.requested_refresh()?;
    let flow = find::find_or_create(planner)?;
    adopt::owned(planner, &flow)?;
    readiness::mirror(&mut planner.status, &flow, planner.input.now);
    let drifted = update::plan(planner, &flow)?;
    reset::plan(planner, &flow, drifted)
}

/// Returns whether this version recognizes a value of `readinessStatus`.
#[must_use]
pub fn knows_readiness(word: &str) -> bool {
    readiness::knows(word)
}

/// Ends planning if another resource owns the flow.
fn conflict(planner: &mut FlowPlanner) -> FlowControl {
    let Some(owner) = &planner.input.related.conflict else {
        return Continue(());
    };
    let kind = planner.type_name();
    let message = format!(
        "{owner} manages the {kind} flow of this set, and a set can have one flow of each type: delete this resource, which leaves the flow unchanged, or set spec.managementPolicy to Observe"
    );
    Break(planner.wait_a_minute(Summary::stalled(reason::CONFLICT, message)))
}

/// Resets the status if the target is another set: it describes a flow in a set that no longer exists.
fn enter(planner: &mut FlowPlanner, target: &Target) -> FlowControl {
    let (known, set) = (known_set(planner), target.set.as_ref());
    if known.as_ref() == set {
        return Continue(());
    }
    if known.is_some() {
        if resource::attempt(&*planner.input.resource).is_some() {
            // The intent was for a flow in the set that no longer exists, and would make the flow in the new set ours.
            return Break(Next::write(ResourceStep::ClearIntent));
        }
        planner.status = ProvisioningFlowStatus {
            id: None,
            owned: false,
            created_date_time: None,
            last_modified_date_time: None,
            readiness_status: None,
            observed: None,
            drift: Vec::new(),
            applied_secrets: Vec::new(),
            applied_definition: None,
            ..planner.status.clone()
        };
    }
    planner.status.flow_set_id = set.map(ToString::to_string);
    Continue(())
}

/// Returns the set that the status records, or `None` if there is none.
fn known_set(planner: &FlowPlanner) -> Option<FlowSetId> {
    planner.status.flow_set_id.as_deref()?.parse().ok()
}

impl FlowPlanner<'_> {
    /// Resets the backoff if a password has changed since the last reconcile, as it may be what caused the failures.
    /// The change is only tracked in memory: the inputs in the status must not reveal anything about a password.
    fn note_passwords(&mut self) {
        let Ok(passwords) = &self.input.related.passwords else {
            return;
        };
        let now = password::digests(passwords);
        let before = self.memory.passwords.seen.replace(now);
        if before.is_some() && before != self.memory.passwords.seen {
            self.status.retry = None;
        }
    }

    fn flow_type(&self) -> Option<FlowType> {
        definition::flow_type(&self.input.resource.spec)
    }

    fn type_name(&self) -> &'static str {
        self.flow_type().map_or("type", FlowType::as_str)
    }
}
