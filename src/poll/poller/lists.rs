//! Lists of the poller: each is stored and compared with the previous one, and the differences are reported.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::graph::model::{Flow, FlowSet, FlowSetId, Listing};
use crate::graph::{Error, MAX_BATCH, Operation, Priority, Sweep};
use crate::plan::poll::{ids_and_names_of, pays, types_of};
use crate::plan::{Container, REPORTED_FAILURES};
use crate::poll::collection::{Reception, Snapshot};
use crate::poll::difference::{Difference, difference};
use crate::poll::moment::Began;
use crate::poll::request::{ListRequest, ListSource};
use crate::poll::shared_lists::Attempted;

use super::{Interest, News, Poller};

impl Poller {
    /// Lists the sets.
    pub(super) async fn list_sets(&self, priority: Priority) -> Arc<Snapshot<FlowSet>> {
        let began = Began::now();
        let listed = self.client.list_flow_sets(priority).await;
        self.store_sets(began, listed).await
    }

    async fn store_sets(
        &self,
        began: Began,
        listed: Result<Listing<FlowSet>, Error>,
    ) -> Arc<Snapshot<FlowSet>> {
        self.sets.log(&listed, "sets", None);
        let snapshot = began.snapshot(listed, Container::Exists);
        let (before, now) = self.sets.replace(snapshot, began.spread);
        warn_of_unread(before.as_deref(), &now, "sets");
        let difference = difference(before.as_deref(), &now, |set| &set.id).await;
        self.sets.compared(difference.is_news());
        self.reschedule();
        self.tell_sets(&difference, &now);
        now
    }

    /// Lists the flows of a set.
    pub(super) async fn list_flows(
        &self,
        set: &FlowSetId,
        priority: Priority,
    ) -> Arc<Snapshot<Flow>> {
        let began = Began::now();
        let listed = self.client.list_flows(set, priority).await;
        let empty = if listed.as_ref().is_err_and(Error::is_not_found) {
            self.without(set, began, priority).await
        } else {
            None
        };
        let (listed, container) = match empty {
            Some(empty) => (Ok(empty), Container::Gone),
            None => (listed, Container::Exists),
        };
        self.store_flows(set, began, listed, container).await
    }

    async fn store_flows(
        &self,
        set: &FlowSetId,
        began: Began,
        listed: Result<Listing<Flow>, Error>,
        container: Container,
    ) -> Arc<Snapshot<Flow>> {
        let flows = self.flows_of(set);
        flows.log(&listed, "flows", Some(set));
        let (before, now) = flows.replace(began.snapshot(listed, container), began.spread);
        warn_of_unread(before.as_deref(), &now, "flows");
        let difference = difference(before.as_deref(), &now, |flow| &flow.id).await;
        flows.compared(difference.is_news());
        self.reschedule();
        self.tell_flows(set, &difference, &now);
        now
    }

    /// Returns the empty list of flows of a set that does not exist, as of the complete list of sets that lacks it.
    async fn without(
        &self,
        set: &FlowSetId,
        began: Began,
        priority: Priority,
    ) -> Option<Listing<Flow>> {
        let request = ListRequest {
            since: began.instant,
            priority,
            source: ListSource::Set,
        };
        let sets = self.sets_since(request).await;
        let sets = sets.outcome.as_ref().ok()?;
        let lacks = sets.items.iter().all(|other| other.id != *set);
        lacks.then(|| no_flows(sets.date))
    }

    /// Makes a sweep, unless one that began after the requested moment has ended. If it fails, the list of each set shows
    /// why.
    pub(super) async fn sweep_since(&self, request: ListRequest) {
        let _turn = self.sweeps.turn.lock().await;
        if !self.sweeps.lists.began_since(request.since) {
            let _ = self.sweep(request.priority).await;
        }
    }

    /// Makes a sweep for the collections that are due. If the service is failing, it counts as a list of each of them:
    /// to request all these lists, too, would make an outage worse.
    pub(super) async fn sweep_due(&self, interest: &Interest) {
        let began = Began::now();
        let _turn = self.sweeps.turn.lock().await;
        if self.sweeps.lists.began_since(began.instant) {
            return;
        }
        let Err(error) = self.sweep(Priority::Poll).await else {
            return;
        };
        if error.is_unsupported() {
            return;
        }
        if self.are_sets_due(interest) {
            let failed = Err(error.of(Operation::ListFlowSets));
            self.store_sets(began, failed).await;
        }
        self.store_failure(&self.due(interest), began, &error).await;
    }

    /// Stores a failure as that of the list of each of the sets.
    async fn store_failure(&self, sets: &[&FlowSetId], began: Began, error: &Error) {
        for set in sets {
            let failed = Err(error.of(Operation::ListFlows));
            self.store_flows(set, began, failed, Container::Exists)
                .await;
        }
    }

    async fn sweep(&self, priority: Priority) -> Result<(), Error> {
        let began = Began::now();
        let swept = self.client.sweep(priority).await;
        let (attempted, result) = match swept {
            Ok(sweep) => (self.store(began, sweep).await, Ok(())),
            Err(error) => (Attempted::failed(&error), Err(error)),
        };
        self.sweeps.lists.record(began.instant, &attempted);
        result
    }

