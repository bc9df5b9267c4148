//! What this process remembers of each resource between runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use crate::plan::Memory;

/// What this process remembers of each resource of one kind.
#[derive(Debug)]
pub struct Notebook<K> {
    pages: Mutex<HashMap<String, Page<K>>>,
}

#[derive(Debug)]
struct Page<K> {
    memory: Memory,
    /// The resource as the cluster answered our last write. A watch may show older pictures for a while.
    written: Option<Arc<K>>,
    /// Runs in a row that ended early.
    failures: u32,
}

impl<K> Default for Notebook<K> {
    fn default() -> Self {
        Self {
            pages: Mutex::default(),
        }
    }
}

impl<K: ResourceExt> Notebook<K> {
    /// The newer of `seen` and what the cluster answered our last write with.
    pub fn newest(&self, seen: &Arc<K>) -> Arc<K> {
        self.page(seen, |page| match page.written.take() {
            Some(written) if version(&*written) > version(&**seen) => {
                page.written = Some(written.clone());
                written
            }
            _ => seen.clone(),
        })
    }

    /// Remembers how the cluster answered a write.
    pub fn wrote(&self, written: &Arc<K>) {
        self.page(written, |page| page.written = Some(written.clone()));
    }

    /// What earlier runs remembered.
    pub fn memory(&self, resource: &K) -> Memory {
        self.page(resource, |page| page.memory.clone())
    }

    /// Remembers until the next run.
    pub fn remember(&self, resource: &K, memory: Memory) {
        self.page(resource, |page| page.memory = memory);
    }

    /// Counts a run that ended early; gives back how many did in a row before.
    pub fn failed(&self, resource: &K) -> u32 {
        self.page(resource, |page| {
            let before = page.failures;
            page.failures = before.saturating_add(1);
            before
        })
    }

    /// A run came to its end. The watch may have shown meanwhile that the resource is gone.
    pub fn succeeded(&self, resource: &K) {
        let uid = resource.uid().unwrap_or_default();
        if let Some(page) = self.lock().get_mut(&uid) {
            page.failures = 0;
        }
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, resource: &K) {
        if let Some(uid) = resource.uid() {
            self.lock().remove(&uid);
        }
    }

    fn page<T>(&self, resource: &K, work: impl FnOnce(&mut Page<K>) -> T) -> T {
        let uid = resource.uid().unwrap_or_default();
        work(self.lock().entry(uid).or_insert_with(|| Page {
            memory: Memory::default(),
            written: None,
            failures: 0,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Page<K>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one kind can be compared as numbers, as [KEP-5504] promises.
///
/// [KEP-5504]: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/5504-comparable-resource-version
fn version(resource: &impl ResourceExt) -> Option<u64> {
    resource.resource_version()?.parse().ok()
}
