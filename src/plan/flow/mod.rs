//! Decides what to do about one [`ProvisioningFlow`].
//!
//! | question | answered in |
//! |---|---|
//! | is there a remote flow? | this file |
//! | is it ours? | `own.rs` |
//! | may it be created now? | `../creation.rs` |
//! | does it differ, and is that corrected? | `update.rs` |
//! | is a reset due, and how far is it? | `reset.rs` |
//! | what does its readiness mean? | `readiness.rs` |
//! | may the resource go? | `delete.rs`, `../deletion.rs` |

use crate::api::{
    ManagementPolicy, ProvisioningFlow, ProvisioningFlowStatus, ResetPhase, annotation, reason,
};
use crate::graph::model::{Flow, FlowSetId, FlowType};

use super::conditions::Summary;
use super::create::{Absence, Missing};
use super::definition::{self, FlowBody};
use super::planner;
use super::{
    Attempt, Blocked, Container, Input, Password, Plan, Planned, Read, ResourceStep, Target,
    password, resource, retry, text,
};

mod delete;
mod own;
mod readiness;
mod reset;
mod update;

#[cfg(test)]
mod tests;

type Planner<'a> = planner::Planner<'a, ProvisioningFlow>;
type Next = planner::Next<Change>;

/// A change of a flow at the service.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Create the flow.
    Create {
        /// The intent that was written down.
        attempt: Attempt,
        /// What to create.
        body: FlowBody,
    },
    /// Change properties of the flow.
    Update {
        /// The flow.
        id: String,
        /// The properties to change, each whole.
        body: FlowBody,
    },
    /// Reset the flow.
    Reset {
        /// The flow.
        id: String,
    },
    /// Delete the flow.
    Delete {
        /// The flow.
        id: String,
    },
}

/// What else has to be known to decide about a flow.
#[derive(Clone, Debug)]
pub struct Related {
    /// An older resource that declares the same flow, in words that a user of this namespace may read.
    pub conflict: Option<String>,
    /// The passwords that the spec refers to, as their Secrets hold them now, or what is missing of them.
    pub passwords: Result<Vec<Password>, Blocked>,
}

impl Planned for ProvisioningFlow {
    type Status = ProvisioningFlowStatus;
    type Item = Flow;
    type Change = Change;
    type Related = Related;

    fn id_of(item: &Flow) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&ProvisioningFlowStatus> {
        self.status.as_ref()
    }

    fn is_in_doubt(&self) -> bool {
        let reset = self
            .status
            .as_ref()
            .and_then(|status| status.reset.as_ref());
        reset.is_some_and(|reset| reset.phase == Some(ResetPhase::Sending))
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = Planner::new(input, inputs(input));
        planner.note_passwords();
        let decision = decide(&mut planner);
        let spec = &input.resource.spec;
        let (readiness, deadline) = readiness::judge(&planner.status, spec, input.now);
        planner.wake_in(deadline);
        let mut plan = planner.finish(decision, &readiness);
        if !plan.status.conditions.is_empty() {
            let kind = definition::flow_type(spec);
            plan.status.type_ = kind.map(|kind| kind.as_str().to_owned());
        }
        plan
    }
}

/// Whether a value of `readinessStatus` is one that this version knows the meaning of.
#[must_use]
pub fn knows_readiness(word: &str) -> bool {
    readiness::knows(word)
}

fn decide(planner: &mut Planner) -> Next {
    let input = planner.input;
    if resource::is_deleting(&*input.resource) {
        return delete::decide(planner);
    }
    if input.resource.spec.suspend {
        return suspended(planner);
    }
    if let Some(older) = &input.related.conflict {
        return conflict(planner, older);
    }
    match &input.target {
        Err(blocked) => planner.blocked_by(blocked),
        Ok(target) => placed(planner, target),
    }
}

fn placed(planner: &mut Planner, target: &Target) -> Next {
    let set = target.set.as_ref();
    let moved = known_set(planner).is_some_and(|known| Some(&known) != set);
    if moved && resource::attempt(&*planner.input.resource).is_some() {
        // It speaks of the set that is gone, and would pass for a claim to the flow of the new one.
        return Next::write(ResourceStep::ClearIntent);
    }
    enter(planner, set);
    if planner.wants_look() {
        return Next::look();
    }
    match find(planner) {
        Found::Unread => Next::look(),
        Found::Unknown => unknown(planner),
        Found::SetGone => set_gone(planner),
        Found::Absent => create(planner),
        Found::Present(flow) => own::decide(planner, &flow),
        Found::Several(ids) => several(planner, &ids),
    }
}

/// Starts to speak of a flow in `set`. What was known of a flow in another set is forgotten: that set is gone.
fn enter(planner: &mut Planner, set: Option<&FlowSetId>) {
    let known = known_set(planner);
    if known.is_some() && known.as_ref() != set {
        planner.status = ProvisioningFlowStatus {
            id: None,
            created_date_time: None,
            last_modified_date_time: None,
            readiness_status: None,
            drift: Vec::new(),
            applied_secrets: Vec::new(),
            applied_definition: None,
            ..planner.status.clone()
        };
    }
    if known.as_ref() != set {
        planner.status.flow_set_id = set.map(ToString::to_string);
    }
}

