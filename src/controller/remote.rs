//! How many objects a tenant has, and how many of them are declared.

use std::collections::HashSet;

use crate::api::{GraphConnection, RemoteCount};
use crate::graph::model::{Flow, FlowId, FlowSet, Listing};
use crate::poll::Poller;

use super::index::Index;

/// Counts the remote objects in the latest lists of a connection. Returns `None` unless all of them are complete.
pub(super) fn count(
    poller: &Poller,
    index: &Index,
    connection: &GraphConnection,
) -> Option<RemoteCount> {
    let sets = poller.latest_sets()?;
    let sets = sets.outcome.as_ref().ok()?;
    let (mut flows, mut flows_undeclared) = (0, 0);
    for (set, listed) in poller.latest_of_all() {
        let listed = listed?;
        let listed: &Listing<Flow> = listed.outcome.as_ref().ok()?;
        let declared = index.flows_listed(connection, &set);
        if declared.is_empty() {
            continue;
        }
        let ids = declared
            .iter()
            .filter_map(|flow| flow.status.as_ref()?.id.as_deref());
        let ids: HashSet<FlowId> = ids.filter_map(|id| id.parse().ok()).collect();
        flows += listed.items.len();
        flows_undeclared += listed
            .items
            .iter()
            .filter(|flow| !ids.contains(&flow.id))
            .count();
    }
    let is_undeclared = |set: &&FlowSet| !index.refers_to(connection, &set.id);
    let sets_undeclared = sets.items.iter().filter(is_undeclared).count();
    let number = |count| i32::try_from(count).unwrap_or(i32::MAX);
    Some(RemoteCount {
        sets: number(sets.items.len()),
        sets_undeclared: number(sets_undeclared),
        flows: number(flows),
        flows_undeclared: number(flows_undeclared),
    })
}
