//! How many objects a tenant has, and how many of them are declared.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{GraphConnection, RemoteCount};
use crate::graph::model::{Flow, FlowId, FlowSet, Listing};
use crate::poll::Poller;

use super::index::Index;

/// How long it is not tried again to count, if a list was missing.
const RECOUNT_AFTER: Duration = Duration::from_secs(1);

/// Counts remote objects once in a poll interval, after which the poller has the connection reconciled: to count them walks
/// all lists, and each new number is a write, while a connection is reconciled for each set that changes.
#[derive(Default)]
pub(super) struct RemoteCounter {
    /// When they were last counted, and their numbers.
    last: Mutex<Option<(Instant, Option<RemoteCount>)>>,
}

impl RemoteCounter {
    /// Returns the numbers of remote objects, or `None` if a list is missing.
    pub(super) fn count(
        &self,
        poller: &Poller,
        index: &Index,
        connection: &GraphConnection,
    ) -> Option<RemoteCount> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = Duration::from(connection.spec.poll_interval);
        // Less than an interval, so that no interval is missed because a poll took less time than the one before.
        let lasts = |count: Option<_>| count.map_or(RECOUNT_AFTER, |_| interval * 9 / 10);
        match *last {
            Some((at, count)) if at.elapsed() < lasts(count) => count,
            _ => {
                let count = count(poller, index, connection);
                *last = Some((Instant::now(), count));
                count
            }
        }
    }
}

/// Counts the remote objects in the latest lists of a connection. Returns `None` unless all of them are complete.
fn count(poller: &Poller, index: &Index, connection: &GraphConnection) -> Option<RemoteCount> {
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
