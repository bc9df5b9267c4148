//! What the watches show: the resources of all scopes, and how they relate.
//!
//! Maps answer each question, and events of the watches keep them: no question walks all resources. References never
//! leave a namespace, so neither do the questions here, with one exception that reveals nothing: whether any other
//! resource owns the same remote object, or the set that a flow is in.

mod cadence;
mod derivation;
mod indexer;
mod inventory;
mod keys;
mod owners;
mod reservations;
mod state;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use tokio::sync::watch;

use crate::api::{
    FlowCount, GraphConnection, ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow,
};
use crate::graph::model::FlowSetId;
use crate::plan::credential::secret_keys;
use crate::plan::definition::passwords;
use crate::plan::poll::Cadence;
use crate::plan::resource::is_deleting;
use crate::poll::Interest;

use cadence::{cadence, sooner};
pub use indexer::Name;
pub use keys::TenantKey;
use keys::{ConnectionKey, FlowKey, SetKey};
pub use state::Indexed;
use state::{IndexState, connection_of, remote_id, remote_set_of};

/// What the indexes of all scopes share: who owns a remote object is a question across all of them.
#[derive(Clone)]
pub struct SharedIndex {
    /// One lock for all kinds, as the keys of flows depend on sets.
    state: Arc<RwLock<IndexState>>,
    /// How many watches have shown all there is.
    shown: watch::Sender<usize>,
    /// How many watches there are.
    watches: usize,
}

/// The resources of all scopes, as the watches show them, for the watches of one scope to fill.
#[derive(Clone)]
pub struct Index {
    shared: SharedIndex,
    /// The namespace of the scope, or `None` for all.
    scope: Option<Arc<str>>,
}

/// How resources use a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// The keys in use.
    pub keys: BTreeSet<String>,
    /// Shortest interval between polls of the connections concerned, or `None` if all that use it are suspended.
    pub interval: Option<Duration>,
}

/// One for each kind that is watched in a scope.
const WATCHES: usize = 3;

impl SharedIndex {
    /// An index of this number of scopes, which holds nothing yet.
    pub fn of(scopes: usize) -> Self {
        Self {
            state: Arc::default(),
            shown: watch::Sender::new(0),
            watches: WATCHES * scopes,
        }
    }
}

impl Index {
    /// The index of the scope that consists of a namespace, or of all.
    pub fn new(shared: SharedIndex, scope: Option<&str>) -> Self {
        let scope = scope.map(Arc::from);
        Self { shared, scope }
    }

    /// Takes over what the store of a watch holds after `event`, and returns what has vanished without an event of its
    /// own. What the event causes has to come after this.
    pub fn apply<K: Indexed>(&self, event: &watcher::Event<K>, store: &Store<K>) -> Vec<Arc<K>> {
        self.change().apply(event, store, self.scope.as_deref())
    }

    /// Takes over the answer to a write, so that the next question about another resource counts it.
    pub fn wrote<K: Indexed>(&self, written: &Arc<K>) {
        self.change().wrote(written.clone());
    }

    /// Waits until every watch of every scope has shown all there is: before that, what has not been seen may well exist.
    ///
    /// The stores' own `wait_until_ready` wakes one of several waiting tasks only.
    pub async fn ready(&self) {
        let mut shown = self.shared.shown.subscribe();
        // The sender lives as long as this index.
        let _ = shown
            .wait_for(|watches| *watches >= self.shared.watches)
            .await;
    }

    /// A watch has shown all there is, for the first time.
    pub fn show(&self) {
        self.shared.shown.send_modify(|watches| *watches += 1);
    }

    /// The connection of this name.
    pub fn connection(&self, namespace: &str, name: &str) -> Option<Arc<GraphConnection>> {
        let name = Name::new(namespace, name);
        self.state().connections.get(&name).cloned()
    }

    /// The tenant of the connection of this name, if it exists.
    pub fn tenant(&self, namespace: &str, connection: &str) -> Option<TenantKey> {
        let name = Name::new(namespace, connection);
        self.state()
            .connections
            .get(&name)
            .map(|connection| TenantKey::of(connection))
    }

    /// The set that a flow refers to.
    pub fn set_of(&self, flow: &ProvisioningFlow) -> Option<Arc<OutboundProvisioningFlowSet>> {
        self.state().set_of(flow).cloned()
    }

    /// The name of the connection through which a flow is reached.
    pub fn connection_of(&self, flow: &ProvisioningFlow) -> Option<String> {
        connection_of(flow, self.set_of(flow).as_deref())
    }

    /// The remote set that a flow belongs to, once it is known.
    pub fn remote_set_of(&self, flow: &ProvisioningFlow) -> Option<FlowSetId> {
        remote_set_of(flow, self.set_of(flow).as_deref())
    }

