//! Objects that this version cannot parse: they are reported and ignored, and do not affect other objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::api::event::Occurrence;
use crate::controller::events::{EventAction, Publisher};
use crate::controller::managed::Managed;
use crate::controller::sessions::Spawn;
use crate::metrics::Metrics;
use crate::plan::Event;
use crate::shard::Shard;

use super::Scope;

const UNREADABLE: &str = "this version of the operator cannot parse the resource and ignores it: correct it, or upgrade the operator and its CustomResourceDefinitions";

/// Filter that removes unparsable objects from a watch.
pub(super) struct ParseGuard<K: Managed> {
    store: Store<K>,
    publisher: Publisher,
    metrics: Metrics,
    spawn: Spawn,
    shard: Shard,
    /// The versions of the objects that were reported, by uid: each relist contains them again.
    reported: Mutex<HashMap<String, Option<String>>>,
}

impl<K: Managed> ParseGuard<K> {
    pub(super) fn new(scope: &Scope, store: Store<K>) -> Self {
        Self {
            store,
            publisher: scope.publisher.clone(),
            metrics: scope.metrics.clone(),
            spawn: scope.spawn.clone(),
            shard: scope.shared.shard,
            reported: Mutex::default(),
        }
    }

    /// Converts an event, or returns `None` if it is to be ignored. An object that could be parsed before counts as
    /// removed: acting on its old content would apply what the user has replaced.
    pub(super) fn parsed(
        &self,
        event: watcher::Event<DeserializeGuard<K>>,
    ) -> Option<watcher::Event<K>> {
        match event {
            watcher::Event::Init => Some(watcher::Event::Init),
            watcher::Event::InitDone => Some(watcher::Event::InitDone),
            watcher::Event::InitApply(DeserializeGuard(Ok(object))) => {
                Some(watcher::Event::InitApply(object))
            }
            watcher::Event::Apply(DeserializeGuard(Ok(object))) => {
                Some(watcher::Event::Apply(object))
            }
            watcher::Event::Delete(DeserializeGuard(Ok(object))) => {
                Some(watcher::Event::Delete(object))
            }
            watcher::Event::InitApply(DeserializeGuard(Err(invalid))) => {
                self.report(&invalid);
                None
            }
            watcher::Event::Apply(DeserializeGuard(Err(invalid))) => {
                self.report(&invalid);
                self.last_seen(&invalid).map(watcher::Event::Delete)
            }
            watcher::Event::Delete(DeserializeGuard(Err(invalid))) => {
                self.reported().remove(&uid(&invalid));
                self.last_seen(&invalid).map(watcher::Event::Delete)
            }
        }
    }

    fn last_seen(&self, invalid: &InvalidObject) -> Option<K> {
        let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
        let name = invalid.metadata.name.clone().unwrap_or_default();
        self.store
            .get(&ObjectRef::new(&name).within(&namespace))
            .map(Arc::unwrap_or_clone)
    }

    /// Reports a version of an object once.
    fn report(&self, invalid: &InvalidObject) {
        let metadata = &invalid.metadata;
        let version = metadata.resource_version.clone();
        let known = self.reported().insert(uid(invalid), version.clone());
        if known == Some(version) {
            return;
        }
        let about = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        tracing::warn!(object = ?about.name, namespace = ?about.namespace, error = %invalid.error, "ignored a resource that this version cannot parse");
        self.metrics.invalid_resource(K::LABEL);
        // Its connection cannot be read either.
        if !self.shard.serves(None) {
            return;
        }
        let publisher = self.publisher.clone();
        (self.spawn)(Box::pin(async move {
            let event = Event::of(Occurrence::Unreadable, UNREADABLE);
            publisher.publish(&event, EventAction::Parse, &about).await;
        }));
    }

    fn reported(&self) -> MutexGuard<'_, HashMap<String, Option<String>>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uid(invalid: &InvalidObject) -> String {
    invalid.metadata.uid.clone().unwrap_or_default()
}
