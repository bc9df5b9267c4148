//! The poller of a connection: lists the collections that are due, stores the lists and reports changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::failpoint;
use crate::graph::model::{Flow, FlowSet, FlowSetId, FlowType};
use crate::graph::{Client, Priority};
use crate::plan::poll::Cadence;

use super::collection::{Collection, Snapshot};
use super::request::{ListRequest, ListSource};
use super::shared_lists::SharedLists;
use super::sweeps::Sweeps;

mod lists;

/// Interval between checks for collections that are due. 1 s is also the shortest pause between polls.
const TICK: Duration = Duration::from_secs(1);

/// Maximum number of times that the pause doubles after rounds that panic: 1 s << 6 = 64 s, about a minute.
const MAX_PANIC_DOUBLINGS: u32 = 6;

/// Number of sets whose flows are listed concurrently: enough to hide the latency of the service, while most of the
/// request budget is left for changes.
const MAX_CONCURRENT_LISTS: usize = 4;

/// How long a request for a fresh list waits so that concurrent requests can share the list. 100 ms is short compared
/// to a list and covers resources that are applied together.
const GATHERING: Duration = Duration::from_millis(100);

/// Share of the interval within which a poll counts as due soon: polls are spread by a tenth in either direction, so two
/// that are due at the same time can be a fifth apart.
const SOON_SHARE: u32 = 5;

/// The collections that the resources of a connection need.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Schedule of the list of sets, or `None` if nothing needs to be polled.
    pub sets: Option<Cadence>,
    /// Schedules of the flows of each remote set that a resource refers to.
    pub flows: BTreeMap<FlowSetId, Cadence>,
}

/// How current the lists are that the resources of a connection need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// When the oldest of them was requested, as of the last time that all could be read, or `None` if there was no such
    /// time.
    pub at: Option<Timestamp>,
    /// The longest interval between polls of one of them.
    pub interval: Duration,
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
    /// All sets were listed, for the first time in a poll interval.
    Listed,
    /// A round of the poller panicked. The next one follows after a pause.
    Panicked,
}

/// What the last round of a poller has found.
#[derive(Default)]
struct Schedule {
    interest: Arc<Interest>,
    /// When the next collection is due, or `None` if nothing needs to be polled.
    due: Option<Instant>,
}

/// Poller of the service for one connection.
pub struct Poller {
    client: Client,
    sets: Collection<FlowSet>,
    flows: Mutex<HashMap<FlowSetId, Arc<Collection<Flow>>>>,
    sweeps: Sweeps,
    batches: SharedLists,
    /// Whether a list or a change may have made a poll due earlier than it was.
    rescheduled: AtomicBool,
    /// When the last list of sets that was reported was requested.
    reported: Mutex<Option<Instant>>,
    polled: Mutex<Option<Polled>>,
    span: Box<dyn Fn() -> Span + Send + Sync>,
    interest: Box<dyn Fn() -> Arc<Interest> + Send + Sync>,
    tell: Box<dyn Fn(News) + Send + Sync>,
}