    /// The flows that refer to a set.
    pub fn flows_of(&self, set: &OutboundProvisioningFlowSet) -> Vec<Arc<ProvisioningFlow>> {
        self.flows_with(&FlowKey::Set(Name::of(set)))
    }

    /// The number of flows that refer to a set.
    pub fn count_flows(&self, set: &OutboundProvisioningFlowSet) -> FlowCount {
        let (state, name) = (self.state(), Name::of(set));
        let count = |key| i32::try_from(state.flows.count(&key)).unwrap_or(i32::MAX);
        let total = count(FlowKey::Set(name.clone()));
        FlowCount::new(total, count(FlowKey::Ready(name)))
    }

    /// The sets that refer to a connection.
    pub fn sets_through(
        &self,
        connection: &GraphConnection,
    ) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        let key = SetKey::Connection(Name::of(connection));
        self.state().sets.with(&key).cloned().collect()
    }

    /// The flows that are reached through a connection, by themselves or by their set.
    pub fn flows_through(&self, connection: &GraphConnection) -> Vec<Arc<ProvisioningFlow>> {
        self.flows_with(&FlowKey::Connection(Name::of(connection)))
    }

    /// The number of sets and flows that are reached through a connection.
    pub fn count_users(&self, connection: &GraphConnection) -> usize {
        let (state, name) = (self.state(), Name::of(connection));
        state.sets.count(&SetKey::Connection(name.clone()))
            + state.flows.count(&FlowKey::Connection(name))
    }

    /// The sets that refer to a connection and have one of these remote sets or display names.
    pub fn sets_listed(
        &self,
        connection: &GraphConnection,
        ids: &BTreeSet<FlowSetId>,
        display_names: &BTreeSet<String>,
    ) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        let (state, connection) = (self.state(), Name::of(connection));
        let ids = ids.iter().cloned();
        let by_id = ids.map(|id| SetKey::Remote(connection.clone(), id));
        let names = display_names.iter().cloned();
        let by_name = names.map(|name| SetKey::DisplayName(connection.clone(), name));
        let mut found = BTreeMap::new();
        for key in by_id.chain(by_name) {
            let sets = state.sets.with(&key).cloned();
            found.extend(sets.map(|set| (Name::of(&*set), set)));
        }
        found.into_values().collect()
    }

    /// The flows of a remote set that are reached through a connection.
    pub fn flows_listed(
        &self,
        connection: &GraphConnection,
        set: &FlowSetId,
    ) -> Vec<Arc<ProvisioningFlow>> {
        self.flows_with(&FlowKey::Remote(Name::of(connection), set.clone()))
    }

    /// Whether a set or a flow that is reached through a connection refers to a remote set.
    pub fn refers_to(&self, connection: &GraphConnection, set: &FlowSetId) -> bool {
        let (state, connection) = (self.state(), Name::of(connection));
        let declared = SetKey::Remote(connection.clone(), set.clone());
        let used = FlowKey::Remote(connection, set.clone());
        state.sets.count(&declared) > 0 || state.flows.count(&used) > 0
    }

    /// The other resources that declare a set of the same name through the same connection.
    pub fn same_named(
        &self,
        set: &OutboundProvisioningFlowSet,
    ) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        let state = self.state();
        let same = state.sets.with(&display_name_key(set));
        same.filter(|other| other.uid() != set.uid())
            .cloned()
            .collect()
    }

    /// The flows of a remote set, in whatever namespace.
    pub fn flows_within(&self, set: &FlowSetId) -> Vec<Arc<ProvisioningFlow>> {
        self.flows_with(&FlowKey::Within(set.clone()))
    }

    /// The other resources that record the same remote set, in whatever namespace.
    pub fn sharers_of(
        &self,
        set: &OutboundProvisioningFlowSet,
    ) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        let Some(id) = remote_id(set) else {
            return Vec::new();
        };
        let state = self.state();
        let same = state.sets.with(&SetKey::Records(id));
        same.filter(|other| other.uid() != set.uid())
            .cloned()
            .collect()
    }

    /// The resources to which the value under a key of a Secret matters: the connections whose credential it is, and
    /// the flows that have a password there.
    pub fn users_of_secret(
        &self,
        secret: &Name,
        key: &str,
    ) -> (Vec<Arc<GraphConnection>>, Vec<Arc<ProvisioningFlow>>) {
        let (state, name) = (self.state(), &secret.name);
        let connections = state
            .connections
            .with(&ConnectionKey::Secret(secret.clone()));
        let is_credential = |connection: &&Arc<GraphConnection>| {
            let mut keys = secret_keys(connection).into_iter();
            keys.any(|reference| reference.name == *name && reference.key == key)
        };
        let flows = state.flows.with(&FlowKey::Secret(secret.clone()));
        let is_password = |flow: &&Arc<ProvisioningFlow>| {
            passwords(&flow.spec)
                .any(|(_, reference)| reference.name == *name && reference.key == key)
        };
        (
            connections.filter(is_credential).cloned().collect(),
            flows.filter(is_password).cloned().collect(),
        )
    }

    /// How a Secret is used, or `None` if no resource refers to it. A suspended resource does not use it, and a flow
    /// only if it may be sent a password.
    pub fn use_of_secret(&self, secret: &Name) -> Option<SecretUse> {
        let state = self.state();
        let mut used: Option<SecretUse> = None;
        let mut add = |keys: &mut dyn Iterator<Item = &str>, through: Option<&GraphConnection>| {
            let used = used.get_or_insert_default();
            if let Some(connection) = through.filter(|connection| !connection.spec.suspend) {
                used.keys.extend(keys.map(str::to_owned));
                let interval = Duration::from(connection.spec.poll_interval);
                let shortest = used.interval.map_or(interval, |other| other.min(interval));
                used.interval = Some(shortest);
            }
        };
        for connection in state
            .connections
            .with(&ConnectionKey::Secret(secret.clone()))
        {
            let keys = secret_keys(connection);
            let same = keys.iter().filter(|it| it.name == secret.name);
            add(&mut same.map(|it| it.key.as_str()), Some(connection));
        }
        for flow in state.flows.with(&FlowKey::Secret(secret.clone())) {
            let through = connection_of(flow, state.set_of(flow).map(|set| &**set))
                .filter(|_| takes_passwords(flow))
                .and_then(|name| state.connections.get(&Name::beside(&**flow, &name)));
            let mut keys = passwords(&flow.spec)
                .filter(|(_, reference)| reference.name == secret.name)
                .map(|(_, reference)| reference.key.as_str());
            add(&mut keys, through.map(|connection| &**connection));
        }
        used
    }

    /// A number that is another one after each change.
    pub fn version(&self) -> u64 {
        self.state().version
    }

    /// What is to be looked at through a connection.
    pub fn interest_in(&self, connection: &ObjectRef<GraphConnection>) -> Interest {
        let namespace = connection.namespace.as_deref().unwrap_or_default();
        let (state, name) = (self.state(), Name::new(namespace, &connection.name));
        let connection = state.connections.get(&name);
        let Some(connection) = connection.filter(|connection| !connection.spec.suspend) else {
            return Interest::default();
        };
        let interval = Duration::from(connection.spec.poll_interval);
        let tenant = TenantKey::of(connection);
        let mut flows = BTreeMap::new();
        let through = state.flows.with(&FlowKey::Connection(name));
        for flow in through.filter(|flow| !flow.spec.suspend) {
            let set = state.set_of(flow).map(|set| &**set);
            if let Some(set) = remote_set_of(flow, set) {
                let cadence = cadence(flow, interval);
                flows
                    .entry(set)
                    .and_modify(|all| *all = sooner(*all, cadence))
                    .or_insert(cadence);
            }
        }
        // All these flows are in one namespace, so the owner of a set allows all of them or none.
        flows.retain(|set, _| state.allows(namespace, &tenant, set));
        let sets = Some(Cadence {
            interval,
            settled: true,
        });
        Interest { sets, flows }
    }

    fn flows_with(&self, key: &FlowKey) -> Vec<Arc<ProvisioningFlow>> {
        self.state().flows.with(key).cloned().collect()
    }

    fn state(&self) -> RwLockReadGuard<'_, IndexState> {
        let state = &self.shared.state;
        state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, IndexState> {
        let state = &self.shared.state;
        let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
        state.version += 1;
        state
    }
}

/// The namespace of a namespaced resource.
pub fn namespace(resource: &impl ResourceExt) -> String {
    resource.namespace().unwrap_or_default()
}

fn display_name_key(set: &OutboundProvisioningFlowSet) -> SetKey {
    let connection = Name::beside(set, &set.spec.connection_ref.name);
    SetKey::DisplayName(connection, set.spec.display_name.clone())
}

/// The name of a resource for a message that users of `reader`'s namespace see.
fn display_name(resource: &impl ResourceExt, reader: &impl ResourceExt) -> String {
    if resource.meta().namespace == reader.meta().namespace {
        resource.name_any()
    } else {
        "a resource of another namespace".to_owned()
    }
}

/// Returns whether the passwords of a flow may be sent to the service.
fn takes_passwords(flow: &ProvisioningFlow) -> bool {
    let spec = &flow.spec;
    spec.management_policy == ManagementPolicy::Manage && !spec.suspend && !is_deleting(flow)
}
