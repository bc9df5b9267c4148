//! Turns: fair admission of reconciles to a limited number of places.
//!
//! A reconcile holds a place while it computes and while it reads or writes the cluster. It gives the place back while it
//! waits for the service or for another reconcile, which may take minutes. Places are shared by all kinds and scopes of
//! the process. Namespaces are served one after the other, and so are the queues within a namespace, one for each
//! connection and kind: the number of resources in one of them does not matter to the next.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use tokio::sync::oneshot;

/// Maximum number of reconciles of one namespace that have begun and not ended, with and without a place. All others wait
/// without the memory of a reconcile. 256 reconciles of at most 16 KiB each, and what they hold of their resources, are
/// about 5 MiB.
const MAX_BEGUN: usize = 256;

/// A queue within a namespace: the reconciles of one connection and kind.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: Arc<str>,
    /// Maximum number of its reconciles that have begun and not ended.
    pub limit: usize,
}

/// Places for reconciles. Cheap to clone; clones share the places.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<TurnState>>);

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

/// The turn of one reconcile, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    /// The place, or `None` while the turn is paused.
    place: Mutex<Option<Place>>,
    begun: Begun,
}

struct TurnState {
    free: usize,
    /// Maximum number of places that one namespace holds: half of them, so that a namespace in which each write to the
    /// cluster is slow, for instance because of a webhook, leaves the other half.
    share: usize,
    max_begun: usize,
    namespaces: HashMap<Arc<str>, NamespaceTurns>,
    /// The namespaces of which a waiter may have a place, in the order in which they are served.
    order: VecDeque<Arc<str>>,
}

/// The waiters of one namespace, and what it has of the places.
#[derive(Default)]
struct NamespaceTurns {
    held: usize,
    begun: usize,
    /// Waiters that have begun. They are served before the others, because what they hold is released sooner, and
    /// because the outcome of a change at the service should be recorded soon.
    resuming: VecDeque<oneshot::Sender<Place>>,
    queues: HashMap<Arc<str>, TurnQueue>,
    /// The queues of which a waiter may begin, in the order in which they are served.
    order: VecDeque<Arc<str>>,
    /// Whether the namespace is in the order.
    is_queued: bool,
}

/// The waiters of one connection and kind that have not begun.
#[derive(Default)]
struct TurnQueue {
    begun: usize,
    limit: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// Whether the queue is in the order of its namespace.
    is_queued: bool,
}

/// One of the places.
#[derive(Debug)]
struct Place {
    turns: Turns,
    namespace: Arc<str>,
}

/// A reconcile that has begun.
#[derive(Debug)]
struct Begun {
    turns: Turns,
    namespace: Arc<str>,
    queue: Arc<str>,
}

/// A place on its way to a waiter. The waiter may be gone by then: the place is then free again.
enum Grant {
    Resume(oneshot::Sender<Place>, Place),
    Begin(oneshot::Sender<Turn>, Turn),
}

impl Turns {
    /// Creates `places` free places; zero is treated as one.
    #[must_use]
    pub fn new(places: u16) -> Self {
        Self::with_limit(places, MAX_BEGUN)
    }

    fn with_limit(places: u16, max_begun: usize) -> Self {
        let free = usize::from(places.max(1));
        Self(Arc::new(Mutex::new(TurnState {
            free,
            share: free.div_ceil(2),
            max_begun,
            namespaces: HashMap::new(),
            order: VecDeque::new(),
        })))
    }

    /// Waits for a place, in turn with the other namespaces, and with the other queues of this namespace.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue. A place that was granted meanwhile is passed on.
    pub async fn begin(&self, namespace: &str, queue: &Queue) -> Turn {
        let (sender, granted) = oneshot::channel();
        let enter = |waiters: &mut TurnQueue| {
            waiters.limit = queue.limit;
            waiters.waiting.push_back(sender);
        };
        self.change(&namespace.into(), |waiting| {
            waiting.change(&queue.name, enter);
        });
        // The sender is dropped without a grant only if the receiver is gone.
        match granted.await {
            Ok(turn) => turn,
            Err(_) => pending().await,
        }
    }

    /// Changes what a namespace waits for or holds, and grants what is free.
    fn change(&self, namespace: &Arc<str>, change: impl FnOnce(&mut NamespaceTurns)) {
        let mut state = self.lock();
        let entry = state.namespaces.entry(namespace.clone());
        change(entry.or_default());
        state.requeue(namespace);
        drop(state);
        self.serve();
    }

