//! The keys by which resources are found, and how events of the watches change them.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::api::condition::READY;
use crate::api::{
    GraphConnection, ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow,
};
use crate::graph::model::{FlowSetId, FlowType};
use crate::plan::conditions::is_true;
use crate::plan::definition::{flow_type, passwords};

use super::indexer::{Indexer, Name};

/// All resources of one scope.
#[derive(Default)]
pub struct State {
    /// The connections.
    pub connections: Indexer<GraphConnection, ConnectionKey>,
    /// The sets.
    pub sets: Indexer<OutboundProvisioningFlowSet, SetKey>,
    /// The flows.
    pub flows: Indexer<ProvisioningFlow, FlowKey>,
}

/// What connections are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionKey {
    /// The Secret that holds the credential.
    Secret(Name),
}

/// What sets are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetKey {
    /// The connection.
    Connection(Name),
    /// The connection and the display name.
    DisplayName(Name, String),
    /// The connection and the remote set.
    Remote(Name, FlowSetId),
    /// The remote set, where the resource manages it.
    Manages(FlowSetId),
}

/// What flows are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlowKey {
    /// The set resource that the flow refers to.
    Set(Name),
    /// The same, where the flow is ready.
    Ready(Name),
    /// The connection, be it the flow's own or that of its set.
    Connection(Name),
    /// The connection and the remote set.
    Remote(Name, FlowSetId),
    /// The remote flow that the resource declares.
    Declares(FlowType, Parent),
    /// A Secret that holds a password.
    Secret(Name),
}

/// The set that a declared flow belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Parent {
    /// A remote set, by whatever resource or id it is given.
    Remote(FlowSetId),
    /// A set resource that has no remote set yet.
    Resource(Name),
}

impl State {
    /// The set that a flow refers to.
    pub fn set_of(&self, flow: &ProvisioningFlow) -> Option<&Arc<OutboundProvisioningFlowSet>> {
        let reference = flow.spec.flow_set_ref.as_ref()?;
        self.sets.get(&Name::beside(flow, &reference.name))
    }

    /// The key of the remote flow that a resource declares.
    pub fn declared_by(&self, flow: &ProvisioningFlow) -> Option<FlowKey> {
        declared(flow, self.set_of(flow).map(|set| &**set))
    }

    fn put_flow(&mut self, flow: Arc<ProvisioningFlow>) {
        let set = self.set_of(&flow).cloned();
        let keys = flow_keys(&flow, set.as_deref());
        self.flows.insert(flow, keys);
    }

    /// Derives the keys of a set's flows again. Several of them depend on the set.
    fn put_flows_of(&mut self, set: Name) {
        let flows: Vec<_> = self.flows.with(&FlowKey::Set(set)).cloned().collect();
        for flow in flows {
            self.put_flow(flow);
        }
    }
}

/// A kind that the index holds.
pub trait Indexed: kube::Resource<DynamicType = ()> + Clone + Send + Sync + 'static {
    /// Inserts or replaces an object.
    fn put(object: Arc<Self>, state: &mut State);

    /// Removes the object of this name.
    fn remove(name: &Name, state: &mut State);

    /// All objects.
    fn all(state: &State) -> Vec<Arc<Self>>;
}

impl State {
    /// Takes over what the store holds after `event`, and returns what has vanished without an event of its own.
    pub fn apply<K: Indexed>(
        &mut self,
        event: &watcher::Event<K>,
        store: &Store<K>,
    ) -> Vec<Arc<K>> {
        match event {
            // The store keeps the objects of a list back until the list is complete.
            watcher::Event::Init | watcher::Event::InitApply(_) => {}
            watcher::Event::InitDone => return self.replace(store.state()),
            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                match store.get(&ObjectRef::from_obj(object)) {
                    Some(stored) => K::put(stored, self),
                    None => K::remove(&Name::of(object), self),
                }
            }
        }
        Vec::new()
    }

    /// Takes over a complete list: what it lacks does not exist, even if another object has its name now.
    fn replace<K: Indexed>(&mut self, objects: Vec<Arc<K>>) -> Vec<Arc<K>> {
        let listed: HashSet<Option<String>> = objects.iter().map(|object| object.uid()).collect();
        let known = K::all(self);
        let vanished: Vec<_> = known
            .into_iter()
            .filter(|known| !listed.contains(&known.uid()))
            .collect();
        for object in &vanished {
            K::remove(&Name::of(&**object), self);
        }
        for object in objects {
            K::put(object, self);
        }
        vanished
    }
}

impl Indexed for GraphConnection {
    fn put(object: Arc<Self>, state: &mut State) {
        let secret = object.spec.credential.client_secret.as_ref();
        let key = secret.map(|secret| {
            ConnectionKey::Secret(Name::beside(&*object, &secret.secret_key_ref.name))
        });
        let keys = key.into_iter().collect();
        state.connections.insert(object, keys);
    }

