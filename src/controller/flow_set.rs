//! How a set meets the service.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::api::{FilterAttribute, OutboundProvisioningFlowSet};
use crate::graph::model::{FlowSet, FlowSetId};
use crate::graph::verdict::Verdict;
use crate::graph::{Client, FilterDefinition, FlowSetDefinition, Lane, Operation};
use crate::metrics::KindLabel;
use crate::plan::definition::FlowSetBody;
use crate::plan::flow_set::{Change, Surroundings};
use crate::plan::{Action, Fetched, Permit, Place};
use crate::poll::Snapshot;

use super::connection::reach;
use super::context::Context;
use super::error::Error;
use super::notebook::Notebook;
use super::relations::Relations;
use super::remote::{Changed, Located, Remote, Way, fetched, verdict_on_id};

impl Remote for OutboundProvisioningFlowSet {
    type Secrets = ();

    const LABEL: KindLabel = KindLabel::OutboundProvisioningFlowSet;

    fn notebook(context: &Context) -> &Notebook<Self> {
        &context.sets
    }

    fn note(seen: &Self, gone: bool, relations: &Relations, _context: &Context) {
        relations.set_seen(seen, gone);
    }

    async fn locate(&self, context: &Context) -> Result<Located, Error> {
        let session = reach(self, &self.spec.connection_ref.name, context).await?;
        Ok(session.map(|(session, route)| {
            let place = Place { set: None, route };
            Way {
                session,
                place,
                refused: None,
            }
        }))
    }

    async fn around(&self, _way: Option<&Way>, context: &Context) -> Result<Surroundings, Error> {
        Ok(Surroundings {
            rival: context.world.rival_of_set(self),
            held: context.world.held_by_others(self),
            flows: context.world.count_flows(self),
        })
    }

    fn latest(way: &Way) -> Option<Arc<Snapshot<FlowSet>>> {
        way.session.poller.latest_sets()
    }

    async fn look(way: &Way, moment: Instant, lane: Lane) -> Option<Arc<Snapshot<FlowSet>>> {
        Some(way.session.poller.sets_since(moment, lane).await)
    }

    async fn fetch(way: &Way, id: &str) -> Fetched {
        let Ok(id) = set_id(id) else {
            return Fetched::Absent;
        };
        fetched(way.session.client.get_flow_set(&id, Lane::Change).await)
    }

    fn operation(_permit: &Permit) -> Operation {
        Operation::CreateFlowSet
    }

    fn action(change: &Change) -> Action {
        match change {
            Change::Create { .. } => Action::Create,
            Change::Update { .. } => Action::Update,
            Change::Delete { .. } => Action::Delete,
        }
    }

    async fn change(change: Change, way: &Way, (): ()) -> Changed<FlowSet> {
        let client = &way.session.client;
        let changed = match change {
            Change::Create { attempt, body } => {
                let created = create(client, attempt.id, body).await;
                Changed::of(Action::Create, created.map(Some))
            }
            Change::Update { id, body } => {
                let updated = update(client, &id, body).await;
                Changed::of(Action::Update, updated.map(|()| None))
            }
            Change::Delete { id } => {
                let deleted = delete(client, &id).await;
                Changed::of(Action::Delete, deleted.map(|()| None))
            }
        };
        let created = changed.created().cloned();
        way.session.poller.amend_sets(created);
        changed
    }
}

async fn create(client: &Client, attempt: Uuid, body: FlowSetBody) -> Result<FlowSet, Verdict> {
    let created = client.create_flow_set(attempt, &definition(body)).await;
    created.map_err(|error| error.verdict())
}

async fn update(client: &Client, id: &str, body: FlowSetBody) -> Result<(), Verdict> {
    let updated = client
        .update_flow_set(&set_id(id)?, &definition(body))
        .await;
    updated.map_err(|error| error.verdict())
}

async fn delete(client: &Client, id: &str) -> Result<(), Verdict> {
    let deleted = client.delete_flow_set(&set_id(id)?).await;
    deleted.map_err(|error| error.verdict())
}

fn definition(body: FlowSetBody) -> FlowSetDefinition {
    let filter = body.filter.map(|filter| {
        let FilterAttribute::OrgExternalId = filter.attribute;
        FilterDefinition {
            attribute: "orgExternalId".to_owned(),
            values: filter.values,
        }
    });
    FlowSetDefinition {
        display_name: body.display_name,
        filter,
    }
}

fn set_id(id: &str) -> Result<FlowSetId, Verdict> {
    id.parse().map_err(verdict_on_id)
}
