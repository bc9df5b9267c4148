//! The poller of a connection: lists the collections that are due, stores the lists and reports changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::failpoint;
use crate::graph::model::{Flow, FlowSet, FlowSetId, FlowType, Listing};
use crate::graph::{Client, Error, Priority};
use crate::plan::poll::{Cadence, ListComparison, ids_and_names_of, types_of};
use crate::plan::{Container, REPORTED_FAILURES};

use super::collection::{Collection, Snapshot};

/// Interval between checks for collections that are due. 1 s is also the shortest pause between polls.
const TICK: Duration = Duration::from_secs(1);

/// Maximum number of times that the pause doubles after rounds that panic: 1 s << 6 = 64 s, about a minute.
const MAX_PANIC_DOUBLINGS: u32 = 6;

/// Number of sets whose flows are listed concurrently: enough to hide the latency of the service, while most of the
/// request budget is left for changes.
const MAX_CONCURRENT_LISTS: usize = 4;

/// Number of items of a list that are compared before other tasks run: 1,000 take about a millisecond.
const MAX_COMPARED_AT_ONCE: usize = 1_000;

/// The collections that the resources of a connection need.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Schedule of the list of sets, or `None` if nothing needs to be polled.
    pub sets: Option<Cadence>,
    /// Schedules of the flows of each remote set that a resource refers to.
    pub flows: BTreeMap<FlowSetId, Cadence>,
}

/// A change between two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Sets have changed: their ids and names.
    Sets(BTreeSet<FlowSetId>, BTreeSet<String>),
    /// The list of sets became readable or unreadable, or the reason changed.
    SetsReadable,
    /// Another attempt to list the sets failed.
    SetsFailed,
    /// Flows of a set have changed: their types.
    Flows(FlowSetId, Vec<FlowType>),
    /// The flows of a set became readable or unreadable, or the reason changed.
    FlowsReadable(FlowSetId),
    /// A round of the poller panicked. The next one follows after a pause.
    Panicked,
}

/// Poller of the service for one connection.
pub struct Poller {
    client: Client,
    sets: Collection<FlowSet>,
    flows: Mutex<HashMap<FlowSetId, Arc<Collection<Flow>>>>,
    interest: Box<dyn Fn() -> Interest + Send + Sync>,
    tell: Box<dyn Fn(News) + Send + Sync>,
}

