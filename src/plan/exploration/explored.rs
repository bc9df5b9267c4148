//! Kinds that can be explored.

use std::fmt::Debug;

use serde_json::json;

use crate::api::{
    OutboundProvisioningFlowSet, ProvisioningFlow, ProvisioningFlowStatus, ResetPhase,
};
use crate::graph::model::{Flow, FlowSet};
use crate::plan::resource::{self, created};
use crate::plan::testing::Simulated;
use crate::plan::{Planned, SharedStatus, flow, flow_set};

use super::State;

/// A kind that is explored.
pub(super) trait Explored: Simulated<Item: Debug, Change: Debug> {
    /// Returns the further input of a reconcile for `slot`.
    fn related(state: &State<Self>, slot: usize) -> Self::Related;
    /// Changes an object as the service returns it.
    fn meddle(item: &mut Self::Item);
    /// Returns the id of an object at the service.
    fn id(item: &Self::Item) -> String;
    /// Completes what the service does in the background.
    fn finish(item: &mut Self::Item);
    /// Checks that the status of a settled resource agrees with the effects at the service.
    fn rests(
        _state: &State<Self>,
        _uid: &str,
        _status: &<Self as Planned>::Status,
    ) -> Result<(), String> {
        Ok(())
    }
    /// Returns the request of a reset that is about to be sent.
    fn token(_status: &<Self as Planned>::Status) -> Option<String> {
        None
    }
}

impl Explored for ProvisioningFlow {
    fn related(state: &State<Self>, slot: usize) -> flow::FlowRelations {
        flow::FlowRelations {
            conflict: conflict(state, slot),
            ..Self::surroundings()
        }
    }

    fn id(item: &Flow) -> String {
        item.id.to_string()
    }

    fn meddle(item: &mut Flow) {
        item.properties.change(|members| {
            let options = json!({ "createBasedOnRoleGroup": false });
            members.insert("creationOptions".to_owned(), options);
        });
    }

    fn finish(item: &mut Flow) {
        item.readiness = Some("ready".to_owned());
    }

    fn rests(
        state: &State<Self>,
        uid: &str,
        status: &ProvisioningFlowStatus,
    ) -> Result<(), String> {
        let phase = status.reset.as_ref().and_then(|reset| reset.phase);
        let times = Self::token(status).map_or(0, |token| state.ledger.resets(uid, &token));
        let may_have_left = Self::token(status)
            .is_none_or(|token| state.crashed || state.ledger.has_left(uid, &token));
        let is_true = match phase {
            None => times == 0,
            Some(ResetPhase::Accepted) => times == 1,
            // A request that was never sent is not unresolved, as long as the process with the permit exists.
            Some(ResetPhase::Unknown) => times <= 1 && may_have_left,
            Some(ResetPhase::Sending | ResetPhase::Refused) => false,
        };
        is_true
            .then_some(())
            .ok_or_else(|| format!("{uid} records {phase:?} after {times} resets"))
    }

    fn token(status: &ProvisioningFlowStatus) -> Option<String> {
        let reset = status.reset.as_ref()?;
        Some(format!("{:?}/{:?}", reset.token, reset.requested_at))
    }
}

impl Explored for OutboundProvisioningFlowSet {
    fn related(state: &State<Self>, slot: usize) -> flow_set::FlowSetRelations {
        let others = state
            .cluster
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != slot);
        let held = others.filter_map(|(_, other)| {
            let status = Planned::status(other.resource.as_deref()?)?;
            status.id().filter(|_| status.is_owned())?.parse().ok()
        });
        flow_set::FlowSetRelations {
            conflict: conflict(state, slot),
            held: held.collect(),
            ..Self::surroundings()
        }
    }

    fn id(item: &FlowSet) -> String {
        item.id.to_string()
    }

    fn meddle(item: &mut FlowSet) {
        item.filter = None;
    }

    fn finish(_item: &mut FlowSet) {}
}

/// Returns the other resource that owns the object: the oldest that manages it, else the oldest that may be creating it.
fn conflict<K: Explored>(state: &State<K>, slot: usize) -> Option<String> {
    let own = state.resource(slot)?.uid();
    let slots = state.cluster.iter();
    let all = slots.filter_map(|slot| slot.resource.as_deref());
    let claim = |resource: &K| {
        let status = Planned::status(resource);
        let manages = status.is_some_and(|status| status.is_owned() && status.id().is_some());
        let resolved = status.and_then(SharedStatus::resolved_attempt);
        let claims = manages || resource::is_creating(resource, resolved);
        claims.then(|| (!manages, created(resource), resource.uid()))
    };
    let (_, _, owner) = all.filter_map(claim).min()?;
    if owner == own { None } else { owner }
}
