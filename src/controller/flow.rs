//! Access of flows to the service.

use std::sync::Arc;

use crate::api::{
    AppliedSecret, ManagementPolicy, OutboundProvisioningFlowSet, ProvisioningFlow, annotation,
    reason,
};
use crate::graph::model::{Flow, FlowId, FlowSetId, InvalidId};
use crate::graph::verdict::Verdict;
use crate::graph::{Client, FlowDefinition, Operation, Passwords, Priority};
use crate::metrics::{Metrics, ResourceKind};
use crate::plan::definition::passwords;
use crate::plan::flow::{FlowChange, FlowRelations};
use crate::plan::resource::is_deleting;
use crate::plan::{Action, Blocked, Fetched, Input, Password, Permit, Planned, invalid_id};
use crate::poll::{ListRequest, Snapshot};

use super::cache::ReconcileCache;
use super::connection::{max_age, reach};
use super::context::Context;
use super::error::{ReconcileError, Unavailable, settled};
use super::index::{Index, namespace};
use super::managed::{Changed, Connected, Managed, fetched, is_listed};
use super::triggers::Triggers;
use super::turns::Turn;
use super::watch;

mod progress;

impl Managed for ProvisioningFlow {
    type Secrets = Passwords;

    const LABEL: ResourceKind = ResourceKind::ProvisioningFlow;

    fn cache(context: &Context) -> &ReconcileCache<Self> {
        &context.flows
    }

    fn note(seen: &Self, gone: bool, triggers: &Triggers, _context: &Context) {
        triggers.flow_seen(seen, gone);
    }

    fn count(&self, new: &Self::Status, metrics: &Metrics) {
        progress::count(self, new, metrics);
    }

    fn connection(&self, index: &Index) -> Option<String> {
        index.connection_of(self)
    }

    async fn locate(&self, context: &Context, turn: &Turn) -> Result<Connected, Unavailable> {
        let set = match remote_set(self, &context.index) {
            Ok(set) => set,
            Err(blocked) => return Err(with_selector(self, blocked, context).await?.into()),
        };
        let Some(connection) = context.index.connection_of(self) else {
            let blocked = set_missing(self);
            return Err(with_selector(self, blocked, context).await?.into());
        };
        let route = reach(self, &connection, context, turn).await?;
        Ok(Connected::through(route, Some(set)))
    }

    async fn related(
        &self,
        _connected: Option<&Connected>,
        context: &Context,
    ) -> Result<FlowRelations, ReconcileError> {
        let needed = self.spec.management_policy == ManagementPolicy::Manage && !is_deleting(self);
        let passwords = if needed {
            settled(passwords_of(self, context).await)?
        } else {
            Ok(Vec::new())
        };
        let owner = || context.index.owner_of_flow(self);
        Ok(FlowRelations {
            conflict: self.is_managed().then(owner).flatten(),
            passwords,
        })
    }

    fn reserve(input: &Input<Self>, index: &Index) -> bool {
        let target = input.target.as_ref().ok();
        let set = target.and_then(|target| target.set.as_ref());
        set.is_none_or(|set| index.reserve_flow(&input.resource, set, is_listed(input)))
    }

    fn latest(connected: &Connected) -> Option<Arc<Snapshot<Flow>>> {
        connected
            .session
            .poller
            .latest_flows(connected.target.set.as_ref()?)
    }

    async fn refresh(connected: &Connected, request: ListRequest) -> Option<Arc<Snapshot<Flow>>> {
        let set = connected.target.set.as_ref()?;
        Some(connected.session.poller.flows_since(set, request).await)
    }

    async fn fetch(connected: &Connected, id: &str) -> Fetched {
        let Some(set) = &connected.target.set else {
            return Fetched::Absent;
        };
        let client = &connected.session.client;
        match id.parse() {
            Ok(id) => fetched(client.get_flow(set, &id, Priority::Change).await),
            Err(invalid) => Fetched::Unknown(invalid_id(invalid)),
        }
    }

    async fn secrets(&self, context: &Context) -> Result<Passwords, ReconcileError> {
        read_passwords(self, context).await
    }

    fn operation(permit: &Permit) -> Operation {
        match permit {
            Permit::Create { .. } => Operation::CreateFlow,
            Permit::Reset { .. } => Operation::ResetFlow,
        }
    }

    fn action(change: &FlowChange) -> Action {
        match change {
            FlowChange::Create { .. } => Action::Create,
            FlowChange::Update { .. } => Action::Update,
            FlowChange::Reset { .. } => Action::Reset,
            FlowChange::Delete { .. } => Action::Delete,
        }
    }

    async fn change(
        change: FlowChange,
        connected: &Connected,
        passwords: Passwords,
    ) -> Changed<Flow> {
        let action = Self::action(&change);
        let Some(set) = &connected.target.set else {
            return Changed::of(action, Err(invalid_id(InvalidId)));
        };
        let remote = RemoteFlow {
            client: &connected.session.client,
            set,
        };
        let outcome = match change {
            FlowChange::Create {
                attempt,
                definition,
            } => {
                let created = remote.create(attempt.id, &definition, &passwords).await;
                created.map(Some)
            }
            FlowChange::Update { id, definition } => remote
                .update(&id, &definition, &passwords)
                .await
                .map(|()| None),
            FlowChange::Reset { id } => remote.reset(&id).await.map(|()| None),
            FlowChange::Delete { id } => remote.delete(&id).await.map(|()| None),
        };
        let changed = Changed::of(action, outcome);
        let created = changed.created().cloned();
        connected.session.poller.amend_flows(set, created);
        changed
    }
}

