//! The resources that are watched, and how events of the watches change them.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::api::condition::READY;
use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, annotation};
use crate::graph::model::FlowSetId;
use crate::plan::conditions::is_true;
use crate::plan::credential::secret_keys;
use crate::plan::resource::annotated;

use super::indexer::{Indexer, Name};
use super::keys::{ConnectionKey, FlowKey, SetKey};
use super::reservations::Reservations;

/// The resources of all scopes.
#[derive(Default)]
pub struct IndexState {
    /// The connections.
    pub connections: Indexer<GraphConnection, ConnectionKey>,
    /// The sets.
    pub sets: Indexer<OutboundProvisioningFlowSet, SetKey>,
    /// The flows.
    pub flows: Indexer<ProvisioningFlow, FlowKey>,
    /// The uids of the connections through which this process has reached the service.
    pub reached: HashSet<String>,
    /// What is about to be created or adopted.
    pub reservations: Reservations,
    /// Number of changes so far.
    pub version: u64,
}

impl IndexState {
    /// The set that a flow refers to.
    pub fn set_of(&self, flow: &ProvisioningFlow) -> Option<&Arc<OutboundProvisioningFlowSet>> {
        let reference = flow.spec.flow_set_ref.as_ref()?;
        self.sets.get(&Name::beside(flow, &reference.name))
    }

    fn put_flow(&mut self, flow: Arc<ProvisioningFlow>) {
        let keys = self.flow_keys(&flow);
        self.flows.insert(flow, keys);
    }

    fn put_flows(&mut self, key: &FlowKey) {
        let flows: Vec<_> = self.flows.with(key).cloned().collect();
        for flow in flows {
            self.put_flow(flow);
        }
    }

    /// Inserts or removes the set of this name, and derives the keys of flows again that depend on it.
    fn change_set(&mut self, name: Name, set: Option<Arc<OutboundProvisioningFlowSet>>) {
        let keys = set
            .as_deref()
            .map_or_else(Vec::new, |set| self.set_keys(set));
        let owned = self.sets.keys(&name).iter().chain(&keys);
        let owned: HashSet<SetKey> = owned.filter(|key| key.is_ownership()).cloned().collect();
        let owners = |state: &Self| -> Vec<_> {
            let terms = |key| state.sets.first(key).map(|owner| terms(owner));
            owned.iter().map(terms).collect()
        };
        let flow_facts = |state: &Self| state.sets.get(&name).map(|set| flow_facts(set));
        let before = (owners(self), flow_facts(self));
        match set {
            Some(set) => self.sets.insert(set, keys),
            None => self.sets.remove(&name),
        }
        let after = (owners(self), flow_facts(self));
        let is_changed = |place: &usize| before.0.get(*place) != after.0.get(*place);
        for (_, key) in owned
            .iter()
            .enumerate()
            .filter(|(place, _)| is_changed(place))
        {
            if let SetKey::Owns(_, id) = key {
                self.put_flows(&FlowKey::Within(id.clone()));
            }
        }
        if before.1 != after.1 {
            self.put_flows(&FlowKey::Set(name));
        }
    }

    /// Inserts or removes the connection of this name, and derives the keys of sets and flows again that depend on it.
    fn change_connection(&mut self, name: &Name, connection: Option<Arc<GraphConnection>>) {
        let before = self.access(name);
        if let Some(connection) = connection {
            let keys = connection_keys(&connection);
            self.connections.insert(connection, keys);
        } else {
            let gone = self.connections.get(name);
            if let Some(uid) = gone.and_then(|gone| gone.uid()) {
                self.reached.remove(&uid);
            }
            self.connections.remove(name);
        }
        if before != self.access(name) {
            self.put_users(name);
        }
    }

    /// Notes that this process has reached the service through a connection.
    pub fn reach(&mut self, name: &Name) {
        let uid = self
            .connections
            .get(name)
            .and_then(|connection| connection.uid());
        if uid.is_some_and(|uid| self.reached.insert(uid)) {
            self.put_users(name);
        }
    }

    fn put_users(&mut self, connection: &Name) {
        let sets = self.sets.with(&SetKey::Connection(connection.clone()));
        let sets: Vec<_> = sets.cloned().collect();
        for set in sets {
            self.change_set(Name::of(&*set), Some(set));
        }
        self.put_flows(&FlowKey::Connection(connection.clone()));
    }
}

/// A kind that the index holds.
pub trait Indexed:
    kube::Resource<DynamicType = ()> + Clone + PartialEq + Send + Sync + 'static
{
    /// The object of this name.
    fn get(name: &Name, state: &IndexState) -> Option<Arc<Self>>;

    /// Inserts or replaces an object.
    fn put(object: Arc<Self>, state: &mut IndexState);

    /// Replaces an object with an equal copy.
    fn swap(object: Arc<Self>, state: &mut IndexState);

    /// Removes the object of this name.
    fn remove(name: &Name, state: &mut IndexState);

    /// All objects.
    fn all(state: &IndexState) -> Vec<Arc<Self>>;
}

