//! What resources say of themselves.

use industrydata_operator::api::{
    GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, ResetPhase,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A resource with conditions.
pub trait Conditions {
    fn conditions(&self) -> &[Condition];

    fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions().iter().find(|one| one.type_ == type_)
    }
}

impl Conditions for GraphConnection {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |one| &one.conditions)
    }
}

impl Conditions for OutboundProvisioningFlowSet {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |one| &one.conditions)
    }
}

impl Conditions for ProvisioningFlow {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |one| &one.conditions)
    }
}

/// A condition, as `status/reason`; empty if there is none.
pub fn told(object: &impl Conditions, type_: &str) -> String {
    let condition = object.condition(type_);
    condition.map_or_else(String::new, |one| format!("{}/{}", one.status, one.reason))
}

/// `Ready`, as `status/reason`.
pub fn ready(object: &impl Conditions) -> String {
    told(object, "Ready")
}

/// `Stalled`, as `status/reason`; empty if it is not.
pub fn stalled(object: &impl Conditions) -> String {
    told(object, "Stalled")
}

/// What `Stalled` says.
pub fn advice(object: &impl Conditions) -> String {
    let stalled = object.condition("Stalled");
    stalled.map_or_else(String::new, |one| one.message.clone())
}

/// What `Ready` says, the headline.
pub fn headline(object: &impl Conditions) -> Condition {
    object.condition("Ready").unwrap().clone()
}

/// Whether something is in progress or a person is needed.
pub fn is_moving(object: &impl Conditions) -> bool {
    let moving = ["Reconciling", "Stalled"];
    moving.iter().any(|type_| object.condition(type_).is_some())
}

/// Whether a flow is Ready for its present generation.
pub fn is_ready(flow: &ProvisioningFlow) -> bool {
    let status = flow.status.as_ref();
    let current = status.map(|status| status.observed_generation);
    ready(flow) == "True/Ready" && current == flow.metadata.generation
}

/// The id of a flow at the service, which it must have.
pub fn remote_id(flow: &ProvisioningFlow) -> String {
    known_id(flow).unwrap()
}

/// The id of a flow at the service, or `None` if it is not known.
pub fn known_id(flow: &ProvisioningFlow) -> Option<String> {
    flow.status.as_ref()?.id.clone()
}

/// How far the last reset of a flow has got.
pub fn reset_phase(flow: &ProvisioningFlow) -> Option<ResetPhase> {
    flow.status.as_ref()?.reset.as_ref()?.phase
}

/// Whether the last reset of a flow was by this token, and accepted.
pub fn has_accepted(flow: &ProvisioningFlow, token: &str) -> bool {
    let status = flow.status.as_ref();
    let reset = status.and_then(|status| status.reset.as_ref());
    reset.is_some_and(|reset| {
        reset.token.as_deref() == Some(token) && reset.phase == Some(ResetPhase::Accepted)
    })
}