    fn remove(name: &Name, state: &mut State) {
        state.connections.remove(name);
    }

    fn all(state: &State) -> Vec<Arc<Self>> {
        state.connections.all()
    }
}

impl Indexed for OutboundProvisioningFlowSet {
    fn put(object: Arc<Self>, state: &mut State) {
        let name = Name::of(&*object);
        let before = state.sets.get(&name).map(|set| flow_facts(set));
        let is_same_to_flows = before.is_some_and(|before| before == flow_facts(&object));
        let keys = set_keys(&object);
        state.sets.insert(object, keys);
        if !is_same_to_flows {
            state.put_flows_of(name);
        }
    }

    fn remove(name: &Name, state: &mut State) {
        state.sets.remove(name);
        state.put_flows_of(name.clone());
    }

    fn all(state: &State) -> Vec<Arc<Self>> {
        state.sets.all()
    }
}

impl Indexed for ProvisioningFlow {
    fn put(object: Arc<Self>, state: &mut State) {
        state.put_flow(object);
    }

    fn remove(name: &Name, state: &mut State) {
        state.flows.remove(name);
    }

    fn all(state: &State) -> Vec<Arc<Self>> {
        state.flows.all()
    }
}

/// The remote set of a set resource, or `None` if it has no usable id yet.
pub fn remote_id(set: &OutboundProvisioningFlowSet) -> Option<FlowSetId> {
    set.status.as_ref()?.id.as_deref()?.parse().ok()
}

/// The name of the connection through which a flow of `set` is reached.
pub fn connection_of(
    flow: &ProvisioningFlow,
    set: Option<&OutboundProvisioningFlowSet>,
) -> Option<String> {
    let own = flow.spec.connection_ref.as_ref();
    let reference = own.or_else(|| Some(&set?.spec.connection_ref))?;
    Some(reference.name.clone())
}

/// The remote set of a flow of `set`, or `None` if it is not known yet. An id of the flow's own comes first, even if it
/// is not usable.
pub fn remote_set_of(
    flow: &ProvisioningFlow,
    set: Option<&OutboundProvisioningFlowSet>,
) -> Option<FlowSetId> {
    match &flow.spec.flow_set_id {
        Some(own) => own.parse().ok(),
        None => remote_id(set?),
    }
}

/// Whether a flow is ready.
pub fn is_ready(flow: &ProvisioningFlow) -> bool {
    flow.status
        .as_ref()
        .is_some_and(|status| is_true(&status.conditions, READY))
}

/// What the keys of flows depend on in their set.
fn flow_facts(set: &OutboundProvisioningFlowSet) -> (String, Option<FlowSetId>) {
    (set.spec.connection_ref.name.clone(), remote_id(set))
}

/// What makes two flow resources declare the same remote flow: the type, and the set by id or, before it has one, by
/// resource.
fn declared(flow: &ProvisioningFlow, set: Option<&OutboundProvisioningFlowSet>) -> Option<FlowKey> {
    let kind = flow_type(&flow.spec)?;
    let parent = match remote_set_of(flow, set) {
        Some(id) => Parent::Remote(id),
        None => Parent::Resource(Name::beside(flow, &flow.spec.flow_set_ref.as_ref()?.name)),
    };
    Some(FlowKey::Declares(kind, parent))
}

fn flow_keys(flow: &ProvisioningFlow, set: Option<&OutboundProvisioningFlowSet>) -> Vec<FlowKey> {
    let mut keys: Vec<FlowKey> = declared(flow, set).into_iter().collect();
    if let Some(reference) = &flow.spec.flow_set_ref {
        let set = Name::beside(flow, &reference.name);
        if is_ready(flow) {
            keys.push(FlowKey::Ready(set.clone()));
        }
        keys.push(FlowKey::Set(set));
    }
    if let Some(connection) = connection_of(flow, set) {
        let connection = Name::beside(flow, &connection);
        let remote = remote_set_of(flow, set);
        keys.extend(remote.map(|id| FlowKey::Remote(connection.clone(), id)));
        keys.push(FlowKey::Connection(connection));
    }
    let secrets = passwords(&flow.spec);
    keys.extend(secrets.map(|(_, secret)| FlowKey::Secret(Name::beside(flow, &secret.name))));
    keys
}

fn set_keys(set: &OutboundProvisioningFlowSet) -> Vec<SetKey> {
    let connection = Name::beside(set, &set.spec.connection_ref.name);
    let mut keys = vec![SetKey::DisplayName(
        connection.clone(),
        set.spec.display_name.clone(),
    )];
    if let Some(id) = remote_id(set) {
        if set.spec.management_policy == ManagementPolicy::Manage {
            keys.push(SetKey::Manages(id.clone()));
        }
        keys.push(SetKey::Remote(connection.clone(), id));
    }
    keys.push(SetKey::Connection(connection));
    keys
}