impl Poller {
    /// Creates a poller that polls the collections from `interest`, each time within a `span`, and reports changes to
    /// `tell`. It polls while [`run`](Self::run) is running; lists on demand work at any time.
    pub fn new(
        client: Client,
        span: impl Fn() -> Span + Send + Sync + 'static,
        interest: impl Fn() -> Arc<Interest> + Send + Sync + 'static,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            sets: Collection::default(),
            flows: Mutex::default(),
            sweeps: Sweeps::default(),
            batches: SharedLists::new("$batch"),
            rescheduled: AtomicBool::new(true),
            reported: Mutex::default(),
            polled: Mutex::default(),
            span: Box::new(span),
            interest: Box::new(interest),
            tell: Box::new(tell),
        }
    }

    /// Polls until `stop` is cancelled.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut panics, mut schedule) = (0, Schedule::default());
        while !stop.is_cancelled() {
            let round = AssertUnwindSafe(self.round(&mut schedule)).catch_unwind();
            tokio::select! {
                ended = round => panics = self.after_round(ended.is_err(), panics),
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(TICK * (1 << panics)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn round(&self, schedule: &mut Schedule) {
        failpoint::panic_in_poller();
        let interest = (self.interest)();
        let is_new = !Arc::ptr_eq(&schedule.interest, &interest);
        if is_new {
            self.forget_all_but(&interest);
            schedule.interest = interest.clone();
        }
        // At rest, the thousands of sets of a large tenant are looked through once a poll and not each second.
        let is_rescheduled = self.rescheduled.swap(false, Ordering::Relaxed);
        if is_new || is_rescheduled || schedule.due.is_some_and(|due| due <= Instant::now()) {
            // If the poll panics, the next round polls again.
            schedule.due = Some(Instant::now());
            self.poll(&interest).instrument((self.span)()).await;
            schedule.due = self.next_due(&interest);
            self.note(&interest);
        }
        self.tell_listed(&interest);
    }

    /// Reports that all sets were listed, at most once in a poll interval.
    fn tell_listed(&self, interest: &Interest) {
        let Some((cadence, (began, _))) = interest.sets.zip(self.sets.last_complete()) else {
            return;
        };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|last| began >= last + cadence.interval) {
            *reported = Some(began);
            (self.tell)(News::Listed);
        }
    }

    /// Returns how current the lists are that the resources need, or `None` while nothing is polled.
    pub fn polled(&self) -> Option<Polled> {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, interest: &Interest) {
        let mut polled = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        let before = polled.and_then(|polled| polled.at);
        *polled = interest.sets.map(|sets| {
            let flows = interest.flows.values();
            let intervals = flows.map(|cadence| cadence.interval);
            Polled {
                at: self.complete_since(interest).or(before),
                interval: intervals.fold(sets.interval, Duration::max),
            }
        });
    }

    /// Returns when the oldest of the lists was requested, or `None` if one of them failed or has not been read yet.
    fn complete_since(&self, interest: &Interest) -> Option<Timestamp> {
        let sets = self.sets.read_at()?;
        let mut flows = interest.flows.keys();
        flows.try_fold(sets, |oldest, set| {
            let read = self.flows_of(set).read_at()?;
            Some(oldest.min(read))
        })
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

    /// Returns when the last complete list of sets was requested, in local time, or `None` if there is none yet.
    pub fn last_complete(&self) -> Option<Timestamp> {
        self.sets.last_complete().map(|(_, began_at)| began_at)
    }

    /// Returns the latest lists of flows of all sets that are polled.
    pub fn latest_of_all(&self) -> Vec<(FlowSetId, Option<Arc<Snapshot<Flow>>>)> {
        let tracked = self.tracked().into_iter();
        tracked.map(|(set, flows)| (set, flows.latest())).collect()
    }

    /// Returns the latest list of a set's flows, or `None` if there is none yet.
    pub fn latest_flows(&self, set: &FlowSetId) -> Option<Arc<Snapshot<Flow>>> {
        self.flows_of(set).latest()
    }

    /// Returns a list of sets as requested.
    pub async fn sets_since(&self, request: ListRequest) -> Arc<Snapshot<FlowSet>> {
        let list = async || {
            sleep(GATHERING).await;
            if self.sweeps.is_first_in_progress() {
                self.sweep_since(request).await;
                if let Some(swept) = self.sets.newer_than(request.since) {
                    return swept;
                }
            }
            self.list_sets(request.priority).await
        };
        self.sets.since(request.since, list).await
    }

    /// Returns a list of a set's flows as requested. If reconciles wait for the flows of many sets, one sweep is made for
    /// all of them.
    pub async fn flows_since(&self, set: &FlowSetId, request: ListRequest) -> Arc<Snapshot<Flow>> {
        let flows = self.flows_of(set);
        let list = async || {
            let waiting = (request.source == ListSource::Any).then(|| self.sweeps.wait());
            sleep(GATHERING).await;
            if waiting.is_some() && self.is_swept() {
                self.sweep_since(request).await;
                if let Some(swept) = flows.newer_than(request.since) {
                    return swept;
                }
            }
            drop(waiting);
            self.list_flows(set, request.priority).await
        };
        flows.since(request.since, list).await
    }

    /// Returns whether a sweep is the best way to list the flows of a set for a reconcile: because many wait for lists, or
    /// because it shows all that a start needs, and is in progress already.
    fn is_swept(&self) -> bool {
        self.sweeps.is_first_in_progress() || self.sweeps.pays_for_waiting(self.known_sets())
    }

    /// Records that this process has just changed or created a set.
    pub fn amend_sets(&self, created: Option<FlowSet>) {
        self.sets.amend(created, |one, other| one.id == other.id);
        self.reschedule();
    }

    /// Records that this process has just changed or created a flow of a set.
    pub fn amend_flows(&self, set: &FlowSetId, created: Option<Flow>) {
        let flows = self.flows_of(set);
        flows.amend(created, |one, other| one.id == other.id);
        self.reschedule();
    }

    fn reschedule(&self) {
        self.rescheduled.store(true, Ordering::Relaxed);
    }

    /// Lists all collections that are due.
    async fn poll(&self, interest: &Interest) {
        let (due, soon) = self.count_due(interest);
        if due > 0 && self.sweeps.pays(soon, self.known_sets()) {
            self.sweep_due(interest).await;
        }
        if self.are_sets_due(interest) {
            self.list_sets(Priority::Poll).await;
        }
        if due == 0 {
            return;
        }
        let left = self.list_in_batches(self.due(interest)).await;
        futures::stream::iter(left)
            .for_each_concurrent(MAX_CONCURRENT_LISTS, |set| async {
                self.list_flows(set, Priority::Poll).await;
            })
            .await;
    }

    /// Returns the sets whose flows are due.
    fn due<'a>(&self, interest: &'a Interest) -> Vec<&'a FlowSetId> {
        let is_due = |(set, cadence): &(&FlowSetId, &Cadence)| {
            self.flows_of(set).due_in(**cadence).is_zero()
        };
        let due = interest.flows.iter().filter(is_due);
        due.map(|(set, _)| set).collect()
    }

    fn are_sets_due(&self, interest: &Interest) -> bool {
        let due = |cadence| self.sets.due_in(cadence).is_zero();
        interest.sets.is_some_and(due)
    }

    /// Returns the numbers of sets whose flows are due now and soon. A sweep would list those that are due soon, too.
    fn count_due(&self, interest: &Interest) -> (usize, usize) {
        let (mut due, mut soon) = (0, 0);
        for (set, cadence) in &interest.flows {
            let wait = self.flows_of(set).due_in(*cadence);
            due += usize::from(wait.is_zero());
            soon += usize::from(wait <= cadence.interval / SOON_SHARE);
        }
        (due, soon)
    }

    /// Returns when the next collection is due, or `None` if nothing needs to be polled.
    fn next_due(&self, interest: &Interest) -> Option<Instant> {
        let sets = interest.sets.map(|cadence| self.sets.due_in(cadence));
        let flows = interest.flows.iter();
        let flows = flows.map(|(set, cadence)| self.flows_of(set).due_in(*cadence));
        let wait = flows.chain(sets).min()?;
        Some(Instant::now() + wait)
    }

    /// Returns the number of sets in the last list, or of those that resources refer to.
    fn known_sets(&self) -> usize {
        let latest = self.sets.latest();
        let listed = latest.as_ref().and_then(|sets| sets.outcome.as_ref().ok());
        listed.map_or_else(|| self.tracked().len(), |sets| sets.items.len())
    }

    /// Returns the sets whose flows are polled, or that a reconcile is reading.
    fn tracked(&self) -> Vec<(FlowSetId, Arc<Collection<Flow>>)> {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let tracked = flows.iter();
        tracked
            .map(|(set, flows)| (set.clone(), flows.clone()))
            .collect()
    }

    fn flows_of(&self, set: &FlowSetId) -> Arc<Collection<Flow>> {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = flows.get(set) {
            return known.clone();
        }
        flows.entry(set.clone()).or_default().clone()
    }

    fn forget_all_but(&self, interest: &Interest) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        // A collection that a reconcile is reading right now may belong to the next interest.
        flows.retain(|set, flows| interest.flows.contains_key(set) || Arc::strong_count(flows) > 1);
    }
}
