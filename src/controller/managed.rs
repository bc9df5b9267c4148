//! What is particular to each kind when it meets the service.

use std::future::ready;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use crate::failpoint;
use crate::graph::model::InvalidId;
use crate::graph::verdict::{Certainty, Disposition, Reason, Verdict};
use crate::graph::{Error as GraphError, Operation, Priority};
use crate::metrics::{Metrics, ResourceKind};
use crate::plan::{Action, Blocked, Fetched, Input, Permit, Planned, Target};
use crate::poll::Snapshot;

use super::cache::ReconcileCache;
use super::cluster::Written;
use super::context::Context;
use super::error::Error;
use super::index::Indexed;
use super::session::Session;
use super::triggers::Triggers;

/// A kind of resource that a controller brings together with the service.
pub trait Managed:
    Planned<
        Status: Serialize + Send + Sync,
        Item: Send + Sync,
        Change: Send + Sync,
        Related: Send + Sync,
    > + Written
    + Indexed
{
    /// What its changes need of Secrets.
    type Secrets: Default + Send + Sync;

    /// The kind's name in metrics.
    const LABEL: ResourceKind;

    /// What is remembered of resources of this kind.
    fn cache(context: &Context) -> &ReconcileCache<Self>;

    /// Takes note of what the watch shows: a resource, or that one is gone.
    fn note(seen: &Self, gone: bool, triggers: &Triggers, context: &Context);

    /// Counts what is worth counting about a change of status.
    fn count(_known: &Self::Status, _new: &Self::Status, _metrics: &Metrics) {}

    /// The way to the service, and where the remote object lives.
    fn locate(&self, context: &Context) -> impl Future<Output = Result<Located, Error>> + Send;

    /// What else has to be known.
    fn related(
        &self,
        connected: Option<&Connected>,
        context: &Context,
    ) -> impl Future<Output = Result<Self::Related, Error>> + Send;

    /// Adds to `input.related` what depends on the list. Called before each plan, as the list may be another by then.
    fn relate(_input: &mut Input<Self>, _context: &Context) {}

    /// The last list of the collection, if there is one.
    fn latest(connected: &Connected) -> Option<Arc<Snapshot<Self::Item>>>;

    /// A list of the collection that began after `moment`.
    fn refresh(
        connected: &Connected,
        moment: Instant,
        priority: Priority,
    ) -> impl Future<Output = Option<Arc<Snapshot<Self::Item>>>> + Send;

    /// Whether the service has the object of this id, whatever its lists show.
    fn fetch(connected: &Connected, id: &str) -> impl Future<Output = Fetched> + Send;

    /// Reads what a create or an update needs of Secrets, before the lease is asked whether it covers the request.
    fn secrets(
        &self,
        _context: &Context,
    ) -> impl Future<Output = Result<Self::Secrets, Error>> + Send {
        ready(Ok(Self::Secrets::default()))
    }

    /// Changes something at the service. A created object comes back.
    fn change(
        change: Self::Change,
        connected: &Connected,
        secrets: Self::Secrets,
    ) -> impl Future<Output = Changed<Self::Item>> + Send;

    /// The request that a permit allows.
    fn operation(permit: &Permit) -> Operation;

    /// What a change does.
    fn action(change: &Self::Change) -> Action;
}

/// Where a remote object lives and how to get there, or what is in the way.
pub type Located = Result<Connected, Blocked>;

/// How to get to a remote object.
pub struct Connected {
    /// The session.
    pub session: Arc<Session>,
    /// The place.
    pub target: Target,
    /// Why a new credential of the connection cannot be used yet, if there is one.
    pub refused: Option<Verdict>,
}

/// How a change at the service ended.
pub struct Changed<Item> {
    /// What was done.
    pub action: Action,
    /// Done, with the object where one was created; or why not.
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

    /// The object that was created, if one was.
    pub(super) fn created(&self) -> Option<&Item> {
        self.outcome.as_ref().ok()?.as_ref()
    }
}

/// The status holds an id that can be none. Somebody has edited it.
pub(super) fn verdict_on_id(error: InvalidId) -> Verdict {
    Verdict {
        disposition: Disposition::User,
        certainty: Certainty::NotSent,
        reason: Reason::InvalidRequest,
        message: format!("status holds no usable id: {error}"),
    }
}

/// What an answer to a read by id says.
pub(super) fn fetched<T>(read: Result<Option<T>, GraphError>) -> Fetched {
    match read {
        Ok(Some(_)) => Fetched::Present,
        Ok(None) => Fetched::Absent,
        Err(error) => Fetched::Unknown(error.verdict()),
    }
}
