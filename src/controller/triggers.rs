//! Whom a change concerns, and how they hear of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, annotation};
use crate::metrics::{Component, Metrics, ResourceKind, TriggerSource};
use crate::plan::definition::flow_type;
use crate::plan::resource::{annotated, generation, is_deleting};
use crate::poll::News;

use super::index::{Index, Name};
use super::secrets::store::{ChangeKind, KeyChange};

/// Knows whom a change concerns, and wakes them.
#[derive(Clone)]
pub struct Triggers {
    /// The resources.
    pub index: Index,
    switchboard: Switchboard,
    metrics: Metrics,
    /// What others read of a resource, as it was last seen.
    seen: Arc<Mutex<HashMap<String, String>>>,
}

/// The queues of all scopes, by their namespaces: what is done in one may concern another.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<RwLock<HashMap<Option<String>, Queues>>>);

impl Switchboard {
    /// Adds the queues of the scope that consists of a namespace, or of all.
    pub fn add(&self, scope: Option<String>, queues: Queues) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(scope, queues);
    }

    /// The queues for a resource.
    fn queues(&self, resource: &impl ResourceExt) -> Option<Queues> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&resource.namespace())
            .or_else(|| all.get(&None))
            .cloned()
    }
}

/// Where the three controllers of a scope listen for resources to look at.
#[derive(Clone)]
pub struct Queues {
    /// Connections.
    pub connections: UnboundedSender<ObjectRef<GraphConnection>>,
    /// Sets.
    pub sets: UnboundedSender<ObjectRef<OutboundProvisioningFlowSet>>,
    /// Flows.
    pub flows: UnboundedSender<ObjectRef<ProvisioningFlow>>,
}

/// The other ends of [`Queues`].
pub struct Receivers {
    /// Connections.
    pub connections: UnboundedReceiver<ObjectRef<GraphConnection>>,
    /// Sets.
    pub sets: UnboundedReceiver<ObjectRef<OutboundProvisioningFlowSet>>,
    /// Flows.
    pub flows: UnboundedReceiver<ObjectRef<ProvisioningFlow>>,
}

impl Queues {
    /// Creates empty queues, and returns them with their other ends.
    pub fn open() -> (Self, Receivers) {
        let (connections, woken_connections) = unbounded_channel();
        let (sets, woken_sets) = unbounded_channel();
        let (flows, woken_flows) = unbounded_channel();
        let queues = Self {
            connections,
            sets,
            flows,
        };
        let receivers = Receivers {
            connections: woken_connections,
            sets: woken_sets,
            flows: woken_flows,
        };
        (queues, receivers)
    }
}

impl Triggers {
    /// Triggers between the resources of `index`.
    #[must_use]
    pub fn new(index: Index, switchboard: Switchboard, metrics: Metrics) -> Self {
        Self {
            index,
            switchboard,
            metrics,
            seen: Arc::default(),
        }
    }

    /// Queues those whom a poll's news concern.
    pub fn tell(&self, connection: &ObjectRef<GraphConnection>, news: &News) {
        if *news == News::Panicked {
            self.metrics.panicked(Component::Poller);
            tracing::error!(%connection, "a round of the poller panicked; this is a bug");
        }
        let Some(connection) = self.connection(connection) else {
            return;
        };
        match news {
            News::Panicked => {}
            News::SetsFailed | News::Listed => {
                self.wake_connection(&connection, TriggerSource::Poll);
            }
            News::SetsReadable => {
                self.wake_connection(&connection, TriggerSource::Poll);
                self.wake_sets(self.index.sets_through(&connection), TriggerSource::Poll);
            }
            News::Sets(ids, names) => {
                let sets = self.index.sets_listed(&connection, ids, names);
                self.wake_sets(sets, TriggerSource::Poll);
            }
            News::Flows(set, types) => {
                let mut flows = self.index.flows_listed(&connection, set);
                flows
                    .retain(|flow| flow_type(&flow.spec).is_some_and(|kind| types.contains(&kind)));
                self.wake_flows(flows, TriggerSource::Poll);
            }
            News::FlowsReadable(set) => {
                let flows = self.index.flows_listed(&connection, set);
                self.wake_flows(flows, TriggerSource::Poll);
            }
        }
    }

    /// A connection was seen, or is `gone`.
    pub fn connection_seen(&self, connection: &GraphConnection, gone: bool) {
        if self.is_news(connection, gone, &generation(connection).to_string()) {
            self.wake_users(connection);
        }
    }

