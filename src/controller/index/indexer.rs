//! Objects by name and by derived keys, like client-go's `Indexer`.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
}

impl Name {
    /// The name of an object.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::beside(object, &object.name_any())
    }

    /// The name of another object in the namespace of `object`.
    pub fn beside(object: &impl ResourceExt, name: &str) -> Self {
        Self::new(&object.namespace().unwrap_or_default(), name)
    }

    /// A name within a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Orders objects by time of creation, and those of the same second by uid.
pub type Age = (Option<Timestamp>, Option<String>);

/// The age of an object.
pub fn age(object: &impl ResourceExt) -> Age {
    (object.creation_timestamp().map(|time| time.0), object.uid())
}

/// The members of a key, oldest first. Objects without a uid are distinguished by their names.
type Members = BTreeSet<Arc<(Age, Name)>>;

/// Objects of one kind, by name and by the keys that the caller derives from them.
///
/// Each question costs a lookup and what is taken of the answer, each change a lookup for each key of the object.
pub struct Indexer<K, Key> {
    objects: HashMap<Name, Entry<K, Key>>,
    members: HashMap<Key, Members>,
    /// How many objects questions and changes have come across.
    #[cfg(test)]
    visited: AtomicUsize,
}

struct Entry<K, Key> {
    object: Arc<K>,
    order: Arc<(Age, Name)>,
    keys: Vec<Key>,
}

impl<K, Key> Default for Indexer<K, Key> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            members: HashMap::new(),
            #[cfg(test)]
            visited: AtomicUsize::new(0),
        }
    }
}

impl<K: ResourceExt, Key: Clone + Eq + Hash> Indexer<K, Key> {
    /// Inserts an object, or replaces the one of the same name.
    pub fn insert(&mut self, object: Arc<K>, keys: Vec<Key>) {
        let name = Name::of(&*object);
        let age = age(&*object);
        // Most events change nothing by which an object is found.
        if let Some(entry) = self.objects.get_mut(&name)
            && entry.keys == keys
            && entry.order.0 == age
        {
            entry.object = object;
            return self.visit();
        }
        self.remove(&name);
        let order = Arc::new((age, name.clone()));
        for key in &keys {
            let members = self.members.entry(key.clone()).or_default();
            members.insert(order.clone());
        }
        let entry = Entry {
            object,
            order,
            keys,
        };
        self.objects.insert(name, entry);
    }

    /// Replaces an object with an equal copy.
    pub fn swap(&mut self, object: Arc<K>) {
        if let Some(entry) = self.objects.get_mut(&Name::of(&*object)) {
            entry.object = object;
        }
    }

    /// Removes the object of this name.
    pub fn remove(&mut self, name: &Name) {
        let Some(entry) = self.objects.remove(name) else {
            return;
        };
        self.visit();
        for key in &entry.keys {
            if let Some(members) = self.members.get_mut(key) {
                members.remove(&entry.order);
                if members.is_empty() {
                    self.members.remove(key);
                }
            }
        }
    }

    /// The object of this name.
    pub fn get(&self, name: &Name) -> Option<&Arc<K>> {
        let entry = self.objects.get(name)?;
        self.visit();
        Some(&entry.object)
    }

    /// The keys of the object of this name.
    pub fn keys(&self, name: &Name) -> &[Key] {
        self.objects.get(name).map_or(&[], |entry| &entry.keys)
    }

    /// All objects.
    pub fn all(&self) -> Vec<Arc<K>> {
        let objects = self.objects.values();
        objects.map(|entry| entry.object.clone()).collect()
    }

    /// The objects with a key, oldest first.
    pub fn with(&self, key: &Key) -> impl Iterator<Item = &Arc<K>> + use<'_, K, Key> {
        let members = self.members.get(key).into_iter().flatten();
        members.filter_map(|member| self.get(&member.1))
    }

    /// The number of objects with a key.
    pub fn count(&self, key: &Key) -> usize {
        self.members.get(key).map_or(0, BTreeSet::len)
    }

    /// The oldest object with a key.
    pub fn first(&self, key: &Key) -> Option<&Arc<K>> {
        self.with(key).next()
    }

    /// The oldest object with a key that is not a version of `object`.
    pub fn other(&self, key: &Key, object: &K) -> Option<&Arc<K>> {
        self.with(key).find(|other| other.uid() != object.uid())
    }

    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "counts for tests only")
    )]
    fn visit(&self) {
        #[cfg(test)]
        self.visited.fetch_add(1, Ordering::Relaxed);
    }

    /// How many objects questions and changes have come across.
    #[cfg(test)]
    pub fn visited(&self) -> usize {
        self.visited.load(Ordering::Relaxed)
    }
}
