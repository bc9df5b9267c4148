//! Starts the watches and the three controllers of one scope.
//!
//! Each kind is watched once. What a watch shows goes into a store, wakes whom it concerns, and drives the kind's own
//! controller.

mod selection;
mod unreadable;

use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::{DeserializeGuard, Selector};
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::graph::Transport;
use crate::lease::LeaseGuard;
use crate::metrics::{Metrics, Source};
use crate::plan::Limits;
use crate::shard::Shard;
use crate::watches::Watches;

use super::cache::ReconcileCache;
use super::context::Context;
use super::credentials::Credentials;
use super::dispatch::Dispatcher;
use super::events::Publisher;
use super::index::{Index, SharedIndex};
use super::managed::Managed;
use super::secrets::{MAX_CONCURRENT_READS, Secrets};
use super::sessions::{Sessions, Spawn};
use super::triggers::{Queues, Switchboard, Triggers};
use super::turns::Turns;

use selection::Departures;
pub(super) use selection::missing;
use unreadable::ParseGuard;

/// What to do where the API server does not know the three kinds. The watches are retried, and find them later.
pub const DEFINITIONS_MISSING: &str = "the cluster does not serve industrydata.dev/v1alpha1, or not to this user: install the CustomResourceDefinitions (`industrydata-operator crds | kubectl apply -f -`) and the operator's role";

/// What all scopes of a process share.
#[derive(Clone)]
pub struct Shared {
    index: SharedIndex,
    switchboard: Switchboard,
    turns: Turns,
    /// How many Secrets are read at the same time, in all scopes.
    reads: Arc<Semaphore>,
    /// Which tenants this process works for.
    shard: Shard,
}

impl Shared {
    /// What this number of scopes shares, with `places` for their reconciles, which are those of `shard`.
    #[must_use]
    pub fn of(scopes: usize, places: u16, shard: Shard) -> Self {
        Self {
            index: SharedIndex::of(scopes),
            switchboard: Switchboard::default(),
            turns: Turns::new(places),
            reads: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
            shard,
        }
    }
}

/// Objects in a page of a list. An object in the cluster has at most 1.5 MiB, so that 50 × 1.5 = 75 MiB pass through for
/// a page, of which the clients keep what is used: usually 4 KiB of an object, 200 KiB of a page. With the 500 of kube it
/// would be ten times as much, and 5,000 flows are still only 100 requests.
const PAGE_SIZE: u32 = 50;

/// What the controllers of a scope are given.
pub struct Scope {
    /// Namespace to watch, or `None` for all.
    pub namespace: Option<String>,
    /// What all scopes share.
    pub shared: Shared,
    /// Restricts the three kinds to resources with these labels.
    pub selector: Option<Selector>,
    /// For watches, which may be silent for long.
    pub watches: Client,
    /// For everything else: with time-outs, and without repetitions.
    pub cluster: Client,
    /// For reading Secrets.
    pub secrets: Client,
    /// Publishes events.
    pub publisher: Publisher,
    /// The service.
    pub transport: Transport,
    /// For whom tokens of service accounts are issued.
    pub workload_identity_audience: String,
    /// The permission to change anything.
    pub lease_guard: LeaseGuard,
    /// Counts.
    pub metrics: Metrics,
    /// Times that the protocols are built on.
    pub limits: Limits,
    /// Interval between full relists, which bounds how long a lost event can go unnoticed.
    pub relist_interval: Duration,
    /// Starts pollers.
    pub spawn: Spawn,
    /// Starts exchanges of refresh tokens, which are finished before the operator ends.
    pub detach: Spawn,
    /// Whether the watches deliver.
    pub health: Watches,
}

/// Runs the controllers of one scope until `stop`. Reconciles in progress are finished.
pub async fn run(scope: Scope, stop: CancellationToken) {
    let writers = Writers::default();
    let (queues, receivers) = Queues::open();
    let switchboard = scope.shared.switchboard.clone();
    switchboard.add(scope.namespace.clone(), queues);
    let index = Index::new(scope.shared.index.clone(), scope.namespace.as_deref());
    let triggers = Triggers::new(index, switchboard, scope.metrics.clone());
    let context = Arc::new(scope.context(&triggers, &stop));
    let source: Arc<dyn Source> = context.clone();
    scope.metrics.read_from(Arc::downgrade(&source));
    let secrets = context.secrets.clone();
    (scope.spawn)(Box::pin(async move { secrets.keep().await }));
    tokio::join!(
        scope.control(
            writers.connections,
            receivers.connections,
            &context,
            &triggers,
            &stop
        ),
        scope.control(writers.sets, receivers.sets, &context, &triggers, &stop),
        scope.control(writers.flows, receivers.flows, &context, &triggers, &stop),
    );
}

impl Scope {
    fn context(&self, triggers: &Triggers, stop: &CancellationToken) -> Context {
        let (client, reads) = (self.secrets.clone(), self.shared.reads.clone());
        let secrets = Arc::new(Secrets::new(client.clone(), reads, triggers.clone()));
        let audience = &self.workload_identity_audience;
        let credentials = Arc::new(Credentials::new(
            secrets.clone(),
            client,
            audience,
            self.detach.clone(),
        ));
        let sessions = Sessions::new(
            credentials,
            triggers.clone(),
            self.transport.clone(),
            self.metrics.graph_observer(),
            self.spawn.clone(),
        );
        Context {
            cluster: self.cluster.clone(),
            index: triggers.index.clone(),
            sessions,
            secrets,
            turns: self.shared.turns.clone(),
            shard: self.shared.shard,
            stop: stop.clone(),
            started: tokio::time::Instant::now(),
            lease_guard: self.lease_guard.clone(),
            publisher: self.publisher.clone(),
            metrics: self.metrics.clone(),
            limits: self.limits,
            selector: self.selector.clone(),
            connections: ReconcileCache::default(),
            sets: ReconcileCache::default(),
            flows: ReconcileCache::default(),
        }
    }

