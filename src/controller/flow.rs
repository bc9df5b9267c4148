//! How a flow meets the service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;
use tokio::time::Instant;

use crate::api::{
    AppliedSecret, ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow, reason,
};
use crate::graph::model::{Flow, FlowId, FlowSetId, InvalidId};
use crate::graph::verdict::Verdict;
use crate::graph::{Client, Error as GraphError, FlowDefinition, Lane};
use crate::metrics::{KindLabel, Metrics};
use crate::plan::definition::{FlowBody, passwords};
use crate::plan::flow::{Change, Surroundings, knows_readiness};
use crate::plan::resource::is_deleting;
use crate::plan::{Action, Obstacle, Place};
use crate::poll::Snapshot;

use super::connection::reach;
use super::context::Context;
use super::error::Error;
use super::notebook::Notebook;
use super::relations::Relations;
use super::remote::{Changed, Located, Remote, Way, verdict_on_id};
use super::session::{read_secret, secret_missing};
use super::watch;
use super::world::{World, namespace};

impl Remote for ProvisioningFlow {
    const LABEL: KindLabel = KindLabel::ProvisioningFlow;

    fn notebook(context: &Context) -> &Notebook<Self> {
        &context.flows
    }

    fn note(seen: &Self, gone: bool, relations: &Relations, _context: &Context) {
        relations.flow_seen(seen, gone);
    }

    fn count(known: &Self::Status, new: &Self::Status, metrics: &Metrics) {
        let word = new.readiness_status.as_deref();
        let is_news = word != known.readiness_status.as_deref();
        if is_news && word.is_some_and(|word| !knows_readiness(word)) {
            metrics.unknown_readiness();
        }
    }

    async fn locate(&self, context: &Context) -> Result<Located, Error> {
        let set = match remote_set(self, &context.world) {
            Ok(set) => set,
            Err(obstacle) => return Ok(Err(with_selector(self, obstacle, context).await?)),
        };
        let connection = context.world.connection_of(self).unwrap_or_default();
        let session = reach(self, &connection, context).await?;
        Ok(session.map(|session| {
            let place = Place {
                set: Some(set),
                route: session.route.clone(),
            };
            Way { session, place }
        }))
    }

    async fn around(&self, context: &Context) -> Result<Surroundings, Error> {
        let needed = self.spec.management_policy == ManagementPolicy::Manage && !is_deleting(self);
        let secrets = if needed {
            secret_versions(self, context).await?
        } else {
            Ok(Vec::new())
        };
        Ok(Surroundings {
            rival: context.world.rival_of_flow(self),
            secrets,
        })
    }

    fn latest(way: &Way) -> Option<Arc<Snapshot<Flow>>> {
        way.session.poller.latest_flows(way.place.set.as_ref()?)
    }

    async fn look(way: &Way, moment: Instant, lane: Lane) -> Option<Arc<Snapshot<Flow>>> {
        let set = way.place.set.as_ref()?;
        Some(way.session.poller.flows_since(set, moment, lane).await)
    }

    async fn change(
        &self,
        change: Change,
        way: &Way,
        context: &Context,
    ) -> Result<Changed<Flow>, Error> {
        let Some(set) = &way.place.set else {
            return Ok(Changed::failed(Action::Update, verdict_on_id(InvalidId)));
        };
        let remote = RemoteFlow {
            client: &way.session.client,
            set,
        };
        let changed = match change {
            Change::Create { attempt, body } => {
                let passwords = read_passwords(self, context).await?;
                let created = remote.create(attempt.id, body, passwords).await;
                Changed::of(Action::Create, created.map(Some))
            }
            Change::Update { id, body } => {
                let passwords = read_passwords(self, context).await?;
                let updated = remote.update(&id, body, passwords).await;
                Changed::of(Action::Update, updated.map(|()| None))
            }
            Change::Reset { id } => {
                Changed::of(Action::Reset, remote.reset(&id).await.map(|()| None))
            }
            Change::Delete { id } => {
                Changed::of(Action::Delete, remote.delete(&id).await.map(|()| None))
            }
        };
        let created = changed.created().cloned();
        way.session
            .poller
            .amend_flows(set, |flows| flows.extend(created));
        Ok(changed)
    }
}

/// The flows of one remote set.
struct RemoteFlow<'a> {
    client: &'a Client,
    set: &'a FlowSetId,
}

