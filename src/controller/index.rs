//! What the watches show: the resources of one scope, and how they relate.
//!
//! References never leave a namespace, so neither do the questions here, with one exception that reveals nothing:
//! whether any other resource declares the same remote object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::watch;

use crate::api::condition::{READY, RECONCILING};
use crate::api::{
    FlowCount, GraphConnection, ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow,
};
use crate::graph::model::{FlowSetId, FlowType};
use crate::plan::conditions::is_true;
use crate::plan::definition::{flow_type, passwords};
use crate::plan::poll::Cadence;
use crate::plan::resource::{generation, is_deleting};
use crate::poll::Interest;

/// The resources of one scope, as the watches show them.
#[derive(Clone)]
pub struct Index {
    /// The connections.
    pub connections: Store<GraphConnection>,
    /// The sets.
    pub sets: Store<OutboundProvisioningFlowSet>,
    /// The flows.
    pub flows: Store<ProvisioningFlow>,
    /// Metadata of all Secrets; never their contents.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// How many watches have shown all there is.
    pub shown: watch::Sender<usize>,
}

/// Which Secret of a name it is, and how it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// One for each store.
const WATCHES: usize = 4;

impl Index {
    /// Waits until every watch has shown all there is: before that, what has not been seen may well exist.
    ///
    /// The stores' own `wait_until_ready` wakes one of several waiting tasks only.
    pub async fn ready(&self) {
        let mut shown = self.shown.subscribe();
        // The sender lives as long as this world.
        let _ = shown.wait_for(|watches| *watches >= WATCHES).await;
    }

    /// Whether every watch has shown all there is.
    pub fn is_ready(&self) -> bool {
        *self.shown.borrow() >= WATCHES
    }

    /// A watch has shown all there is, for the first time.
    pub fn show(&self) {
        self.shown.send_modify(|watches| *watches += 1);
    }

    /// The connection of this name.
    pub fn connection(&self, namespace: &str, name: &str) -> Option<Arc<GraphConnection>> {
        self.connections
            .get(&ObjectRef::new(name).within(namespace))
    }

    /// The set of this name.
    pub fn set(&self, namespace: &str, name: &str) -> Option<Arc<OutboundProvisioningFlowSet>> {
        self.sets.get(&ObjectRef::new(name).within(namespace))
    }

    /// The set that a flow refers to.
    pub fn set_of(&self, flow: &ProvisioningFlow) -> Option<Arc<OutboundProvisioningFlowSet>> {
        let reference = flow.spec.flow_set_ref.as_ref()?;
        self.set(&namespace(flow), &reference.name)
    }

    /// The name of the connection through which a flow is reached.
    pub fn connection_of(&self, flow: &ProvisioningFlow) -> Option<String> {
        let own = flow
            .spec
            .connection_ref
            .as_ref()
            .map(|reference| reference.name.clone());
        own.or_else(|| Some(self.set_of(flow)?.spec.connection_ref.name.clone()))
    }

    /// The remote set that a flow belongs to, once it is known.
    pub fn remote_set_of(&self, flow: &ProvisioningFlow) -> Option<FlowSetId> {
        let own = flow.spec.flow_set_id.clone();
        own.or_else(|| self.set_of(flow)?.status.as_ref()?.id.clone())?
            .parse()
            .ok()
    }