    /// Grants free places to the next waiters.
    fn serve(&self) {
        while let Some(grant) = self.next() {
            // What cannot be delivered is dropped, and so passed on.
            match grant {
                Grant::Resume(waiter, place) => drop(waiter.send(place)),
                Grant::Begin(waiter, turn) => drop(waiter.send(turn)),
            }
        }
    }

    fn next(&self) -> Option<Grant> {
        let mut state = self.lock();
        while state.free > 0 {
            let namespace = state.order.pop_front()?;
            let grant = state.take_waiter(self, &namespace);
            state.requeue(&namespace);
            if grant.is_some() {
                return grant;
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, TurnState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TurnState {
    /// Takes the next waiter of a namespace that has just left the order, with what it is granted.
    fn take_waiter(&mut self, turns: &Turns, namespace: &Arc<str>) -> Option<Grant> {
        let waiting = self.namespaces.get_mut(namespace)?;
        waiting.is_queued = false;
        let place = || Place {
            turns: turns.clone(),
            namespace: namespace.clone(),
        };
        let grant = if let Some(waiter) = open(&mut waiting.resuming) {
            Grant::Resume(waiter, place())
        } else {
            let (queue, waiter) = waiting.take_beginner(self.max_begun)?;
            let begun = Begun {
                turns: turns.clone(),
                namespace: namespace.clone(),
                queue,
            };
            let place = Mutex::new(Some(place()));
            Grant::Begin(waiter, Turn { place, begun })
        };
        waiting.held += 1;
        self.free -= 1;
        Some(grant)
    }

    /// Adds a namespace to the end of the order if one of its waiters may have a place, and forgets one without any.
    fn requeue(&mut self, namespace: &Arc<str>) {
        let Entry::Occupied(mut entry) = self.namespaces.entry(namespace.clone()) else {
            return;
        };
        let waiting = entry.get_mut();
        let may_begin = !waiting.order.is_empty() && waiting.begun < self.max_begun;
        if waiting.held < self.share && (may_begin || !waiting.resuming.is_empty()) {
            if !std::mem::replace(&mut waiting.is_queued, true) {
                self.order.push_back(namespace.clone());
            }
        } else if waiting.held == 0 && waiting.queues.is_empty() {
            entry.remove();
        }
    }
}

impl NamespaceTurns {
    fn take_beginner(&mut self, max_begun: usize) -> Option<(Arc<str>, oneshot::Sender<Turn>)> {
        while self.begun < max_begun {
            let name = self.order.pop_front()?;
            let mut waiter = None;
            self.change(&name, |queue| {
                queue.is_queued = false;
                waiter = open(&mut queue.waiting);
                queue.begun += usize::from(waiter.is_some());
            });
            if let Some(waiter) = waiter {
                self.begun += 1;
                return Some((name, waiter));
            }
        }
        None
    }

    /// Changes a queue, adds it to the end of the order if one of its waiters may begin, and forgets one without any.
    fn change(&mut self, name: &Arc<str>, change: impl FnOnce(&mut TurnQueue)) {
        let queue = self.queues.entry(name.clone()).or_default();
        change(queue);
        if queue.waiting.is_empty() {
            if queue.begun == 0 && !queue.is_queued {
                self.queues.remove(name);
            }
        } else if queue.begun < queue.limit && !std::mem::replace(&mut queue.is_queued, true) {
            self.order.push_back(name.clone());
        }
    }
}

/// Takes the first waiter that is still there.
fn open<T>(waiters: &mut VecDeque<oneshot::Sender<T>>) -> Option<oneshot::Sender<T>> {
    std::iter::from_fn(|| waiters.pop_front()).find(|waiter| !waiter.is_closed())
}

impl Turn {
    /// Awaits something that takes long, without the place if it is not ready at once.
    ///
    /// # Cancel safety
    ///
    /// That of `waiting`.
    pub async fn pause<T>(&self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        if let Some(output) = waiting.as_mut().now_or_never() {
            return output;
        }
        drop(self.place().take());
        let output = waiting.await;
        self.resume().await;
        output
    }

    async fn resume(&self) {
        if self.place().is_some() {
            return;
        }
        let Begun {
            turns, namespace, ..
        } = &self.begun;
        let (sender, granted) = oneshot::channel();
        turns.change(namespace, |waiting| waiting.resuming.push_back(sender));
        match granted.await {
            Ok(place) => *self.place() = Some(place),
            Err(_) => pending().await,
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().free += 1;
        self.turns
            .change(&self.namespace, |waiting| waiting.held -= 1);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.turns.change(&self.namespace, |waiting| {
            waiting.begun -= 1;
            waiting.change(&self.queue, |queue| queue.begun -= 1);
        });
    }
}

#[cfg(test)]
mod tests;