impl RemoteFlow<'_> {
    async fn create(
        &self,
        attempt: uuid::Uuid,
        body: FlowBody,
        passwords: Passwords,
    ) -> Result<Flow, Verdict> {
        let definition = definition(body, passwords);
        let created = self
            .client
            .create_flow(attempt, self.set, &definition)
            .await;
        created.map_err(|error| error.verdict())
    }

    async fn update(&self, id: &str, body: FlowBody, passwords: Passwords) -> Result<(), Verdict> {
        let (id, definition) = (flow_id(id)?, definition(body, passwords));
        let updated = self.client.update_flow(self.set, &id, &definition).await;
        updated.map_err(|error| error.verdict())
    }

    async fn reset(&self, id: &str) -> Result<(), Verdict> {
        let reset = self.client.reset_flow(self.set, &flow_id(id)?).await;
        reset.map_err(|error| error.verdict())
    }

    /// A flow that is not there is as good as deleted.
    async fn delete(&self, id: &str) -> Result<(), Verdict> {
        match self.client.delete_flow(self.set, &flow_id(id)?).await {
            Err(error) if !GraphError::is_not_found(&error) => Err(error.verdict()),
            _ => Ok(()),
        }
    }
}

/// The passwords for new users, by role group.
type Passwords = BTreeMap<String, SecretString>;

fn definition(body: FlowBody, passwords: Passwords) -> FlowDefinition {
    FlowDefinition {
        flow_type: body.flow_type,
        properties: body.properties,
        passwords,
    }
}

fn flow_id(id: &str) -> Result<FlowId, Verdict> {
    id.parse().map_err(verdict_on_id)
}

/// A set that is not found may be one that `--watch-selector` leaves out.
async fn with_selector(
    flow: &ProvisioningFlow,
    mut obstacle: Obstacle,
    context: &Context,
) -> Result<Obstacle, Error> {
    if let (Some(reference), None) = (&flow.spec.flow_set_ref, context.world.set_of(flow)) {
        let message = obstacle.statement.message;
        obstacle.statement.message = watch::missing::<OutboundProvisioningFlowSet>(
            &namespace(flow),
            &reference.name,
            context,
            message,
        )
        .await?;
    }
    Ok(obstacle)
}

/// The remote set that a flow belongs to. A flow that is being deleted belongs where it was made.
fn remote_set(flow: &ProvisioningFlow, world: &World) -> Result<FlowSetId, Obstacle> {
    let made_in = flow
        .status
        .as_ref()
        .and_then(|status| status.flow_set_id.as_deref());
    if let Some(set) = made_in
        .filter(|_| is_deleting(flow))
        .and_then(|id| id.parse().ok())
    {
        return Ok(set);
    }
    if let Some(reference) = &flow.spec.flow_set_ref {
        let name = &reference.name;
        let set = world.set_of(flow).ok_or_else(|| {
            Obstacle::person(
                reason::FLOW_SET_NOT_FOUND,
                format!("the OutboundProvisioningFlowSet {name} does not exist: create it, or delete this resource"),
            )
        })?;
        if is_deleting(&*set) && !is_deleting(flow) {
            return Err(Obstacle::progress(
                reason::FLOW_SET_NOT_READY,
                format!(
                    "the OutboundProvisioningFlowSet {name} is being deleted, and waits until this resource is deleted too"
                ),
            ));
        }
    }
    world.remote_set_of(flow).ok_or_else(|| {
        Obstacle::progress(
            reason::FLOW_SET_NOT_READY,
            "the OutboundProvisioningFlowSet that spec.flowSetRef names has no remote set yet: its conditions say why",
        )
    })
}

/// Where the flow's passwords stand now. One that the service has not been given yet is checked to be there.
async fn secret_versions(
    flow: &ProvisioningFlow,
    context: &Context,
) -> Result<Result<Vec<AppliedSecret>, Obstacle>, Error> {
    let namespace = namespace(flow);
    let applied = flow
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.applied_secrets);
    let mut versions = BTreeSet::new();
    for (role_group, reference) in passwords(&flow.spec) {
        let Some(version) = context.world.secret(&namespace, &reference.name) else {
            return Ok(Err(secret_missing(reference)));
        };
        let secret = AppliedSecret {
            role_group: role_group.to_owned(),
            name: reference.name.clone(),
            key: reference.key.clone(),
            uid: version.uid,
            resource_version: version.resource_version,
        };
        if !applied.contains(&secret)
            && let Err(obstacle) = read_secret(&context.cluster, &namespace, reference).await?
        {
            return Ok(Err(obstacle));
        }
        versions.insert(secret);
    }
    Ok(Ok(versions.into_iter().collect()))
}

/// A Secret that went missing since it was looked at ends the run; the next one tells.
async fn read_passwords(flow: &ProvisioningFlow, context: &Context) -> Result<Passwords, Error> {
    let mut values = Passwords::new();
    for (role_group, reference) in passwords(&flow.spec) {
        match read_secret(&context.cluster, &namespace(flow), reference).await? {
            Ok(password) => values.insert(role_group.to_owned(), password),
            Err(_) => {
                return Err(Error::Outdated {
                    object: format!("Secret {}/{}", namespace(flow), reference.name),
                });
            }
        };
    }
    Ok(values)
}
