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

use super::conditions::Standing;
use super::creation::{Absence, Missing};
use super::definition::{self, FlowBody};
use super::draft;
use super::{
    Attempt, Container, Kind, Observed, Obstacle, Password, Place, Plan, Read, ResourceStep,
    password, resource, retry, text,
};

mod delete;
mod own;
mod readiness;
mod reset;
mod update;

#[cfg(test)]
mod tests;

type Draft<'a> = draft::Draft<'a, ProvisioningFlow>;
type Decision = draft::Decision<Change>;

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
pub struct Surroundings {
    /// An older resource that declares the same flow, in words that a user of this namespace may read.
    pub rival: Option<String>,
    /// The passwords that the spec refers to, as their Secrets hold them now, or what is missing of them.
    pub passwords: Result<Vec<Password>, Obstacle>,
}

impl Kind for ProvisioningFlow {
    type Status = ProvisioningFlowStatus;
    type Item = Flow;
    type Change = Change;
    type Surroundings = Surroundings;

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

    fn plan(observed: &Observed<Self>) -> Plan<Self> {
        let mut draft = Draft::new(observed, inputs(observed));
        draft.note_passwords();
        let decision = decide(&mut draft);
        let spec = &observed.resource.spec;
        let (readiness, deadline) = readiness::judge(&draft.status, spec, observed.now);
        draft.wake_in(deadline);
        let mut plan = draft.finish(decision, &readiness);
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

fn decide(draft: &mut Draft) -> Decision {
    let observed = draft.observed;
    if resource::is_deleting(&*observed.resource) {
        return delete::decide(draft);
    }
    if observed.resource.spec.suspend {
        return suspended(draft);
    }
    if let Some(rival) = &observed.around.rival {
        return conflict(draft, rival);
    }
    match &observed.place {
        Err(obstacle) => draft.obstructed(obstacle),
        Ok(place) => placed(draft, place),
    }
}

fn placed(draft: &mut Draft, place: &Place) -> Decision {
    let set = place.set.as_ref();
    let moved = known_set(draft).is_some_and(|known| Some(&known) != set);
    if moved && resource::attempt(&*draft.observed.resource).is_some() {
        // It speaks of the set that is gone, and would pass for a claim to the flow of the new one.
        return Decision::write(ResourceStep::Unclaim);
    }
    enter(draft, set);
    if draft.wants_look() {
        return Decision::look();
    }
    match find(draft) {
        Found::Unread => Decision::look(),
        Found::Unknown => unknown(draft),
        Found::SetGone => set_gone(draft),
        Found::Absent => create(draft),
        Found::Present(flow) => own::decide(draft, &flow),
        Found::Several(ids) => several(draft, &ids),
    }
}

/// Starts to speak of a flow in `set`. What was known of a flow in another set is forgotten: that set is gone.
fn enter(draft: &mut Draft, set: Option<&FlowSetId>) {
    let known = known_set(draft);
    if known.is_some() && known.as_ref() != set {
        draft.status = ProvisioningFlowStatus {
            id: None,
            created_date_time: None,
            last_modified_date_time: None,
            readiness_status: None,
            drift: Vec::new(),
            applied_secrets: Vec::new(),
            applied_definition: None,
            ..draft.status.clone()
        };
    }
    if known.as_ref() != set {
        draft.status.flow_set_id = set.map(ToString::to_string);
    }
}

/// The set that the status speaks of.
fn known_set(draft: &Draft) -> Option<FlowSetId> {
    draft.status.flow_set_id.as_deref()?.parse().ok()
}

fn create(draft: &mut Draft) -> Decision {
    let Some(view) = draft.view() else {
        return Decision::look();
    };
    let observed = draft.observed;
    let spec = &observed.resource.spec;
    let missing = Missing {
        what: "the set has no flow of this type",
        managed: is_managed(&observed.resource),
        drift: spec.drift_policy,
        wanted: wanted_id(&observed.resource),
        name: None,
        obstacle: observed.around.passwords.as_ref().err(),
    };
    draft.create(view, &missing, |attempt| {
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
fn find(draft: &Draft) -> Found {
    let listing = match &draft.observed.collection {
        None => return Found::Unread,
        Some(Read::Unknown(_)) => return Found::Unknown,
        Some(Read::Known(view)) if view.container == Container::Gone => return Found::SetGone,
        Some(Read::Known(view)) => &view.listing,
    };
    let recorded = draft.status.id.as_deref();
    let mine = |flow: &&Flow| match flow.flow_type {
        Some(_) => flow.flow_type == draft.flow_type(),
        None => recorded.is_some_and(|id| id.eq_ignore_ascii_case(flow.id.as_str())),
    };
    let found: Vec<&Flow> = listing.items.iter().filter(mine).collect();
    match found.as_slice() {
        [] => Found::Absent,
        [flow] => Found::Present((*flow).clone()),
        several => Found::Several(several.iter().map(|flow| flow.id.to_string()).collect()),
    }
}

fn unknown(draft: &Draft) -> Decision {
    match &draft.observed.collection {
        Some(Read::Unknown(unreadable)) => draft.unreadable(unreadable, draft.status.id.is_some()),
        _ => Decision::look(),
    }
}

/// The set does not exist, so neither does a flow in it, and none can be created.
///
/// Of a flow that was there before, the lists over the visibility window have to agree.
fn set_gone(draft: &mut Draft) -> Decision {
    let Some(view) = draft.view().filter(|view| view.fresh) else {
        return Decision::look();
    };
    if draft.status.id.is_some()
        && let Absence::Unproved(wait) = draft.absence(view)
    {
        return draft.wait_for_proof(wait);
    }
    let standing = match &draft.observed.resource.spec.flow_set_id {
        Some(id) => Standing::stalled(
            reason::FLOW_SET_NOT_FOUND,
            format!(
                "the service has no set with the id {id} that spec.flowSetId names: create another ProvisioningFlow with the right id"
            ),
        ),
        None => Standing::reconciling(
            reason::FLOW_SET_NOT_READY,
            "the remote set no longer exists: the flow follows once the OutboundProvisioningFlowSet has created it again",
        ),
    };
    Decision::stand(standing).within_a_minute()
}

fn suspended(draft: &mut Draft) -> Decision {
    draft.obstructed(&Obstacle::suspension(
        reason::SUSPENDED,
        "spec.suspend is true: the remote flow is left as it is and not looked at",
    ))
}

fn conflict(draft: &Draft, rival: &str) -> Decision {
    let kind = draft.flow_type().map_or("type", FlowType::as_str);
    let message = format!(
        "{rival} is older and declares the {kind} flow of the same set; a set holds one flow of each type: delete one of the two resources"
    );
    Decision::stand(Standing::stalled(reason::CONFLICT, message)).within_a_minute()
}

fn several(draft: &Draft, ids: &[String]) -> Decision {
    let kind = draft.flow_type().map_or("type", FlowType::as_str);
    let message = format!(
        "the set shows {} {kind} flows ({}), of which it can hold one: delete the surplus at the service",
        ids.len(),
        text::list_ids(ids)
    );
    Decision::stand(Standing::stalled(reason::DUPLICATE_REMOTE, message))
}

/// Changes when a person changes something that could mend a failure.
fn inputs(observed: &Observed<ProvisioningFlow>) -> String {
    let resource = &*observed.resource;
    let annotated = [
        annotation::REMOTE_ID,
        annotation::REQUESTED_AT,
        annotation::FLUX_REQUESTED_AT,
        annotation::RESET_REQUESTED_AT,
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
fn is_managed(flow: &ProvisioningFlow) -> bool {
    flow.spec.management_policy == ManagementPolicy::Manage
}

/// The id that the user told us to adopt.
fn wanted_id(flow: &ProvisioningFlow) -> Option<&str> {
    resource::annotated(flow, annotation::REMOTE_ID)
}

impl Draft<'_> {
    /// A password that is another than at the last look could be what failures have waited for. It is noticed in memory
    /// only: what the status keeps of the inputs must tell nothing of a password.
    fn note_passwords(&mut self) {
        let Ok(passwords) = &self.observed.around.passwords else {
            return;
        };
        let now = password::digests(passwords);
        let before = self.memory.passwords.seen.replace(now);
        if before.is_some() && before != self.memory.passwords.seen {
            self.status.retry = None;
        }
    }

    fn flow_type(&self) -> Option<FlowType> {
        definition::flow_type(&self.observed.resource.spec)
    }
}