/// The set that the status speaks of.
fn known_set(planner: &Planner) -> Option<FlowSetId> {
    planner.status.flow_set_id.as_deref()?.parse().ok()
}

fn create(planner: &mut Planner) -> Next {
    let Some(view) = planner.view() else {
        return Next::look();
    };
    let input = planner.input;
    let spec = &input.resource.spec;
    let missing = Missing {
        what: "the set has no flow of this type",
        managed: is_managed(&input.resource),
        drift: spec.drift_policy,
        wanted: wanted_id(&input.resource),
        name: None,
        blocked: input.related.passwords.as_ref().err(),
    };
    planner.create(view, &missing, |attempt| {
        let body = FlowBody::of(spec)?;
        Some(Change::Create { attempt, body })
    })
}

enum Found {
    Unread,
    Unknown,
    /// The set itself does not exist.
    SetGone,
    Absent,
    Present(Flow),
    Several(Vec<String>),
}

/// The flow of our type in our set, of which there can be one at most; or the one that is known to be ours, also where
/// the service does not say of what type it is.
fn find(planner: &Planner) -> Found {
    let listing = match &planner.input.collection {
        None => return Found::Unread,
        Some(Read::Unknown(_)) => return Found::Unknown,
        Some(Read::Known(view)) if view.container == Container::Gone => return Found::SetGone,
        Some(Read::Known(view)) => &view.listing,
    };
    let recorded = planner.status.id.as_deref();
    let mine = |flow: &&Flow| match flow.flow_type {
        Some(_) => flow.flow_type == planner.flow_type(),
        None => recorded.is_some_and(|id| id.eq_ignore_ascii_case(flow.id.as_str())),
    };
    let found: Vec<&Flow> = listing.items.iter().filter(mine).collect();
    match found.as_slice() {
        [] => Found::Absent,
        [flow] => Found::Present((*flow).clone()),
        several => Found::Several(several.iter().map(|flow| flow.id.to_string()).collect()),
    }
}

fn unknown(planner: &Planner) -> Next {
    match &planner.input.collection {
        Some(Read::Unknown(unreadable)) => {
            planner.unreadable(unreadable, planner.status.id.is_some())
        }
        _ => Next::look(),
    }
}

/// The set does not exist, so neither does a flow in it, and none can be created.
///
/// Of a flow that was there before, the lists over the visibility window have to agree.
fn set_gone(planner: &mut Planner) -> Next {
    let Some(view) = planner.view().filter(|view| view.fresh) else {
        return Next::look();
    };
    if planner.status.id.is_some()
        && let Absence::Unproved(wait) = planner.absence(view)
    {
        return planner.wait_for_proof(wait);
    }
    let summary = match &planner.input.resource.spec.flow_set_id {
        Some(id) => Summary::stalled(
            reason::FLOW_SET_NOT_FOUND,
            format!(
                "the service has no set with the id {id} that spec.flowSetId names: create another ProvisioningFlow with the right id"
            ),
        ),
        None => Summary::reconciling(
            reason::FLOW_SET_NOT_READY,
            "the remote set no longer exists: the flow follows once the OutboundProvisioningFlowSet has created it again",
        ),
    };
    Next::stand(summary).within_a_minute()
}

fn suspended(planner: &mut Planner) -> Next {
    planner.blocked_by(&Blocked::suspension(
        reason::SUSPENDED,
        "spec.suspend is true: the remote flow is left as it is and not looked at",
    ))
}

fn conflict(planner: &Planner, older: &str) -> Next {
    let kind = planner.flow_type().map_or("type", FlowType::as_str);
    let message = format!(
        "{older} is older and declares the {kind} flow of the same set; a set holds one flow of each type: delete one of the two resources"
    );
    Next::stand(Summary::stalled(reason::CONFLICT, message)).within_a_minute()
}

fn several(planner: &Planner, ids: &[String]) -> Next {
    let kind = planner.flow_type().map_or("type", FlowType::as_str);
    let message = format!(
        "the set shows {} {kind} flows ({}), of which it can hold one: delete the surplus at the service",
        ids.len(),
        text::list_ids(ids)
    );
    Next::stand(Summary::stalled(reason::DUPLICATE_REMOTE, message))
}

/// Changes when a person changes something that could mend a failure.
fn inputs(input: &Input<ProvisioningFlow>) -> String {
    let resource = &*input.resource;
    let annotated = [
        annotation::REMOTE_ID,
        annotation::REQUESTED_AT,
        annotation::FLUX_REQUESTED_AT,
        annotation::RESET_REQUESTED_AT,
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
fn is_managed(flow: &ProvisioningFlow) -> bool {
    flow.spec.management_policy == ManagementPolicy::Manage
}

/// The id that the user told us to adopt.
fn wanted_id(flow: &ProvisioningFlow) -> Option<&str> {
    resource::annotated(flow, annotation::REMOTE_ID)
}

impl Planner<'_> {
    /// A password that is another than at the last look could be what failures have waited for. It is noticed in memory
    /// only: what the status keeps of the inputs must tell nothing of a password.
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
}