impl Poller {
    /// Creates a poller that polls the collections from `interest` and reports changes to `tell`. It polls while
    /// [`run`](Self::run) is running; lists on demand work at any time.
    pub fn new(
        client: Client,
        interest: impl Fn() -> Interest + Send + Sync + 'static,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            sets: Collection::default(),
            flows: Mutex::default(),
            interest: Box::new(interest),
            tell: Box::new(tell),
        }
    }

    /// Polls until `stop` is cancelled.
    pub async fn run(&self, stop: CancellationToken) {
        let mut panics = 0;
        while !stop.is_cancelled() {
            let round = AssertUnwindSafe(self.round()).catch_unwind();
            tokio::select! {
                ended = round => panics = self.after_round(ended.is_err(), panics),
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(TICK * (1 << panics)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn round(&self) {
        failpoint::panic_in_poller();
        let interest = (self.interest)();
        self.forget_all_but(&interest);
        self.poll(&interest).await;
    }

    /// Returns the number of consecutive rounds that panicked, limited to the number that affects the pause.
    fn after_round(&self, panicked: bool, panics: u32) -> u32 {
        if !panicked {
            return 0;
        }
        (self.tell)(News::Panicked);
        (panics + 1).min(MAX_PANIC_DOUBLINGS)
    }

    /// Returns the latest list of sets, or `None` if there is none yet.
    pub fn latest_sets(&self) -> Option<Arc<Snapshot<FlowSet>>> {
        self.sets.latest()
    }

    /// Returns the latest list of a set's flows, or `None` if there is none yet.
    pub fn latest_flows(&self, set: &FlowSetId) -> Option<Arc<Snapshot<Flow>>> {
        self.flows_of(set).latest()
    }

    /// Returns a list of sets that began after `moment`.
    pub async fn sets_since(&self, moment: Instant, priority: Priority) -> Arc<Snapshot<FlowSet>> {
        self.sets
            .since(moment, async || self.list_sets(priority).await)
            .await
    }

    /// Returns a list of a set's flows that began after `moment`.
    pub async fn flows_since(
        &self,
        set: &FlowSetId,
        moment: Instant,
        priority: Priority,
    ) -> Arc<Snapshot<Flow>> {
        let flows = self.flows_of(set);
        flows
            .since(moment, async || self.list_flows(set, priority).await)
            .await
    }

    /// Records that this process has just changed or created a set.
    pub fn amend_sets(&self, created: Option<FlowSet>) {
        self.sets.amend(created, |one, other| one.id == other.id);
    }

    /// Records that this process has just changed or created a flow of a set.
    pub fn amend_flows(&self, set: &FlowSetId, created: Option<Flow>) {
        let flows = self.flows_of(set);
        flows.amend(created, |one, other| one.id == other.id);
    }

    /// Lists all collections that are due.
    async fn poll(&self, interest: &Interest) {
        if let Some(cadence) = interest.sets
            && self.sets.due_in(cadence, spread()).is_zero()
        {
            self.list_sets(Priority::Poll).await;
        }
        let is_due = |(set, cadence): &(&FlowSetId, &Cadence)| {
            self.flows_of(set).due_in(**cadence, spread()).is_zero()
        };
        let due = interest.flows.iter().filter(is_due);
        futures::stream::iter(due)
            .for_each_concurrent(MAX_CONCURRENT_LISTS, |(set, _)| async {
                self.list_flows(set, Priority::Poll).await;
            })
            .await;
    }

    async fn list_sets(&self, priority: Priority) -> Arc<Snapshot<FlowSet>> {
        let began = Began::now();
        let listed = self.client.list_flow_sets(priority).await;
        self.sets.log(&listed, "sets", None);
        let snapshot = began.snapshot(listed, Container::Exists);
        let (before, now) = self.sets.replace(snapshot);
        warn_of_unread(before.as_deref(), &now, "sets");
        let difference = difference(before.as_deref(), &now, |set| &set.id).await;
        self.sets.compared(difference.is_news());
        self.tell_sets(&difference, &now);
        now
    }

    async fn list_flows(&self, set: &FlowSetId, priority: Priority) -> Arc<Snapshot<Flow>> {
        let began = Began::now();
        let listed = self.client.list_flows(set, priority).await;
        let empty = if listed.as_ref().is_err_and(Error::is_not_found) {
            self.without(set, began.instant, priority).await
        } else {
            None
        };
        let (listed, container) = match empty {
            Some(empty) => (Ok(empty), Container::Gone),
            None => (listed, Container::Exists),
        };
        let flows = self.flows_of(set);
        flows.log(&listed, "flows", Some(set));
        let snapshot = began.snapshot(listed, container);
        let (before, now) = flows.replace(snapshot);
        warn_of_unread(before.as_deref(), &now, "flows");
        let difference = difference(before.as_deref(), &now, |flow| &flow.id).await;
        flows.compared(difference.is_news());
        self.tell_flows(set, &difference, &now);
        now
    }

    /// Returns the empty list of flows of a set that does not exist, as of the complete list of sets that lacks it.
    async fn without(
        &self,
        set: &FlowSetId,
        moment: Instant,
        priority: Priority,
    ) -> Option<Listing<Flow>> {
        let sets = self.sets_since(moment, priority).await;
        let sets = sets.outcome.as_ref().ok()?;
        let lacks = sets.items.iter().all(|other| other.id != *set);
        lacks.then(|| Listing {
            items: Vec::new(),
            unread: 0,
            date: sets.date,
        })
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

    fn flows_of(&self, set: &FlowSetId) -> Arc<Collection<Flow>> {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.entry(set.clone()).or_default().clone()
    }

    fn forget_all_but(&self, interest: &Interest) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        // A collection that a reconcile is reading right now may belong to the next interest.
        flows.retain(|set, flows| interest.flows.contains_key(set) || Arc::strong_count(flows) > 1);
    }
}

/// The moment at which a list was requested.
struct Began {
    instant: Instant,
    at: Timestamp,
}

impl Began {
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            at: clock::now(),
        }
    }

    fn snapshot<T>(self, listed: Result<Listing<T>, Error>, container: Container) -> Snapshot<T> {
        let listed = match listed {
            Err(_) if failpoint::takes_unreadable_for_empty() => Ok(Listing {
                items: Vec::new(),
                unread: 0,
                date: self.at,
            }),
            listed => listed,
        };
        Snapshot {
            began: self.instant,
            began_at: self.at,
            outcome: listed.map(Arc::new).map_err(|error| error.verdict()),
            container,
            failures: 0,
        }
    }
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

/// What differs between two lists.
enum Difference<'a, T> {
    /// Items of two complete lists of a collection in the same container.
    Items(Vec<&'a T>),
    /// Nothing but the number of failures: both lists failed for the same reason.
    SameFailure,
    /// Whether, or why, the collection can be read, or whether its container exists.
    Other,
}

impl<T> Difference<'_, T> {
    fn is_news(&self) -> bool {
        match self {
            Self::Items(items) => !items.is_empty(),
            Self::SameFailure => false,
            Self::Other => true,
        }
    }
}

/// Compares two lists. Long lists are compared in parts, so that other tasks are not delayed.
async fn difference<'a, T: PartialEq, Id: Eq + Hash + 'a>(
    before: Option<&'a Snapshot<T>>,
    now: &'a Snapshot<T>,
    id: fn(&T) -> &Id,
) -> Difference<'a, T> {
    let same_container = before.is_some_and(|before| before.container == now.container);
    match (before.map(|before| &before.outcome), &now.outcome) {
        (Some(Ok(old)), Ok(new)) if same_container => {
            let mut comparison = ListComparison::new(&old.items, &new.items, id);
            while comparison.go_on(MAX_COMPARED_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            Difference::Items(comparison.changed())
        }
        (Some(Err(old)), Err(new)) if old.reason == new.reason => Difference::SameFailure,
        _ => Difference::Other,
    }
}

/// Returns a random number from 0 to 1.
fn spread() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
