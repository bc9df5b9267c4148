//! What this process remembers of each resource between runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use crate::failure_log::FailureLog;
use crate::plan::Memory;

/// What this process remembers of each resource of one kind.
#[derive(Debug)]
pub struct ReconcileCache<K> {
    entries: Mutex<HashMap<String, CacheEntry<K>>>,
}

#[derive(Debug)]
struct CacheEntry<K> {
    memory: Memory,
    /// The resource as the cluster answered our last write. A watch may show older pictures for a while.
    written: Option<Arc<K>>,
    /// Runs in a row that ended early.
    failures: u32,
    log: FailureLog,
}

impl<K> Default for ReconcileCache<K> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<K: ResourceExt> ReconcileCache<K> {
    /// The newer of `seen` and what the cluster answered our last write with.
    pub fn newest(&self, seen: &Arc<K>) -> Arc<K> {
        self.entry(seen, |entry| match entry.written.take() {
            Some(written) if version(&*written) > version(&**seen) => {
                entry.written = Some(written.clone());
                written
            }
            _ => seen.clone(),
        })
    }

    /// Remembers how the cluster answered a write.
    pub fn wrote(&self, written: &Arc<K>) {
        self.entry(written, |entry| entry.written = Some(written.clone()));
    }

    /// What earlier runs remembered.
    pub fn memory(&self, resource: &K) -> Memory {
        self.entry(resource, |entry| entry.memory.clone())
    }

    /// Remembers until the next run.
    pub fn remember(&self, resource: &K, memory: Memory) {
        self.entry(resource, |entry| entry.memory = memory);
    }

    /// Counts a run that ended early; gives back how many did in a row before.
    pub fn failed(&self, resource: &K) -> u32 {
        self.entry(resource, |entry| {
            let before = entry.failures;
            entry.failures = before.saturating_add(1);
            before
        })
    }

    /// A run came to its end. The watch may have shown meanwhile that the resource is gone.
    pub fn succeeded(&self, resource: &K) {
        let uid = resource.uid().unwrap_or_default();
        if let Some(entry) = self.lock().get_mut(&uid) {
            entry.failures = 0;
        }
    }

    /// Works with the log of the resource's failures.
    pub fn log<T>(&self, resource: &K, work: impl FnOnce(&mut FailureLog) -> T) -> T {
        self.entry(resource, |entry| work(&mut entry.log))
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, resource: &K) {
        if let Some(uid) = resource.uid() {
            self.lock().remove(&uid);
        }
    }

    fn entry<T>(&self, resource: &K, work: impl FnOnce(&mut CacheEntry<K>) -> T) -> T {
        let uid = resource.uid().unwrap_or_default();
        work(self.lock().entry(uid).or_insert_with(|| CacheEntry {
            memory: Memory::default(),
            written: None,
            failures: 0,
            log: FailureLog::default(),
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, CacheEntry<K>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one kind can be compared as numbers, as [KEP-5504] promises.
///
/// [KEP-5504]: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/5504-comparable-resource-version
fn version(resource: &impl ResourceExt) -> Option<u64> {
    resource.resource_version()?.parse().ok()
}
