//! Derivation of the keys by which resources are found.

use kube::ResourceExt;

use crate::api::{ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::graph::model::FlowSetId;
use crate::plan::SharedStatus;
use crate::plan::definition::{flow_type, passwords};
use crate::plan::resource::{allows_namespace, attempt, is_creating, is_deleting};

use super::indexer::Name;
use super::keys::{FlowKey, SetKey, TenantKey};
use super::state::{IndexState, connection_of, is_ready, remote_id, remote_set_of};

/// What resources can do through a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The tenant.
    pub tenant: TenantKey,
    /// Whether the service has ever answered through the connection.
    is_reached: bool,
    is_suspended: bool,
}

impl Access {
    /// Whether a resource can own anything. It can still be deleted while the connection is suspended.
    fn serves(&self, resource: &impl ResourceExt) -> bool {
        self.is_reached && (!self.is_suspended || is_deleting(resource))
    }
}

impl IndexState {
    /// What resources can do through the connection of this name, if it exists.
    pub fn access(&self, connection: &Name) -> Option<Access> {
        let connection = self.connections.get(connection)?;
        let status = connection.status.as_ref();
        let is_reached = status.is_some_and(|status| status.reached)
            || connection
                .uid()
                .is_some_and(|uid| self.reached.contains(&uid));
        Some(Access {
            tenant: TenantKey::of(connection),
            is_reached,
            is_suspended: connection.spec.suspend,
        })
    }

    /// The name of the connection of a flow.
    pub fn connection_name(&self, flow: &ProvisioningFlow) -> Option<Name> {
        let set = self.set_of(flow).map(|set| &**set);
        Some(Name::beside(flow, &connection_of(flow, set)?))
    }

    /// The tenant of a flow, if its connection exists.
    pub fn tenant(&self, flow: &ProvisioningFlow) -> Option<TenantKey> {
        Some(self.access(&self.connection_name(flow)?)?.tenant)
    }

    /// The remote set that a flow is in: until it is deleted, that which it declares.
    pub fn place_of(&self, flow: &ProvisioningFlow) -> Option<FlowSetId> {
        let declared = || remote_set_of(flow, self.set_of(flow).map(|set| &**set));
        if is_deleting(flow) {
            recorded_set(flow).or_else(declared)
        } else {
            declared()
        }
    }

    /// Whether flows of a namespace may be in a remote set: no resource owns it, or one of this namespace, or one that
    /// allows it.
    pub fn allows(&self, namespace: &str, tenant: &TenantKey, set: &FlowSetId) -> bool {
        let owner = self.sets.first(&SetKey::Owns(tenant.clone(), set.clone()));
        owner.is_none_or(|owner| {
            owner.namespace().as_deref() == Some(namespace) || allows_namespace(&**owner, namespace)
        })
    }

    /// The keys of a flow.
    pub fn flow_keys(&self, flow: &ProvisioningFlow) -> Vec<FlowKey> {
        let mut keys = Vec::new();
        if let Some(reference) = &flow.spec.flow_set_ref {
            let set = Name::beside(flow, &reference.name);
            if is_ready(flow) {
                keys.push(FlowKey::Ready(set.clone()));
            }
            keys.push(FlowKey::Set(set));
        }
        let remote = remote_set_of(flow, self.set_of(flow).map(|set| &**set));
        if let Some(connection) = self.connection_name(flow) {
            let remote = remote.clone();
            keys.extend(remote.map(|id| FlowKey::Remote(connection.clone(), id)));
            keys.extend(self.claims(flow, &connection));
            keys.push(FlowKey::Connection(connection));
        }
        let recorded = recorded_set(flow).filter(|recorded| remote.as_ref() != Some(recorded));
        keys.extend(remote.into_iter().chain(recorded).map(FlowKey::Within));
        let secrets = passwords(&flow.spec);
        keys.extend(secrets.map(|(_, secret)| FlowKey::Secret(Name::beside(flow, &secret.name))));
        keys
    }

    /// The keys of the remote flow that a resource owns or may be creating.
    fn claims(&self, flow: &ProvisioningFlow, connection: &Name) -> Vec<FlowKey> {
        let access = self.access(connection).filter(|access| access.serves(flow));
        let (Some(Access { tenant, .. }), Some(kind)) = (access, flow_type(&flow.spec)) else {
            return Vec::new();
        };
        if !manages(flow, flow.spec.management_policy, flow.spec.suspend) {
            return Vec::new();
        }
        let is_allowed = |set: &FlowSetId| self.allows(&connection.namespace, &tenant, set);
        let status = flow.status.as_ref();
        let owned = recorded_set(flow).filter(|_| owns(status));
        let created = self.place_of(flow).filter(|_| creates(flow, status));
        let tenants = [Some(tenant.clone()), None];
        let owned = owned.filter(is_allowed).into_iter();
        let owned = owned.flat_map(|set| {
            let key = move |tenant| FlowKey::Owns(tenant, set.clone(), kind);
            tenants.clone().map(key)
        });
        let created = created.filter(is_allowed).into_iter();
        let created = created.flat_map(|set| {
            let key = move |tenant| FlowKey::Creates(tenant, set.clone(), kind);
            tenants.clone().map(key)
        });
        owned.chain(created).collect()
    }

    /// The keys of a set.
    pub fn set_keys(&self, set: &OutboundProvisioningFlowSet) -> Vec<SetKey> {
        let connection = Name::beside(set, &set.spec.connection_ref.name);
        let (name, status) = (set.spec.display_name.clone(), set.status.as_ref());
        let mut keys = vec![SetKey::DisplayName(connection.clone(), name.clone())];
        let id = remote_id(set);
        if let Some(id) = &id {
            keys.push(SetKey::Remote(connection.clone(), id.clone()));
            keys.push(SetKey::Records(id.clone()));
        }
        if manages(set, set.spec.management_policy, set.spec.suspend) {
            let (owns, creates) = (owns(status), creates(set, status));
            keys.push(SetKey::Declares(connection.clone(), name.clone()));
            if owns || creates {
                keys.push(SetKey::Holds(connection.clone(), name.clone()));
            }
            if let Some(access) = self.access(&connection).filter(|access| access.serves(set)) {
                let owned = id.filter(|_| owns);
                keys.extend(owned.map(|id| SetKey::Owns(access.tenant.clone(), id)));
                if creates {
                    let attempted = attempt(set).and_then(|attempt| attempt.name);
                    keys.push(SetKey::Creates(access.tenant, attempted.unwrap_or(name)));
                }
            }
        }
        keys.push(SetKey::Connection(connection));
        keys
    }
}

/// The remote set in which the status records a flow.
fn recorded_set(flow: &ProvisioningFlow) -> Option<FlowSetId> {
    flow.status.as_ref()?.flow_set_id.as_deref()?.parse().ok()
}

/// Whether the operator may write to the service for a resource.
fn manages(resource: &impl ResourceExt, policy: ManagementPolicy, is_suspended: bool) -> bool {
    policy == ManagementPolicy::Manage && (!is_suspended || is_deleting(resource))
}

fn owns(status: Option<&impl SharedStatus>) -> bool {
    status.is_some_and(|status| status.is_owned() && status.id().is_some())
}

fn creates(resource: &impl ResourceExt, status: Option<&impl SharedStatus>) -> bool {
    is_creating(resource, status.and_then(SharedStatus::resolved_attempt))
}
