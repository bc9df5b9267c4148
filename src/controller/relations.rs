//! Whom a change concerns, and how they hear of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedSender;

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::metrics::{KindLabel, Metrics, Part, WakeSource};
use crate::plan::definition::flow_type;
use crate::plan::resource::{generation, is_deleting};
use crate::poll::News;

use super::world::World;

/// Knows whom a change concerns, and wakes them.
#[derive(Clone)]
pub struct Relations {
    /// The resources.
    pub world: World,
    wakes: Wakes,
    metrics: Metrics,
    /// What others read of a resource, as it was last seen.
    seen: Arc<Mutex<HashMap<String, String>>>,
}

/// Where the three controllers listen for resources to look at.
#[derive(Clone)]
pub struct Wakes {
    /// Connections.
    pub connections: UnboundedSender<ObjectRef<GraphConnection>>,
    /// Sets.
    pub sets: UnboundedSender<ObjectRef<OutboundProvisioningFlowSet>>,
    /// Flows.
    pub flows: UnboundedSender<ObjectRef<ProvisioningFlow>>,
}

impl Relations {
    /// Relations between the resources of `world`.
    #[must_use]
    pub fn new(world: World, wakes: Wakes, metrics: Metrics) -> Self {
        Self {
            world,
            wakes,
            metrics,
            seen: Arc::default(),
        }
    }

    /// Wakes those whom a poll's news concern.
    pub fn tell(&self, connection: &ObjectRef<GraphConnection>, news: &News) {
        if *news == News::Panicked {
            self.metrics.panicked(Part::Poller);
            tracing::error!(%connection, "a round of the poller panicked; this is a bug");
        }
        let Some(connection) = self.world.connections.get(connection) else {
            return;
        };
        match news {
            News::Panicked => {}
            News::SetsFailed => self.wake_connection(&connection, WakeSource::Poll),
            News::SetsReadable => {
                self.wake_connection(&connection, WakeSource::Poll);
                self.wake_sets(self.world.sets_through(&connection), WakeSource::Poll);
            }
            News::Sets(ids, names) => {
                let mut sets = self.world.sets_through(&connection);
                sets.retain(|set| {
                    let id = set
                        .status
                        .as_ref()
                        .and_then(|status| status.id.as_deref()?.parse().ok());
                    names.contains(&set.spec.display_name) || id.is_some_and(|id| ids.contains(&id))
                });
                self.wake_sets(sets, WakeSource::Poll);
            }
            News::Flows(set, types) => {
                let mut flows = self.world.flows_through(&connection);
                flows.retain(|flow| {
                    flow_type(&flow.spec).is_some_and(|kind| types.contains(&kind))
                        && self.world.remote_set_of(flow).as_ref() == Some(set)
                });
                self.wake_flows(flows, WakeSource::Poll);
            }
            News::FlowsReadable(set) => {
                let mut flows = self.world.flows_through(&connection);
                flows.retain(|flow| self.world.remote_set_of(flow).as_ref() == Some(set));
                self.wake_flows(flows, WakeSource::Poll);
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
        let id = set
            .status
            .as_ref()
            .and_then(|status| status.id.clone())
            .unwrap_or_default();
        let relevant = format!("{}/{id}", generation(set));
        if !self.is_news(set, gone, &relevant) {
            return;
        }
        self.wake_flows(self.world.flows_of(set), WakeSource::Related);
        let namespace = set.namespace().unwrap_or_default();
        let connection = self
            .world
            .connection(&namespace, &set.spec.connection_ref.name);
        if let Some(connection) = connection {
            self.wake_connection(&connection, WakeSource::Related);
            let mut namesakes = self.world.sets_through(&connection);
            namesakes.retain(|other| {
                other.spec.display_name == set.spec.display_name && other.uid() != set.uid()
            });
            self.wake_sets(namesakes, WakeSource::Related);
        }
    }

    /// A flow was seen, or is `gone`.
    pub fn flow_seen(&self, flow: &ProvisioningFlow, gone: bool) {
        let ready = flow.status.as_ref().is_some_and(|status| {
            crate::plan::conditions::is_true(&status.conditions, crate::api::condition::READY)
        });
        if !self.is_news(flow, gone, &ready.to_string()) {
            return;
        }
        if let Some(set) = self.world.set_of(flow) {
            self.wake_sets(vec![set], WakeSource::Related);
        }
        let namespace = flow.namespace().unwrap_or_default();
        let name = flow
            .spec
            .connection_ref
            .as_ref()
            .map(|reference| &reference.name);
        if let Some(connection) = name.and_then(|name| self.world.connection(&namespace, name)) {
            self.wake_connection(&connection, WakeSource::Related);
        }
        if gone {
            self.wake_flows(self.world.twins_of(flow), WakeSource::Related);
        }
    }

    /// A Secret was seen, or is gone.
    pub fn secret_seen(&self, secret: &PartialObjectMeta<Secret>, gone: bool) {
        let version = secret.resource_version().unwrap_or_default();
        if !self.is_news(secret, gone, &version) {
            return;
        }
        let (connections, flows) = self.world.users_of_secret(secret);
        self.wake_flows(flows, WakeSource::Related);
        for connection in connections {
            self.wake_users(&connection);
        }
    }

    /// Wakes a connection and all that is reached through it.
    pub fn wake_users(&self, connection: &GraphConnection) {
        self.wake_connection(connection, WakeSource::Related);
        self.wake_sets(self.world.sets_through(connection), WakeSource::Related);
        self.wake_flows(self.world.flows_through(connection), WakeSource::Related);
    }

    /// Whether what others read of a resource has changed since it was last seen.
    fn is_news(&self, resource: &impl ResourceExt, gone: bool, relevant: &str) -> bool {
        let uid = resource.uid().unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if gone {
            seen.remove(&uid);
            return true;
        }
        let relevant = format!("{relevant}/{}", is_deleting(resource));
        seen.insert(uid, relevant.clone()) != Some(relevant)
    }

    fn wake_connection(&self, connection: &GraphConnection, source: WakeSource) {
        self.metrics.woke(KindLabel::GraphConnection, source);
        // The receiver is gone only when the controllers have stopped.
        let _ = self.wakes.connections.send(ObjectRef::from_obj(connection));
    }

    fn wake_sets(&self, sets: Vec<Arc<OutboundProvisioningFlowSet>>, source: WakeSource) {
        for set in sets {
            self.metrics
                .woke(KindLabel::OutboundProvisioningFlowSet, source);
            let _ = self.wakes.sets.send(ObjectRef::from_obj(&*set));
        }
    }

    fn wake_flows(&self, flows: Vec<Arc<ProvisioningFlow>>, source: WakeSource) {
        for flow in flows {
            self.metrics.woke(KindLabel::ProvisioningFlow, source);
            let _ = self.wakes.flows.send(ObjectRef::from_obj(&*flow));
        }
    }
}