    /// Lists the flows of sets with one request for several of them, as far as the service supports that. Returns the sets
    /// that have to be listed alone.
    pub(super) async fn list_in_batches<'a>(&self, sets: Vec<&'a FlowSetId>) -> Vec<&'a FlowSetId> {
        let mut left = Vec::new();
        for sets in sets.chunks(MAX_BATCH) {
            if pays(sets.len(), 1) && self.batches.support().is_some() {
                left.extend(self.list_batch(sets).await);
            } else {
                left.extend(sets);
            }
        }
        left
    }

    async fn list_batch<'a>(&self, sets: &[&'a FlowSetId]) -> Vec<&'a FlowSetId> {
        let began = Began::now();
        let ids: Vec<FlowSetId> = sets.iter().copied().cloned().collect();
        let listed = self.client.list_flows_of(&ids, Priority::Poll).await;
        let attempted = match &listed {
            Ok(lists) if lists.is_empty() => Attempted::Failed("NoLists"),
            Ok(_) => Attempted::Done(1),
            Err(error) => Attempted::failed(error),
        };
        self.batches.record(began.instant, &attempted);
        let mut lists = match listed {
            // As for a sweep: to request these lists one by one would make an outage worse.
            Err(error) if !error.is_unsupported() => {
                self.store_failure(sets, began, &error).await;
                return Vec::new();
            }
            listed => listed.unwrap_or_default(),
        };
        let mut left = Vec::new();
        for set in sets {
            match lists.remove(*set) {
                Some(listing) => {
                    self.store_flows(set, began, Ok(listing), Container::Exists)
                        .await;
                }
                None => left.push(*set),
            }
        }
        left
    }

    /// Stores the lists of a sweep, as far as each is as good as one of the collection alone.
    async fn store(&self, began: Began, sweep: Sweep) -> Attempted {
        let Sweep {
            sets,
            mut flows,
            pages,
        } = sweep;
        if flows.is_empty() && !sets.items.is_empty() {
            return Attempted::Unsupported("ExpandIgnored");
        }
        let listed: HashSet<FlowSetId> = sets.items.iter().map(|set| set.id.clone()).collect();
        let lacks = |set: &FlowSetId| sets.unread == 0 && !listed.contains(set);
        let tracked = self.tracked();
        let mut contradicted = 0;
        for (set, collection) in &tracked {
            let (listing, container) = match flows.remove(set) {
                Some(listing) => (listing, Container::Exists),
                None if collection.is_gone() && lacks(set) => {
                    (no_flows(sets.date), Container::Gone)
                }
                None => continue,
            };
            match collection.reception(began.instant, &listing.items, |flow| &flow.id) {
                Reception::Accepted => {
                    self.store_flows(set, began, Ok(listing), container).await;
                    // Other tasks need not wait for the thousands of sets of a large tenant.
                    tokio::task::yield_now().await;
                }
                Reception::Outdated => {}
                Reception::Contradicted => contradicted += 1,
            }
        }
        if self
            .sets
            .reception(began.instant, &sets.items, |set| &set.id)
            == Reception::Accepted
        {
            self.store_sets(began, Ok(sets)).await;
        }
        if 2 * contradicted > tracked.len() {
            return Attempted::Failed("ListsDiffer");
        }
        Attempted::Done(pages)
    }

    fn tell_sets(&self, difference: &Difference<'_, FlowSet>, now: &Snapshot<FlowSet>) {
        if now.outcome.is_err() {
            (self.tell)(News::SetsFailed);
        }
        match difference {
            Difference::Items(sets) if sets.is_empty() => {}
            Difference::Items(sets) => {
                let (ids, names) = ids_and_names_of(sets);
                (self.tell)(News::Sets(ids, names));
            }
            // Plans reassess what is known about the sets after some consecutive failures.
            Difference::SameFailure if now.failures != REPORTED_FAILURES => {}
            Difference::SameFailure | Difference::Other => (self.tell)(News::SetsReadable),
        }
    }

    fn tell_flows(&self, set: &FlowSetId, difference: &Difference<'_, Flow>, now: &Snapshot<Flow>) {
        match difference {
            Difference::Items(flows) => {
                let types = types_of(flows);
                if !types.is_empty() {
                    (self.tell)(News::Flows(set.clone(), types));
                }
            }
            Difference::SameFailure if now.failures != REPORTED_FAILURES => {}
            Difference::SameFailure | Difference::Other => {
                (self.tell)(News::FlowsReadable(set.clone()));
            }
        }
    }
}

fn no_flows(date: Timestamp) -> Listing<Flow> {
    Listing::of(Vec::new(), date)
}

/// Logs items that cannot be parsed once, and not at each poll.
fn warn_of_unread<T>(before: Option<&Snapshot<T>>, now: &Snapshot<T>, what: &str) {
    let unread = |snapshot: &Snapshot<T>| snapshot.outcome.as_ref().map_or(0, |list| list.unread);
    let count = unread(now);
    if count > 0 && before.map(unread) != Some(count) {
        tracing::warn!(
            count,
            "items of the list of {what} have no usable id and are left out"
        );
    }
}