impl IndexState {
    /// Takes over what the store of a watch of `namespace`, or of all, holds after `event`, and returns what has vanished
    /// without an event of its own.
    pub fn apply<K: Indexed>(
        &mut self,
        event: &watcher::Event<K>,
        store: &Store<K>,
        namespace: Option<&str>,
    ) -> Vec<Arc<K>> {
        match event {
            // The store keeps the objects of a list back until the list is complete.
            watcher::Event::Init | watcher::Event::InitApply(_) => {}
            watcher::Event::InitDone => return self.replace(store.state(), namespace),
            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                match store.get(&ObjectRef::from_obj(object)) {
                    Some(stored) => self.show(stored),
                    None => self.forget::<K>(&Name::of(object)),
                }
            }
        }
        Vec::new()
    }

    /// Takes over the answer to a write, before the watch shows it.
    pub fn wrote<K: Indexed>(&mut self, object: Arc<K>) {
        let known = K::get(&Name::of(&*object), self);
        // An object that is not known has been deleted since.
        if known.is_some_and(|known| precedes(&*known, &*object)) {
            K::put(object, self);
        }
    }

    /// Takes over a complete list: what it lacks does not exist, even if another object has its name now.
    fn replace<K: Indexed>(
        &mut self,
        objects: Vec<Arc<K>>,
        namespace: Option<&str>,
    ) -> Vec<Arc<K>> {
        let listed: HashSet<Option<String>> = objects.iter().map(|object| object.uid()).collect();
        let has_vanished = |known: &Arc<K>| {
            let is_watched = namespace.is_none() || known.namespace().as_deref() == namespace;
            is_watched && !listed.contains(&known.uid())
        };
        let vanished: Vec<_> = K::all(self).into_iter().filter(has_vanished).collect();
        for object in &vanished {
            self.forget::<K>(&Name::of(&**object));
        }
        for object in objects {
            self.show(object);
        }
        vanished
    }

    /// Inserts what a watch shows, unless the answer to a later write is known.
    fn show<K: Indexed>(&mut self, object: Arc<K>) {
        match K::get(&Name::of(&*object), self) {
            Some(known) if precedes(&*object, &*known) => {}
            // The answer to a write. The store holds this copy, so the other one need not be kept.
            Some(known) if *known == *object => K::swap(object, self),
            _ => K::put(object, self),
        }
    }

    fn forget<K: Indexed>(&mut self, name: &Name) {
        if let Some(uid) = K::get(name, self).and_then(|known| known.uid()) {
            self.reservations.release(&uid);
        }
        K::remove(name, self);
    }
}

/// Whether one object is an earlier version of another.
fn precedes<K: ResourceExt>(one: &K, other: &K) -> bool {
    let version = |object: &K| object.resource_version()?.parse::<u64>().ok();
    one.uid() == other.uid() && version(one) < version(other)
}

macro_rules! indexed {
    ($objects:ident) => {
        fn get(name: &Name, state: &IndexState) -> Option<Arc<Self>> {
            state.$objects.get(name).cloned()
        }

        fn swap(object: Arc<Self>, state: &mut IndexState) {
            state.$objects.swap(object);
        }

        fn all(state: &IndexState) -> Vec<Arc<Self>> {
            state.$objects.all()
        }
    };
}

impl Indexed for GraphConnection {
    indexed!(connections);

    fn put(object: Arc<Self>, state: &mut IndexState) {
        state.change_connection(&Name::of(&*object), Some(object));
    }

    fn remove(name: &Name, state: &mut IndexState) {
        state.change_connection(name, None);
    }
}

impl Indexed for OutboundProvisioningFlowSet {
    indexed!(sets);

    fn put(object: Arc<Self>, state: &mut IndexState) {
        state.change_set(Name::of(&*object), Some(object));
    }

    fn remove(name: &Name, state: &mut IndexState) {
        state.change_set(name.clone(), None);
    }
}

impl Indexed for ProvisioningFlow {
    indexed!(flows);

    fn put(object: Arc<Self>, state: &mut IndexState) {
        state.put_flow(object);
    }

    fn remove(name: &Name, state: &mut IndexState) {
        state.flows.remove(name);
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

/// What ownership of flows depends on in the resource that owns their set.
fn terms(owner: &OutboundProvisioningFlowSet) -> (Name, Option<String>) {
    let allowed = annotated(owner, annotation::ALLOWED_NAMESPACES);
    (Name::of(owner), allowed.map(str::to_owned))
}

fn connection_keys(connection: &GraphConnection) -> Vec<ConnectionKey> {
    let mut keys: Vec<_> = secret_keys(connection)
        .into_iter()
        .map(|reference| ConnectionKey::Secret(Name::beside(connection, &reference.name)))
        .collect();
    keys.dedup();
    keys
}