/// Client for the flows of one remote set.
struct RemoteFlow<'a> {
    client: &'a Client,
    set: &'a FlowSetId,
}

impl RemoteFlow<'_> {
    async fn create(
        &self,
        attempt: uuid::Uuid,
        definition: &FlowDefinition,
        passwords: &Passwords,
    ) -> Result<Flow, Verdict> {
        let created = self
            .client
            .create_flow(attempt, self.set, definition, passwords)
            .await;
        created.map_err(|error| error.verdict())
    }

    async fn update(
        &self,
        id: &FlowId,
        definition: &FlowDefinition,
        passwords: &Passwords,
    ) -> Result<(), Verdict> {
        let updated = self
            .client
            .update_flow(self.set, id, definition, passwords)
            .await;
        updated.map_err(|error| error.verdict())
    }

    async fn reset(&self, id: &FlowId) -> Result<(), Verdict> {
        let reset = self.client.reset_flow(self.set, id).await;
        reset.map_err(|error| error.verdict())
    }

    async fn delete(&self, id: &FlowId) -> Result<(), Verdict> {
        let deleted = self.client.delete_flow(self.set, id).await;
        deleted.map_err(|error| error.verdict())
    }
}

/// Adds to the message of a missing set that `--watch-selector` may exclude it.
async fn with_selector(
    flow: &ProvisioningFlow,
    mut blocked: Blocked,
    context: &Context,
) -> Result<Blocked, ReconcileError> {
    if let (Some(reference), None) = (&flow.spec.flow_set_ref, context.index.set_of(flow)) {
        let message = blocked.cause.message;
        blocked.cause.message = watch::missing::<OutboundProvisioningFlowSet>(
            &namespace(flow),
            &reference.name,
            context,
            message,
        )
        .await?;
    }
    Ok(blocked)
}

/// Returns the remote set that a flow may be in.
///
/// No flow is in a set that a resource of another namespace owns, unless that allows it.
fn remote_set(flow: &ProvisioningFlow, index: &Index) -> Result<FlowSetId, Blocked> {
    let set = declared_set(flow, index)?;
    if !index.refuses(flow, &set) {
        return Ok(set);
    }
    Err(Blocked::person(
        reason::FLOW_SET_NOT_ALLOWED,
        format!(
            "a resource of another namespace manages the set {set} and does not allow flows of this namespace: ask its owner to add this namespace to the annotation {} of the OutboundProvisioningFlowSet, or create another ProvisioningFlow for another set",
            annotation::ALLOWED_NAMESPACES
        ),
    ))
}

/// Returns the remote set that a flow declares. For a flow that is being deleted, this is the set in which it was
/// created.
fn declared_set(flow: &ProvisioningFlow, index: &Index) -> Result<FlowSetId, Blocked> {
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
        let set = index.set_of(flow).ok_or_else(|| set_missing(flow))?;
        if is_deleting(&*set) && !is_deleting(flow) {
            return Err(Blocked::progress(
                reason::FLOW_SET_NOT_READY,
                format!(
                    "the OutboundProvisioningFlowSet {name} is being deleted and waits for this resource: delete this resource too"
                ),
            ));
        }
    }
    index.remote_set_of(flow).ok_or_else(|| {
        Blocked::progress(
            reason::FLOW_SET_NOT_READY,
            "the OutboundProvisioningFlowSet in spec.flowSetRef does not have a remote set yet: see its conditions for the cause",
        )
    })
}

/// Returns the blocker for a missing set resource of a flow. Without the set, the connection of the flow is unknown.
fn set_missing(flow: &ProvisioningFlow) -> Blocked {
    let reference = flow.spec.flow_set_ref.as_ref();
    let name = reference.map_or("", |reference| reference.name.as_str());
    Blocked::missing(
        reason::FLOW_SET_NOT_FOUND,
        format!(
            "the OutboundProvisioningFlowSet {name} in spec.flowSetRef does not exist: create it, or delete this resource"
        ),
    )
}

/// Returns the current passwords that the spec refers to.
async fn passwords_of(
    flow: &ProvisioningFlow,
    context: &Context,
) -> Result<Vec<Password>, Unavailable> {
    let namespace = namespace(flow);
    let connection = context.index.connection_of(flow);
    let connection = connection.and_then(|name| context.index.connection(&namespace, &name));
    let max_age = max_age(flow, connection.as_deref());
    let mut found = Vec::new();
    for (role_group, reference) in passwords(&flow.spec) {
        let value = context.secrets.value(&namespace, reference, max_age);
        let value = value.await?;
        found.push(Password {
            source: AppliedSecret {
                role_group: role_group.to_owned(),
                name: reference.name.clone(),
                key: reference.key.clone(),
                uid: value.version.uid,
                resource_version: value.version.resource_version,
            },
            digest: value.digest,
        });
    }
    found.sort_by(|one, other| one.source.cmp(&other.source));
    found.dedup();
    Ok(found)
}

/// Reads the passwords for a request. A Secret that has been removed since the plan ends the reconcile; the next one
/// reports it.
async fn read_passwords(
    flow: &ProvisioningFlow,
    context: &Context,
) -> Result<Passwords, ReconcileError> {
    let mut values = Passwords::new();
    for (role_group, reference) in passwords(&flow.spec) {
        let read = context.secrets.read(&namespace(flow), &[reference]).await;
        let read = settled(read)?.map_err(|_| ReconcileError::Conflict {
            object: format!("Secret {}/{}", namespace(flow), reference.name),
        })?;
        values.extend(
            read.into_iter()
                .map(|(password, _)| (role_group.to_owned(), password)),
        );
    }
    Ok(values)
}
