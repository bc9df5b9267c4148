//! Memory of this process about each resource, between reconciles.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use crate::failure_log::FailureLog;
use crate::plan::Memory;

/// Memory of this process about the resources of one kind.
#[derive(Debug)]
pub struct ReconcileCache<K> {
    entries: Mutex<HashMap<String, CacheEntry<K>>>,
}

#[derive(Debug)]
struct CacheEntry<K> {
    memory: Memory,
    /// The resource as returned by our last write. The watch may contain an older version for a while.
    written: Option<Arc<K>>,
    /// Number of consecutive failed reconciles.
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
    /// Returns the newer one of `seen` and the result of our last write.
    pub fn newest(&self, seen: &Arc<K>) -> Arc<K> {
        self.entry(seen, |entry| match entry.written.take() {
            Some(written) if version(&*written) > version(&**seen) => {
                entry.written = Some(written.clone());
                written
            }
            _ => seen.clone(),
        })
    }

    /// Remembers the resource as returned by a write.
    pub fn wrote(&self, written: &Arc<K>) {
        self.entry(written, |entry| entry.written = Some(written.clone()));
    }

    /// Returns the memory of earlier reconciles.
    pub fn memory(&self, resource: &K) -> Memory {
        self.entry(resource, |entry| entry.memory.clone())
    }

    /// Stores the memory for the next reconcile.
    pub fn remember(&self, resource: &K, memory: Memory) {
        self.entry(resource, |entry| entry.memory = memory);
    }

    /// Counts a failed reconcile, and returns the number of consecutive failures before it.
    pub fn failed(&self, resource: &K) -> u32 {
        self.entry(resource, |entry| {
            let before = entry.failures;
            entry.failures = before.saturating_add(1);
            before
        })
    }

    /// Resets the failures after a successful reconcile. An entry is not created, because the watch may have reported
    /// in the meantime that the resource is gone.
    pub fn succeeded(&self, resource: &K) {
        let uid = resource.uid().unwrap_or_default();
        if let Some(entry) = self.lock().get_mut(&uid) {
            entry.failures = 0;
        }
    }

    /// Calls `work` with the log of the resource's failures, unless the watch has reported the removal in the meantime.
    pub fn log<T>(&self, resource: &K, work: impl FnOnce(&mut FailureLog) -> T) -> Option<T> {
        let uid = resource.uid().unwrap_or_default();
        self.lock().get_mut(&uid).map(|entry| work(&mut entry.log))
    }

    /// Removes the entries of all resources that a complete list lacks. A reconcile that was in progress at a removal
    /// may have left one behind.
    pub fn sweep(&self, listed: &[Arc<K>]) {
        let uids: HashSet<String> = listed
            .iter()
            .filter_map(|resource| resource.uid())
            .collect();
        self.lock().retain(|uid, _| uids.contains(uid));
    }

    /// Removes the entry of a resource that no longer exists.
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

/// Returns the resource version as a number. Versions of one kind can be compared as numbers, as [KEP-5504] guarantees.
///
/// [KEP-5504]: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/5504-comparable-resource-version
fn version(resource: &impl ResourceExt) -> Option<u64> {
    resource.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::connection;

    #[test]
    fn what_a_complete_list_lacks_is_forgotten() {
        let cache = ReconcileCache::default();
        let (stays, mut goes) = (Arc::new(connection()), connection());
        goes.metadata.uid = Some("gone".to_owned());
        for resource in [&*stays, &goes] {
            cache.failed(resource);
        }
        cache.sweep(std::slice::from_ref(&stays));
        assert_eq!([cache.failed(&stays), cache.failed(&goes)], [1, 0]);
    }
}
