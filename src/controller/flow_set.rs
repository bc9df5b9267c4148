//! Access of sets to the service.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::api::OutboundProvisioningFlowSet;
use crate::graph::model::{FlowSet, FlowSetId};
use crate::graph::verdict::Verdict;
use crate::graph::{Client, FlowSetDefinition, Operation, Priority};
use crate::metrics::ResourceKind;
use crate::plan::flow_set::{FlowSetChange, FlowSetRelations, candidates};
use crate::plan::{Action, Fetched, Input, Permit, Planned, invalid_id};
use crate::poll::{ListRequest, Snapshot};

use super::cache::ReconcileCache;
use super::connection::reach;
use super::context::Context;
use super::error::{ReconcileError, Unavailable};
use super::index::Index;
use super::managed::{Changed, Connected, Managed, fetched, is_listed};
use super::triggers::Triggers;
use super::turns::Turn;

impl Managed for OutboundProvisioningFlowSet {
    type Secrets = ();

    const LABEL: ResourceKind = ResourceKind::OutboundProvisioningFlowSet;

    fn cache(context: &Context) -> &ReconcileCache<Self> {
        &context.sets
    }

    fn note(seen: &Self, gone: bool, triggers: &Triggers, _context: &Context) {
        triggers.set_seen(seen, gone);
    }

    fn connection(&self, _index: &Index) -> Option<String> {
        Some(self.spec.connection_ref.name.clone())
    }

    async fn locate(&self, context: &Context, turn: &Turn) -> Result<Connected, Unavailable> {
        let route = reach(self, &self.spec.connection_ref.name, context, turn).await?;
        Ok(Connected::through(route, None))
    }

    async fn related(
        &self,
        _connected: Option<&Connected>,
        context: &Context,
    ) -> Result<FlowSetRelations, ReconcileError> {
        let index = Some(&context.index).filter(|_| self.is_managed());
        Ok(FlowSetRelations {
            conflict: index.and_then(|index| index.namesake_of(self)),
            owner: index.and_then(|index| index.owner_of_set(self)),
            is_contested: index.is_some_and(|index| index.is_contested(self)),
            // Depends on the list: see `relate`.
            held: BTreeSet::new(),
            flows: context.index.count_flows(self),
        })
    }

    fn relate(input: &mut Input<Self>, context: &Context) {
        let is_held = |id: &&FlowSetId| context.index.is_held_by_other(&input.resource, id);
        let held = candidates(input).filter(is_held).cloned().collect();
        input.related.held = held;
    }

    fn reserve(input: &Input<Self>, index: &Index) -> bool {
        let id = input.status.id.as_deref().and_then(|id| id.parse().ok());
        index.reserve_set(&input.resource, id.as_ref(), is_listed(input))
    }

    fn latest(connected: &Connected) -> Option<Arc<Snapshot<FlowSet>>> {
        connected.session.poller.latest_sets()
    }

    async fn refresh(
        connected: &Connected,
        request: ListRequest,
    ) -> Option<Arc<Snapshot<FlowSet>>> {
        Some(connected.session.poller.sets_since(request).await)
    }

    async fn fetch(connected: &Connected, id: &str) -> Fetched {
        let client = &connected.session.client;
        match id.parse() {
            Ok(id) => fetched(client.get_flow_set(&id, Priority::Change).await),
            Err(invalid) => Fetched::Unknown(invalid_id(invalid)),
        }
    }

    fn operation(_permit: &Permit) -> Operation {
        Operation::CreateFlowSet
    }

    fn action(change: &FlowSetChange) -> Action {
        match change {
            FlowSetChange::Create { .. } => Action::Create,
            FlowSetChange::Update { .. } => Action::Update,
            FlowSetChange::Delete { .. } => Action::Delete,
        }
    }

    async fn change(change: FlowSetChange, connected: &Connected, (): ()) -> Changed<FlowSet> {
        let client = &connected.session.client;
        let changed = match change {
            FlowSetChange::Create {
                attempt,
                definition,
            } => {
                let created = create(client, attempt.id, &definition).await;
                Changed::of(Action::Create, created.map(Some))
            }
            FlowSetChange::Update { id, definition } => {
                let updated = update(client, &id, &definition).await;
                Changed::of(Action::Update, updated.map(|()| None))
            }
            FlowSetChange::Delete { id } => {
                let deleted = delete(client, &id).await;
                Changed::of(Action::Delete, deleted.map(|()| None))
            }
        };
        let created = changed.created().cloned();
        connected.session.poller.amend_sets(created);
        changed
    }
}

async fn create(
    client: &Client,
    attempt: Uuid,
    definition: &FlowSetDefinition,
) -> Result<FlowSet, Verdict> {
    let created = client.create_flow_set(attempt, definition).await;
    created.map_err(|error| error.verdict())
}

async fn update(
    client: &Client,
    id: &FlowSetId,
    definition: &FlowSetDefinition,
) -> Result<(), Verdict> {
    let updated = client.update_flow_set(id, definition).await;
    updated.map_err(|error| error.verdict())
}

async fn delete(client: &Client, id: &FlowSetId) -> Result<(), Verdict> {
    let deleted = client.delete_flow_set(id).await;
    deleted.map_err(|error| error.verdict())
}
