//! Access of connections to the service, and of other resources through their connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{GraphConnection, reason};
use crate::graph::Operation;
use crate::graph::model::FlowSet;
use crate::metrics::ResourceKind;
use crate::plan::connection::ConnectionRelations;
use crate::plan::resource::is_deleting;
use crate::plan::{Action, Blocked, Fetched, Permit, Planned, SharedStatus, secret};
use crate::poll::{ListRequest, Snapshot};

use super::cache::ReconcileCache;
use super::cluster;
use super::context::Context;
use super::error::{ReconcileError, Unavailable};
use super::index::{Index, namespace};
use super::managed::{Changed, Connected, Managed};
use super::session::Route;
use super::triggers::Triggers;
use super::turns::Turn;
use super::watch;

impl Managed for GraphConnection {
    type Secrets = ();

    const LABEL: ResourceKind = ResourceKind::GraphConnection;

    fn cache(context: &Context) -> &ReconcileCache<Self> {
        &context.connections
    }

    fn note(seen: &Self, gone: bool, triggers: &Triggers, context: &Context) {
        if gone {
            context.sessions.close(seen);
        }
        triggers.connection_seen(seen, gone);
    }

    fn sweep(listed: &[Arc<Self>], context: &Context) {
        context.sessions.sweep(listed);
    }

    fn connection(&self, _index: &Index) -> Option<String> {
        Some(self.name_any())
    }

    async fn locate(&self, context: &Context, turn: &Turn) -> Result<Connected, Unavailable> {
        let max_age = max_age(self, Some(self));
        let renewed = context.sessions.renew(self, max_age, turn).await?;
        Ok(Connected {
            refused: renewed.refused,
            expiry: renewed.expiry,
            ..Connected::through(renewed.revision, None)
        })
    }

    async fn related(
        &self,
        connected: Option<&Connected>,
        context: &Context,
    ) -> Result<ConnectionRelations, ReconcileError> {
        let users = context.index.count_users(self);
        let relations = ConnectionRelations {
            users,
            last_poll: context.sessions.last_poll(self),
            ..ConnectionRelations::default()
        };
        let Some(connected) = connected else {
            return Ok(relations);
        };
        let session = &connected.session;
        Ok(ConnectionRelations {
            refused: connected.refused.clone(),
            access: session.access(),
            expiry: connected.expiry,
            throttled_ago: session.throttled_ago().and_then(|ago| ago.try_into().ok()),
            remote: session.remote(&context.index, self),
            not_stored: session.client.not_stored().map(|error| error.message),
            ..relations
        })
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

    /// A connection does not have a remote object.
    async fn fetch(_connected: &Connected, _id: &str) -> Fetched {
        Fetched::Absent
    }

    fn operation(_permit: &Permit) -> Operation {
        Operation::ListFlowSets
    }

    fn action(change: &Infallible) -> Action {
        match *change {}
    }

    async fn change(change: Infallible, _connected: &Connected, (): ()) -> Changed<FlowSet> {
        match change {}
    }
}

/// Returns the session of the connection `name`, on behalf of `user`.
///
/// A resource that is being deleted may for a while use a credential that no longer exists, and a connection that is
/// suspended.
pub(super) async fn reach(
    user: &impl Planned,
    name: &str,
    context: &Context,
    turn: &Turn,
) -> Result<Route, Unavailable> {
    let Some(connection) = context.index.connection(&namespace(user), name) else {
        let message = format!("the GraphConnection {name} does not exist: create it");
        let message =
            watch::missing::<GraphConnection>(&namespace(user), name, context, message).await?;
        return Err(Blocked::missing(reason::CONNECTION_NOT_FOUND, message).into());
    };
    if !connection.is_served(context) {
        // The connection has just become another one. The process of its shard goes on.
        let object = cluster::display_name(&*connection);
        return Err(ReconcileError::Conflict { object }.into());
    }
    let deleting = is_deleting(user);
    if connection.spec.suspend && !deleting {
        let message = format!(
            "the GraphConnection {name} is suspended: set its spec.suspend to false to resume"
        );
        return Err(Blocked::suspension(reason::SUSPENDED, message).into());
    }
    let max_age = max_age(user, Some(&connection));
    match context.sessions.open(&connection, max_age, turn).await {
        Err(Unavailable::Blocked(blocked)) if deleting => {
            let last = context.sessions.last(&connection).await;
            last.ok_or(Unavailable::Blocked(blocked))
        }
        opened => opened,
    }
}

/// Returns how old what is known of a Secret may be for a reconcile of `user`: as old as what is known of the service,
/// and of no age if a person has requested a reconciliation.
pub(super) fn max_age(user: &impl Planned, connection: Option<&GraphConnection>) -> Duration {
    let status = user.status().cloned().unwrap_or_default();
    if status.pending_request(user).is_some() {
        return Duration::ZERO;
    }
    let poll_interval = connection.map(|connection| connection.spec.poll_interval.into());
    secret::interval(poll_interval.unwrap_or(Duration::MAX))
}
