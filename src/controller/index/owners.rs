//! Who owns a remote object.
//!
//! A resource owns an object if the operator may write to the service for it, the service has answered through its
//! connection, and its status records that it manages the object, or else its create of the object is unresolved. Mere
//! knowledge of an id blocks no other. Of several owners, which only restored statuses can bring about, the oldest counts.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::graph::model::FlowSetId;
use crate::plan::definition::flow_type;

use super::indexer::Name;
use super::keys::{FlowKey, SetKey};
use super::reservations::Claim;
use super::state::{IndexState, remote_id};
use super::{Index, Indexed, display_name, namespace};

impl IndexState {
    /// The other resource that owns the flow of this type in this set.
    fn owner_of_flow(
        &self,
        flow: &ProvisioningFlow,
        set: &FlowSetId,
    ) -> Option<&Arc<ProvisioningFlow>> {
        let kind = flow_type(&flow.spec)?;
        let tenant = self.tenant(flow);
        let keys = [
            FlowKey::Owns(tenant.clone(), set.clone(), kind),
            FlowKey::Creates(tenant, set.clone(), kind),
        ];
        let owner = keys.iter().find_map(|key| self.flows.first(key))?;
        (owner.uid() != flow.uid()).then_some(owner)
    }

    /// The other resource that owns a remote set.
    fn owner_of_set(
        &self,
        set: &OutboundProvisioningFlowSet,
        id: &FlowSetId,
    ) -> Option<&Arc<OutboundProvisioningFlowSet>> {
        let connection = Name::beside(set, &set.spec.connection_ref.name);
        let tenant = self.access(&connection)?.tenant;
        let owner = self.sets.first(&SetKey::Owns(tenant, id.clone()))?;
        (owner.uid() != set.uid()).then_some(owner)
    }

    /// The other resource that has a set of the same name through the same connection, or else is older.
    fn namesake(
        &self,
        set: &OutboundProvisioningFlowSet,
    ) -> Option<&Arc<OutboundProvisioningFlowSet>> {
        let (connection, name) = named(set);
        let first = self
            .sets
            .first(&SetKey::Holds(connection.clone(), name.clone()));
        let first = first.or_else(|| self.sets.first(&SetKey::Declares(connection, name)))?;
        (first.uid() != set.uid()).then_some(first)
    }
}

impl Index {
    /// Another resource that owns the flow that a resource declares, in words that a user of this namespace may read.
    pub fn owner_of_flow(&self, flow: &ProvisioningFlow) -> Option<String> {
        let state = self.state();
        let owner = state.owner_of_flow(flow, &state.place_of(flow)?)?;
        Some(display_name(&**owner, flow))
    }

    /// The other resources that declare or record the same flow, in whatever namespace and tenant.
    pub fn rivals_of(&self, flow: &ProvisioningFlow) -> Vec<Arc<ProvisioningFlow>> {
        let (state, kind) = (self.state(), flow_type(&flow.spec));
        let place = state.place_of(flow).map(FlowKey::Within);
        let within = place.iter().flat_map(|key| state.flows.with(key));
        let is_rival = |other: &&Arc<ProvisioningFlow>| {
            other.uid() != flow.uid() && flow_type(&other.spec) == kind
        };
        within.filter(is_rival).cloned().collect()
    }

    /// Another resource that owns the set that a resource records.
    pub fn owner_of_set(&self, set: &OutboundProvisioningFlowSet) -> Option<String> {
        let state = self.state();
        let owner = state.owner_of_set(set, &remote_id(set)?)?;
        Some(display_name(&**owner, set))
    }

    /// Whether another resource than `set` owns a remote set.
    pub fn is_held_by_other(&self, set: &OutboundProvisioningFlowSet, id: &FlowSetId) -> bool {
        self.state().owner_of_set(set, id).is_some()
    }

    /// Another resource that comes first for the name of a set through the same connection.
    pub fn namesake_of(&self, set: &OutboundProvisioningFlowSet) -> Option<String> {
        let state = self.state();
        let first = state.namesake(set)?;
        Some(display_name(&**first, set))
    }

    /// Whether another resource may be creating a set of the same name in the same tenant.
    pub fn is_contested(&self, set: &OutboundProvisioningFlowSet) -> bool {
        let state = self.state();
        let (connection, name) = named(set);
        let Some(access) = state.access(&connection) else {
            return false;
        };
        let key = SetKey::Creates(access.tenant, name);
        state.sets.other(&key, set).is_some()
    }

    /// Whether a resource of another namespace owns the remote set and does not allow flows of this one.
    pub fn refuses(&self, flow: &ProvisioningFlow, set: &FlowSetId) -> bool {
        let state = self.state();
        let tenant = state.tenant(flow);
        tenant.is_some_and(|tenant| !state.allows(&namespace(flow), &tenant, set))
    }

    /// Reserves a flow for a resource, which `has_listed` its set, or returns `false` if another one owns it.
    pub fn reserve_flow(&self, flow: &ProvisioningFlow, set: &FlowSetId, has_listed: bool) -> bool {
        let mut state = self.change();
        if !is_known(flow, &state) {
            return false;
        }
        if let Some(connection) = state.connection_name(flow).filter(|_| has_listed) {
            state.reach(&connection);
        }
        let (Some(tenant), Some(kind)) = (state.tenant(flow), flow_type(&flow.spec)) else {
            return false;
        };
        let claim = Claim::Flow(tenant, set.clone(), kind);
        state.owner_of_flow(flow, set).is_none() && state.reservations.reserve(claim, &uid(flow))
    }

    /// Reserves a remote set, or one that is to be created, for a resource, which `has_listed` all sets, or returns
    /// `false` if another one owns it.
    pub fn reserve_set(
        &self,
        set: &OutboundProvisioningFlowSet,
        id: Option<&FlowSetId>,
        has_listed: bool,
    ) -> bool {
        let mut state = self.change();
        if !is_known(set, &state) {
            return false;
        }
        let (connection, name) = named(set);
        if has_listed {
            state.reach(&connection);
        }
        let Some(access) = state.access(&connection) else {
            return false;
        };
        let (is_free, claim) = match id {
            Some(id) => (
                state.owner_of_set(set, id).is_none(),
                Claim::Set(access.tenant, id.clone()),
            ),
            None => (
                state.namesake(set).is_none(),
                Claim::Named(connection, name),
            ),
        };
        is_free && state.reservations.reserve(claim, &uid(set))
    }

    /// Releases what a resource has reserved, after it has been reconciled to the end.
    pub fn release(&self, resource: &impl ResourceExt) {
        let uid = uid(resource);
        // Few reconciles reserve anything, and a change waits for all questions and holds all others up. Nothing is
        // reserved for the resource in between: its reconciles follow each other.
        if self.state().reservations.has(&uid) {
            self.change().reservations.release(&uid);
        }
    }
}

/// The connection and the display name of a set.
fn named(set: &OutboundProvisioningFlowSet) -> (Name, String) {
    let connection = Name::beside(set, &set.spec.connection_ref.name);
    (connection, set.spec.display_name.clone())
}

/// Whether the watches still show a resource: nothing would release what one that is gone has reserved.
fn is_known<K: Indexed>(resource: &K, state: &IndexState) -> bool {
    let known = K::get(&Name::of(resource), state);
    known.is_some_and(|known| known.uid() == resource.uid())
}

fn uid(resource: &impl ResourceExt) -> String {
    resource.uid().unwrap_or_default()
}
