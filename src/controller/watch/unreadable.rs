//! Objects that this version cannot parse are told and left out; the others go on.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::failpoint;
use crate::metrics::Metrics;

use super::Scope;
use crate::controller::managed::Managed;
use crate::controller::session::Spawn;

/// Leaves out what cannot be parsed.
pub(super) struct ParseGuard<K: Managed> {
    store: Store<K>,
    recorder: Recorder,
    metrics: Metrics,
    spawn: Spawn,
}

impl<K: Managed> ParseGuard<K> {
    pub(super) fn new(scope: &Scope, store: Store<K>) -> Self {
        Self {
            store,
            recorder: scope.recorder.clone(),
            metrics: scope.metrics.clone(),
            spawn: scope.spawn.clone(),
        }
    }

    /// An object that could be parsed before is taken for gone: to act on its old content would be to act on what the
    /// user has replaced.
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
                self.tell(&invalid);
                None
            }
            watcher::Event::Apply(DeserializeGuard(Err(invalid))) => {
                self.tell(&invalid);
                self.last_seen(&invalid).map(watcher::Event::Delete)
            }
            watcher::Event::Delete(DeserializeGuard(Err(invalid))) => {
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

    fn tell(&self, invalid: &InvalidObject) {
        let metadata = &invalid.metadata;
        let about = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        tracing::warn!(object = ?about.name, namespace = ?about.namespace, error = %invalid.error, "left out a resource that this version cannot parse");
        self.metrics.invalid_resource(K::LABEL);
        let recorder = self.recorder.clone();
        (self.spawn)(Box::pin(async move {
            let event = Event {
                type_: EventType::Warning,
                reason: "Unreadable".to_owned(),
                note: Some("this version of the operator cannot parse the resource and leaves it out: correct it, or upgrade the operator and its CustomResourceDefinitions".to_owned()),
                action: "Parse".to_owned(),
                secondary: None,
            };
            if let Err(error) = failpoint::around(recorder.publish(&event, &about)).await {
                tracing::warn!(%error, "could not publish an event");
            }
        }));
    }
}
