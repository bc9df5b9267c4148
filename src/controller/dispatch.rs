//! Reconciles the objects of one kind: what the watch shows, what others trigger, and what is due again.
//!
//! It takes the place of kube's `Controller`, which polls all reconciles that have begun whenever one of them wakes, and
//! serves its objects in no particular order. Each step here takes logarithmic time, and `Turns` decides who is next.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::plan::connection::concurrent_reconciles;

use super::context::Context;
use super::managed::Managed;
use super::reconcile;
use super::schedule::Schedule;
use super::sessions::Spawn;
use super::turns::Queue;

/// Pause after a reconcile that ended without a result, which is a bug.
const PAUSE_WITHOUT_RESULT: Duration = Duration::from_mins(1);

/// The reconciles of one kind.
pub(super) struct Dispatcher<K: Managed> {
    store: Store<K>,
    context: Arc<Context>,
    spawn: Spawn,
    schedule: Schedule<ObjectRef<K>>,
    endings: UnboundedSender<Ending<K>>,
    ended: UnboundedReceiver<Ending<K>>,
}

/// A reconcile that has ended, with the pause until the next, or `None` if it waits for a change.
type Ending<K> = (ObjectRef<K>, Option<Duration>);

impl<K: Managed> Dispatcher<K> {
    pub(super) fn new(store: Store<K>, context: Arc<Context>, spawn: Spawn) -> Self {
        let (endings, ended) = unbounded_channel();
        Self {
            store,
            context,
            spawn,
            schedule: Schedule::default(),
            endings,
            ended,
        }
    }

    /// Reconciles until `stop` is cancelled, and then finishes the reconciles in progress. Nothing is reconciled before
    /// all watches have shown all there is.
    pub(super) async fn run(
        mut self,
        seen: impl Stream<Item = K>,
        mut triggered: UnboundedReceiver<ObjectRef<K>>,
        stop: &CancellationToken,
    ) {
        let mut seen = pin!(seen);
        let index = self.context.index.clone();
        let mut ready = pin!(index.ready());
        let mut is_ready = false;
        loop {
            if is_ready {
                self.start_due(stop);
            }
            let due = self.schedule.next().filter(|_| is_ready);
            tokio::select! {
                () = stop.cancelled() => break,
                Some((object, pause)) = self.ended.recv() => self.end(&object, pause),
                Some(object) = triggered.recv() => self.schedule.request(object, Instant::now()),
                Some(object) = seen.next() => {
                    self.schedule.request(ObjectRef::from_obj(&object), Instant::now());
                }
                () = &mut ready, if !is_ready => is_ready = true,
                () = until(due) => {}
            }
        }
        while self.schedule.running() > 0
            && let Some((object, _)) = self.ended.recv().await
        {
            self.schedule.end(&object, None);
        }
    }

    fn end(&mut self, object: &ObjectRef<K>, pause: Option<Duration>) {
        // A time that cannot be represented is never reached.
        let next = pause.and_then(|pause| Instant::now().checked_add(pause));
        self.schedule.end(object, next);
    }

    fn start_due(&mut self, stop: &CancellationToken) {
        while let Some(object) = self.schedule.start(Instant::now()) {
            self.start(object, stop.clone());
        }
    }

    /// Starts a task that waits for its turn. Its memory is small until then: the reconcile itself is allocated later.
    fn start(&mut self, object: ObjectRef<K>, stop: CancellationToken) {
        let (store, context) = (self.store.clone(), self.context.clone());
        let Some(resource) = own_resource(&store, &object, &context) else {
            return self.end(&object, None);
        };
        let namespace = object.namespace.clone().unwrap_or_default();
        let connection = resource.connection(&context.index);
        let queue = self.queue(&namespace, connection.as_deref());
        let result = PendingResult {
            object,
            pause: Some(PAUSE_WITHOUT_RESULT),
            endings: self.endings.clone(),
        };
        (self.spawn)(Box::pin(async move {
            let turn = stop.run_until_cancelled(context.turns.begin(&namespace, &queue));
            let Some(turn) = turn.await else {
                return;
            };
            // It may have gone to another shard while it waited for its turn.
            let pause = match own_resource(&store, &result.object, &context) {
                Some(resource) => Box::pin(reconcile(resource, context, turn)).await,
                None => None,
            };
            result.report(pause);
        }));
    }

    fn queue(&self, namespace: &str, connection: Option<&str>) -> Queue {
        let name = connection.unwrap_or_default();
        let connection = self.context.index.connection(namespace, name);
        let budget = connection.map(|connection| connection.spec.request_budget.clone());
        Queue {
            name: format!("{}/{name}", K::LABEL.as_str()).into(),
            limit: concurrent_reconciles(&budget.unwrap_or_default()),
        }
    }
}

/// Returns the resource, if it exists and is one that this process works on.
///
/// What is remembered of a resource of another shard is forgotten: should it return, then as to a process that has just
/// started, because another one has worked on it since.
fn own_resource<K: Managed>(
    store: &Store<K>,
    object: &ObjectRef<K>,
    context: &Context,
) -> Option<Arc<K>> {
    let resource = store.get(object)?;
    if resource.is_served(context) {
        return Some(resource);
    }
    K::cache(context).forget(&resource);
    context.index.release(&*resource);
    None
}

/// The result of a reconcile, which is reported even if the reconcile panics or is dropped: otherwise its object would
/// never be reconciled again.
struct PendingResult<K: Managed> {
    object: ObjectRef<K>,
    pause: Option<Duration>,
    endings: UnboundedSender<Ending<K>>,
}

impl<K: Managed> PendingResult<K> {
    fn report(mut self, pause: Option<Duration>) {
        self.pause = pause;
    }
}

impl<K: Managed> Drop for PendingResult<K> {
    fn drop(&mut self) {
        // The receiver is gone only when the process stops.
        let _ = self.endings.send((self.object.clone(), self.pause));
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