    /// The version of a Secret.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<SecretVersion> {
        let secret = self.secrets.get(&ObjectRef::new(name).within(namespace))?;
        Some(SecretVersion {
            uid: secret.uid()?,
            resource_version: secret.resource_version()?,
        })
    }

    /// The flows that refer to a set.
    pub fn flows_of(&self, set: &OutboundProvisioningFlowSet) -> Vec<Arc<ProvisioningFlow>> {
        let refers = |flow: &ProvisioningFlow| {
            let reference = flow.spec.flow_set_ref.as_ref();
            same_namespace(flow, set)
                && reference.is_some_and(|reference| reference.name == set.name_any())
        };
        self.flows.state_filter(refers)
    }

    /// A sum over the flows that refer to a set.
    pub fn count_flows(&self, set: &OutboundProvisioningFlowSet) -> FlowCount {
        let flows = self.flows_of(set);
        let ready = flows.iter().filter(|flow| is_ready(flow)).count();
        FlowCount {
            total: i32::try_from(flows.len()).unwrap_or(i32::MAX),
            ready: i32::try_from(ready).unwrap_or(i32::MAX),
        }
    }

    /// The sets that refer to a connection.
    pub fn sets_through(
        &self,
        connection: &GraphConnection,
    ) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        self.sets.state_filter(|set| {
            same_namespace(set, connection) && set.spec.connection_ref.name == connection.name_any()
        })
    }

    /// The flows that are reached through a connection, by themselves or by their set.
    pub fn flows_through(&self, connection: &GraphConnection) -> Vec<Arc<ProvisioningFlow>> {
        let name = connection.name_any();
        self.flows.state_filter(|flow| {
            same_namespace(flow, connection) && self.connection_of(flow).as_deref() == Some(&*name)
        })
    }

    /// An older resource that declares the same flow, in words that a user of this namespace may read.
    pub fn rival_of_flow(&self, flow: &ProvisioningFlow) -> Option<String> {
        let key = self.flow_key(flow)?;
        let is_rival = |other: &ProvisioningFlow| {
            precedes(other, flow) && self.flow_key(other).as_ref() == Some(&key)
        };
        self.flows
            .find(is_rival)
            .map(|conflict| called(&*conflict, flow))
    }

    /// The other resources that declare the same flow.
    pub fn twins_of(&self, flow: &ProvisioningFlow) -> Vec<Arc<ProvisioningFlow>> {
        let key = self.flow_key(flow);
        self.flows.state_filter(|other| {
            other.uid() != flow.uid() && key.is_some() && self.flow_key(other) == key
        })
    }

    /// An older resource that declares a set of the same name through the same connection.
    pub fn rival_of_set(&self, set: &OutboundProvisioningFlowSet) -> Option<String> {
        let is_rival = |other: &OutboundProvisioningFlowSet| {
            precedes(other, set)
                && same_namespace(other, set)
                && other.spec.connection_ref == set.spec.connection_ref
                && other.spec.display_name == set.spec.display_name
        };
        self.sets
            .find(is_rival)
            .map(|conflict| called(&*conflict, set))
    }

    /// The remote sets that other resources than `set` manage.
    pub fn held_by_others(&self, set: &OutboundProvisioningFlowSet) -> BTreeSet<FlowSetId> {
        let others = self.sets.state_filter(|other| {
            other.uid() != set.uid() && other.spec.management_policy == ManagementPolicy::Manage
        });
        others
            .iter()
            .filter_map(|other| other.status.as_ref()?.id.as_deref()?.parse().ok())
            .collect()
    }

    /// The resources to which a Secret matters: its connections, and the flows that have a password in it.
    pub fn users_of_secret(
        &self,
        secret: &PartialObjectMeta<Secret>,
    ) -> (Vec<Arc<GraphConnection>>, Vec<Arc<ProvisioningFlow>>) {
        let name = secret.name_any();
        let connections = self.connections.state_filter(|connection| {
            let reference = connection.spec.credential.client_secret.as_ref();
            same_namespace(connection, secret)
                && reference.is_some_and(|reference| reference.secret_key_ref.name == name)
        });
        let flows = self.flows.state_filter(|flow| {
            same_namespace(flow, secret)
                && passwords(&flow.spec).any(|(_, reference)| reference.name == name)
        });
        (connections, flows)
    }

    /// What is to be looked at through a connection.
    pub fn interest_in(&self, connection: &ObjectRef<GraphConnection>) -> Interest {
        let connection = self.connections.get(connection);
        let Some(connection) = connection.filter(|connection| !connection.spec.suspend) else {
            return Interest::default();
        };
        let interval = Duration::from(connection.spec.poll_interval);
        let mut flows = BTreeMap::new();
        for flow in self.flows_through(&connection) {
            if let Some(set) = self.remote_set_of(&flow).filter(|_| !flow.spec.suspend) {
                let cadence = cadence(&flow, interval);
                flows
                    .entry(set)
                    .and_modify(|all| *all = sooner(*all, cadence))
                    .or_insert(cadence);
            }
        }
        let sets = Some(Cadence {
            interval,
            settled: true,
        });
        Interest { sets, flows }
    }

    /// What makes two flow resources declare the same remote flow: the type, and the set by id or, before it has one, by
    /// resource.
    fn flow_key(&self, flow: &ProvisioningFlow) -> Option<(FlowType, String)> {
        let kind = flow_type(&flow.spec)?;
        let set = match self.remote_set_of(flow) {
            Some(id) => id.to_string().to_lowercase(),
            None => format!(
                "{}/{}",
                namespace(flow),
                flow.spec.flow_set_ref.as_ref()?.name
            ),
        };
        Some((kind, set))
    }
}

/// The namespace of a namespaced resource.
pub fn namespace(resource: &impl ResourceExt) -> String {
    resource.namespace().unwrap_or_default()
}

/// Whether two resources live in the same namespace.
fn same_namespace(one: &impl ResourceExt, other: &impl ResourceExt) -> bool {
    one.meta().namespace == other.meta().namespace
}

/// Whether `one` is older than `other`, or as old and of a smaller uid.
fn precedes<K: ResourceExt>(one: &K, other: &K) -> bool {
    let age = |resource: &K| {
        (
            resource.creation_timestamp().map(|time| time.0),
            resource.uid(),
        )
    };
    one.uid() != other.uid() && age(one) < age(other)
}

/// What a resource is called in a message that users of `reader`'s namespace see.
fn called(resource: &impl ResourceExt, reader: &impl ResourceExt) -> String {
    if same_namespace(resource, reader) {
        resource.name_any()
    } else {
        "a resource of another namespace".to_owned()
    }
}

fn is_ready(flow: &ProvisioningFlow) -> bool {
    flow.status
        .as_ref()
        .is_some_and(|status| is_true(&status.conditions, READY))
}

fn cadence(flow: &ProvisioningFlow, interval: Duration) -> Cadence {
    let own = flow.spec.poll_interval.map(Duration::from);
    Cadence {
        interval: own.unwrap_or(interval),
        settled: is_settled(flow),
    }
}

/// Whether nothing is expected to happen to the flow at the service by itself.
fn is_settled(flow: &ProvisioningFlow) -> bool {
    let settled = flow.status.as_ref().is_some_and(|status| {
        status.observed_generation == generation(flow)
            && status.id.is_some()
            && !is_true(&status.conditions, RECONCILING)
    });
    settled && !is_deleting(flow)
}

fn sooner(one: Cadence, other: Cadence) -> Cadence {
    Cadence {
        interval: one.interval.min(other.interval),
        settled: one.settled && other.settled,
    }
}
