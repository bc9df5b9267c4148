//! How a connection meets the service, and how others reach the service through it.

use std::convert::Infallible;
use std::sync::Arc;

use kube::ResourceExt;
use tokio::time::Instant;

use crate::api::{GraphConnection, reason};
use crate::graph::model::FlowSet;
use crate::graph::{Lane, Operation};
use crate::metrics::KindLabel;
use crate::plan::connection::Surroundings;
use crate::plan::resource::is_deleting;
use crate::plan::{Action, Fetched, Obstacle, Permit, Place};
use crate::poll::Snapshot;

use super::context::Context;
use super::error::Error;
use super::notebook::Notebook;
use super::relations::Relations;
use super::remote::{Changed, Located, Remote, Way};
use super::session::Route;
use super::watch;
use super::world::namespace;

impl Remote for GraphConnection {
    type Secrets = ();

    const LABEL: KindLabel = KindLabel::GraphConnection;

    fn notebook(context: &Context) -> &Notebook<Self> {
        &context.connections
    }

    fn note(seen: &Self, gone: bool, relations: &Relations, context: &Context) {
        if gone {
            context.sessions.close(seen);
        }
        relations.connection_seen(seen, gone);
    }

    async fn locate(&self, context: &Context) -> Result<Located, Error> {
        let renewed = context.sessions.renew(self).await?;
        Ok(renewed.map(|renewed| {
            let (session, route) = renewed.route;
            let place = Place { set: None, route };
            Way {
                session,
                place,
                refused: renewed.refused,
            }
        }))
    }

    async fn around(&self, way: Option<&Way>, context: &Context) -> Result<Surroundings, Error> {
        let world = &context.world;
        let users = world.sets_through(self).len() + world.flows_through(self).len();
        let refused = way.and_then(|way| way.refused.clone());
        Ok(Surroundings { users, refused })
    }

    fn latest(way: &Way) -> Option<Arc<Snapshot<FlowSet>>> {
        way.session.poller.latest_sets()
    }

    async fn look(way: &Way, moment: Instant, lane: Lane) -> Option<Arc<Snapshot<FlowSet>>> {
        Some(way.session.poller.sets_since(moment, lane).await)
    }

    /// A connection has no remote object.
    async fn fetch(_way: &Way, _id: &str) -> Fetched {
        Fetched::Absent
    }

    fn operation(_permit: &Permit) -> Operation {
        Operation::ListFlowSets
    }

    fn action(change: &Infallible) -> Action {
        match *change {}
    }

    async fn change(change: Infallible, _way: &Way, (): ()) -> Changed<FlowSet> {
        match change {}
    }
}

/// The session of the connection `name`, on behalf of `user`.
///
/// A resource that is being deleted may use a credential that is gone since, and a connection that is suspended.
pub(super) async fn reach(
    user: &impl ResourceExt,
    name: &str,
    context: &Context,
) -> Result<Result<Route, Obstacle>, Error> {
    let Some(connection) = context.world.connection(&namespace(user), name) else {
        let message = format!("the GraphConnection {name} does not exist: create it");
        let message =
            watch::missing::<GraphConnection>(&namespace(user), name, context, message).await?;
        return Ok(Err(Obstacle::missing(
            reason::CONNECTION_NOT_FOUND,
            message,
        )));
    };
    let deleting = is_deleting(user);
    if connection.spec.suspend && !deleting {
        let message = format!("the GraphConnection {name} is suspended");
        return Ok(Err(Obstacle::suspension(reason::SUSPENDED, message)));
    }
    let opened = context.sessions.open(&connection).await?;
    match (opened, deleting) {
        (Err(obstacle), true) => Ok(context.sessions.last(&connection).await.ok_or(obstacle)),
        (opened, _) => Ok(opened),
    }
}