    /// A set was seen, or is `gone`.
    pub fn set_seen(&self, set: &OutboundProvisioningFlowSet, gone: bool) {
        let status = set.status.as_ref();
        let id = status.and_then(|status| status.id.clone());
        let owned = status.is_some_and(|status| status.owned);
        let allowed = annotated(set, annotation::ALLOWED_NAMESPACES).unwrap_or_default();
        let relevant = format!(
            "{}/{}/{owned}/{allowed}",
            generation(set),
            id.as_deref().unwrap_or_default()
        );
        if !self.is_news(set, gone, &relevant) {
            return;
        }
        self.wake_flows(self.index.flows_of(set), TriggerSource::Related);
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            self.wake_flows(self.index.flows_within(&id), TriggerSource::Related);
            self.wake_sets(self.index.sharers_of(set), TriggerSource::Related);
        }
        let namespace = set.namespace().unwrap_or_default();
        let connection = self
            .index
            .connection(&namespace, &set.spec.connection_ref.name);
        if let Some(connection) = connection {
            self.wake_connection(&connection, TriggerSource::Related);
            self.wake_sets(self.index.same_named(set), TriggerSource::Related);
        }
    }

    /// A flow was seen, or is `gone`.
    pub fn flow_seen(&self, flow: &ProvisioningFlow, gone: bool) {
        let ready = flow.status.as_ref().is_some_and(|status| {
            crate::plan::conditions::is_true(&status.conditions, crate::api::condition::READY)
        });
        let owned = flow.status.as_ref().is_some_and(|status| status.owned);
        if self.is_news_of("owned", flow, gone, &owned.to_string()) {
            self.wake_flows(self.index.rivals_of(flow), TriggerSource::Related);
        }
        if !self.is_news(flow, gone, &ready.to_string()) {
            return;
        }
        if let Some(set) = self.index.set_of(flow) {
            self.wake_sets(vec![set], TriggerSource::Related);
        }
        let namespace = flow.namespace().unwrap_or_default();
        let name = flow
            .spec
            .connection_ref
            .as_ref()
            .map(|reference| &reference.name);
        if let Some(connection) = name.and_then(|name| self.index.connection(&namespace, name)) {
            self.wake_connection(&connection, TriggerSource::Related);
        }
    }

    /// The value under a key of a Secret has changed.
    pub fn secret_changed(&self, secret: &Name, change: &KeyChange) {
        let (connections, flows) = self.index.users_of_secret(secret, &change.key);
        self.wake_flows(flows, TriggerSource::Related);
        for connection in connections {
            match change.kind {
                // The others follow once the connection has a session with the new credential.
                ChangeKind::Replaced => self.wake_connection(&connection, TriggerSource::Related),
                ChangeKind::Availability => self.wake_users(&connection),
            }
        }
    }

    /// What the credential of a connection may do has changed.
    pub fn access_changed(&self, connection: &ObjectRef<GraphConnection>) {
        if let Some(connection) = self.connection(connection) {
            self.wake_connection(&connection, TriggerSource::Related);
        }
    }

    /// The credential of a connection has obtained a permission that was missing.
    pub fn access_granted(&self, connection: &ObjectRef<GraphConnection>) {
        if let Some(connection) = self.connection(connection) {
            self.wake_users(&connection);
        }
    }

    /// A task panicked, and goes on.
    pub fn panicked(&self) {
        self.metrics.panicked(Component::Task);
    }

    /// Queues a connection and all that is reached through it.
    pub fn wake_users(&self, connection: &GraphConnection) {
        self.wake_connection(connection, TriggerSource::Related);
        self.wake_sets(self.index.sets_through(connection), TriggerSource::Related);
        self.wake_flows(self.index.flows_through(connection), TriggerSource::Related);
    }

    /// Whether what others read of a resource has changed since it was last seen.
    fn is_news(&self, resource: &impl ResourceExt, gone: bool, relevant: &str) -> bool {
        self.is_news_of("", resource, gone, relevant)
    }

    /// Whether one aspect of what others read of a resource has changed since it was last seen.
    fn is_news_of(
        &self,
        aspect: &str,
        resource: &impl ResourceExt,
        gone: bool,
        relevant: &str,
    ) -> bool {
        let uid = resource.uid().unwrap_or_default() + aspect;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if gone {
            seen.remove(&uid);
            return true;
        }
        let relevant = format!("{relevant}/{}", is_deleting(resource));
        seen.insert(uid, relevant.clone()) != Some(relevant)
    }

    fn connection(&self, named: &ObjectRef<GraphConnection>) -> Option<Arc<GraphConnection>> {
        let namespace = named.namespace.as_deref().unwrap_or_default();
        self.index.connection(namespace, &named.name)
    }

    fn wake_connection(&self, connection: &GraphConnection, source: TriggerSource) {
        self.metrics
            .triggered(ResourceKind::GraphConnection, source);
        // The receiver is gone only when the controllers have stopped.
        if let Some(queues) = self.switchboard.queues(connection) {
            let _ = queues.connections.send(ObjectRef::from_obj(connection));
        }
    }

    fn wake_sets(&self, sets: Vec<Arc<OutboundProvisioningFlowSet>>, source: TriggerSource) {
        for set in sets {
            self.metrics
                .triggered(ResourceKind::OutboundProvisioningFlowSet, source);
            if let Some(queues) = self.switchboard.queues(&*set) {
                let _ = queues.sets.send(ObjectRef::from_obj(&*set));
            }
        }
    }

    fn wake_flows(&self, flows: Vec<Arc<ProvisioningFlow>>, source: TriggerSource) {
        for flow in flows {
            self.metrics
                .triggered(ResourceKind::ProvisioningFlow, source);
            if let Some(queues) = self.switchboard.queues(&*flow) {
                let _ = queues.flows.send(ObjectRef::from_obj(&*flow));
            }
        }
    }
}
