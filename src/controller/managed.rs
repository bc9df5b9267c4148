//! Access of each kind to the service.

use std::future::ready;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::failpoint;
use crate::graph::model::FlowSetId;
use crate::graph::verdict::{Certainty, Verdict};
use crate::graph::{Error as GraphError, Operation};
use crate::metrics::{Metrics, ResourceKind};
use crate::plan::{Action, Blocked, Fetched, Input, Permit, Planned, Read, Target};
use crate::poll::{ListRequest, Snapshot};
use crate::shard::Shard;

use super::cache::ReconcileCache;
use super::cluster::Written;
use super::context::Context;
use super::error::{ReconcileError, Unavailable};
use super::index::{Index, Indexed, TenantKey, namespace};
use super::session::{Route, Session};
use super::triggers::Triggers;
use super::turns::Turn;

/// A kind of resource that a controller reconciles with the service.
pub trait Managed:
    Planned<
        Status: Serialize + Send + Sync,
        Item: Send + Sync,
        Change: Send + Sync,
        Related: Send + Sync,
    > + Written
    + Indexed
{
    /// Values from Secrets that changes need.
    type Secrets: Default + Send + Sync;

    /// Label of the kind in metrics.
    const LABEL: ResourceKind;

    /// Returns the memory about resources of this kind.
    fn cache(context: &Context) -> &ReconcileCache<Self>;

    /// Handles a resource from the watch, or the removal of one.
    fn note(seen: &Self, gone: bool, triggers: &Triggers, context: &Context);

    /// Updates the metrics for a change of the resource's status to `new`.
    fn count(&self, _new: &Self::Status, _metrics: &Metrics) {}

    /// Forgets what belongs to resources that a complete list lacks.
    fn sweep(_listed: &[Arc<Self>], _context: &Context) {}

    /// Returns the name of the connection through which the resource reaches the service, or `None` if it is unknown.
    fn connection(&self, index: &Index) -> Option<String>;

    /// Returns whether this process works on the resource: one of a tenant of its shard, or one whose connection is
    /// unknown, if its shard is the first.
    ///
    /// # Caveats
    ///
    /// Replicas see changes at different moments. If the connection of a resource becomes another one, two may work on
    /// the resource for that time, like a process that is frozen while another one takes its lease.
    fn is_served(&self, context: &Context) -> bool {
        if context.shard == Shard::ONLY {
            return true;
        }
        let index = &context.index;
        let name = self.connection(index);
        let tenant = name.and_then(|name| index.tenant(&namespace(self), &name));
        context.shard.serves(tenant.as_ref().map(TenantKey::as_str))
    }

    /// Determines the session and the location of the remote object.
    fn locate(
        &self,
        context: &Context,
        turn: &Turn,
    ) -> impl Future<Output = Result<Connected, Unavailable>> + Send;

    /// Collects the further input of the plan.
    fn related(
        &self,
        connected: Option<&Connected>,
        context: &Context,
    ) -> impl Future<Output = Result<Self::Related, ReconcileError>> + Send;

    /// Adds to `input.related` what depends on the list. Called before each plan, as the list may be another by then.
    fn relate(_input: &mut Input<Self>, _context: &Context) {}

    /// Reserves the remote object for the resource before it is created, adopted or changed, or returns `false` if another
    /// resource owns it.
    fn reserve(_input: &Input<Self>, _index: &Index) -> bool {
        true
    }

    /// Returns the last list of the collection, or `None` if there is none.
    fn latest(connected: &Connected) -> Option<Arc<Snapshot<Self::Item>>>;

    /// Returns a list of the collection as requested.
    fn refresh(
        connected: &Connected,
        request: ListRequest,
    ) -> impl Future<Output = Option<Arc<Snapshot<Self::Item>>>> + Send;

    /// Reads the object with this id, independently of lists.
    fn fetch(connected: &Connected, id: &str) -> impl Future<Output = Fetched> + Send;

    /// Reads the Secrets that a create or an update needs. This happens before the lease is checked: each read can take
    /// as long as the time-out of the cluster client, after which the lease might no longer cover the request.
    fn secrets(
        &self,
        _context: &Context,
    ) -> impl Future<Output = Result<Self::Secrets, ReconcileError>> + Send {
        ready(Ok(Self::Secrets::default()))
    }

    /// Sends a change to the service, and returns the created object, if any.
    fn change(
        change: Self::Change,
        connected: &Connected,
        secrets: Self::Secrets,
    ) -> impl Future<Output = Changed<Self::Item>> + Send;

    /// Returns the operation that a permit allows.
    fn operation(permit: &Permit) -> Operation;

    /// Returns the action of a change.
    fn action(change: &Self::Change) -> Action;
}

/// The session and location of a remote object, or what blocks access to it.
pub type Located = Result<Connected, Blocked>;

/// The session and location of a remote object.
pub struct Connected {
    /// Session of the connection.
    pub session: Arc<Session>,
    /// Location of the remote object.
    pub target: Target,
    /// Why a new credential of the connection cannot be used yet, or `None` if there is no such credential.
    pub refused: Option<Verdict>,
    /// When the credential expires; known to the connection itself only.
    pub expiry: Option<Timestamp>,
}

impl Connected {
    /// Returns the location in a remote set, or among the sets, that is reached by `route`.
    pub(super) fn through(route: Route, set: Option<FlowSetId>) -> Self {
        let (session, revision) = route;
        Self {
            session,
            target: Target { set, revision },
            refused: None,
            expiry: None,
        }
    }
}

/// The result of a change at the service.
pub struct Changed<Item> {
    /// The action that was attempted.
    pub action: Action,
    /// The created object, if any, or why the change failed.
    pub outcome: Result<Option<Item>, Verdict>,
}

impl<Item> Changed<Item> {
    pub(super) fn of(action: Action, mut outcome: Result<Option<Item>, Verdict>) -> Self {
        if let (Action::Create | Action::Reset, Err(verdict)) = (action, &mut outcome)
            && verdict.certainty == Certainty::Unknown
            && failpoint::takes_doubt_for_refusal()
        {
            verdict.certainty = Certainty::Refused;
        }
        Self { action, outcome }
    }

    /// Returns the created object, or `None` if none was created.
    pub(super) fn created(&self) -> Option<&Item> {
        self.outcome.as_ref().ok()?.as_ref()
    }
}

/// Returns whether the service has listed the collection through the connection of the resource.
pub(super) fn is_listed<K: Planned>(input: &Input<K>) -> bool {
    matches!(input.collection, Some(Read::Known(_)))
}

/// Converts the response to a read by id.
pub(super) fn fetched<T>(read: Result<Option<T>, GraphError>) -> Fetched {
    match read {
        Ok(Some(_)) => Fetched::Present,
        Ok(None) => Fetched::Absent,
        Err(error) => Fetched::Unknown(error.verdict()),
    }
}