    /// Watches one kind and runs its controller.
    async fn control<K: Managed>(
        &self,
        writer: Writer<K>,
        queue: UnboundedReceiver<ObjectRef<K>>,
        context: &Arc<Context>,
        triggers: &Triggers,
        stop: &CancellationToken,
    ) {
        let store = writer.as_reader();
        let selector = self.selector.clone().unwrap_or_default();
        let config = watcher::Config::default()
            .labels_from(&selector)
            .page_size(PAGE_SIZE);
        let (api, sieve) = (
            self.api::<DeserializeGuard<K>>(),
            ParseGuard::new(self, store.clone()),
        );
        let watched = self.watched(K::LABEL.as_str(), move || {
            watcher(api.clone(), config.clone())
        });
        let events = watched
            .inspect_ok(self.letting_go(store.clone(), context))
            .try_filter_map(move |event| ready(Ok(sieve.parsed(event))))
            .default_backoff();
        let (seeing, triggers) = (context.clone(), triggers.clone());
        let mut shows = First::new(&triggers.index);
        let stored = store.clone();
        let note = move |event: &watcher::Event<K>| {
            // First, so that whatever the event causes finds it in the index.
            let vanished = triggers.index.apply(event, &stored);
            shows.note(event);
            note(event, &triggers, &seeing);
            if matches!(event, watcher::Event::InitDone) {
                swept(&vanished, &stored.state(), &triggers, &seeing);
            }
        };
        let applied = events.reflect(writer).inspect_ok(note).applied_objects();
        let applied = applied.inspect_err(log).filter_map(|seen| ready(seen.ok()));
        Dispatcher::new(store, context.clone(), self.spawn.clone())
            .run(applied, queue, stop)
            .await;
    }

    /// Lets go of those that are not shown any more, where that may be for a label that they have lost.
    fn letting_go<K: Managed>(
        &self,
        store: Store<K>,
        context: &Arc<Context>,
    ) -> impl FnMut(&watcher::Event<DeserializeGuard<K>>) + Send + 'static + use<K> {
        let (spawn, context) = (self.spawn.clone(), context.clone());
        let mut departures = context.selector.is_some().then(|| Departures::new(store));
        move |event| {
            let departures = departures.iter_mut();
            for departed in departures.flat_map(|departures| departures.of(event)) {
                spawn(Box::pin(selection::let_go(departed, context.clone())));
            }
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.watches.clone(), namespace),
            None => Api::all(self.watches.clone()),
        }
    }

    /// Watches without end, and begins again now and then, and whenever the definition of the kind is missing: a watch
    /// that goes on with one that was created again may miss what was created before it.
    fn watched<K, S>(
        &self,
        kind: &'static str,
        watch: impl Fn() -> S + Send + 'static,
    ) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
    where
        K: 'static,
        S: Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    {
        let (health, interval) = (self.health.begin(kind), self.relist_interval);
        let watch = move || {
            let term = interval + spread(interval / 5);
            let missing = CancellationToken::new();
            let noted = missing.clone();
            // Ends before the watch is polled once more, as it would go on.
            watch()
                .inspect_err(move |error| {
                    if is_undefined(error) {
                        noted.cancel();
                    }
                })
                .take_until(tokio::time::timeout(term, missing.cancelled_owned()))
        };
        futures::stream::repeat_with(watch)
            .flatten()
            .inspect(move |event| match event {
                // That a list is asked for is no answer yet.
                Ok(watcher::Event::Init) => {}
                Ok(_) => health.delivered(),
                Err(_) => health.failed(),
            })
    }
}

/// Returns a random time up to `most`, so that not all watches restart at once.
fn spread(most: Duration) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(RandomState::new().hash_one(0) % most.max(1))
}

/// Notes in the index when a watch has shown all there is for the first time.
struct First {
    index: Option<Index>,
}

impl First {
    fn new(index: &Index) -> Self {
        Self {
            index: Some(index.clone()),
        }
    }

    fn note<K>(&mut self, event: &watcher::Event<K>) {
        if matches!(event, watcher::Event::InitDone)
            && let Some(index) = self.index.take()
        {
            index.show();
        }
    }
}

fn note<K: Managed>(event: &watcher::Event<K>, triggers: &Triggers, context: &Context) {
    match event {
        watcher::Event::Init | watcher::Event::InitDone => {}
        watcher::Event::Apply(seen) | watcher::Event::InitApply(seen) => {
            K::note(seen, false, triggers, context);
        }
        watcher::Event::Delete(seen) => {
            K::cache(context).forget(seen);
            K::note(seen, true, triggers, context);
        }
    }
}

/// Treats what has vanished while there was no watch as deleted, and drops what a reconcile has left behind.
fn swept<K: Managed>(
    vanished: &[Arc<K>],
    listed: &[Arc<K>],
    triggers: &Triggers,
    context: &Context,
) {
    for gone in vanished {
        K::note(gone, true, triggers, context);
    }
    K::cache(context).sweep(listed);
    K::sweep(listed, context);
}

/// Logs why a watch failed. It is retried.
fn log(error: &watcher::Error) {
    if is_undefined(error) {
        tracing::error!(%error, "{DEFINITIONS_MISSING}");
    } else {
        tracing::warn!(%error, "could not watch");
    }
}

/// Whether the API server does not know the kind that was to be watched.
fn is_undefined(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
        error
    else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[derive(Default)]
struct Writers {
    connections: Writer<GraphConnection>,
    sets: Writer<OutboundProvisioningFlowSet>,
    flows: Writer<ProvisioningFlow>,
}
