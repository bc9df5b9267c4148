//! Resources that `--watch-selector` excludes: those that lose their label, and those that others refer to.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::core::{DeserializeGuard, SelectorExt};
use kube::runtime::reflector::Store;
use kube::runtime::watcher;

use crate::api::FINALIZER;
use crate::api::event::Occurrence;
use crate::controller::cluster;
use crate::controller::context::Context;
use crate::controller::error::ReconcileError;
use crate::controller::events::EventAction;
use crate::controller::managed::Managed;
use crate::metrics::Write;
use crate::plan::Event;
use crate::telemetry::with_causes;

/// Detector of resources that are no longer watched: deleted, or without the label.
pub(super) struct Departures<K: Managed> {
    store: Store<K>,
    /// The uids in the relist in progress.
    listed: HashSet<Option<String>>,
}

impl<K: Managed> Departures<K> {
    pub(super) fn new(store: Store<K>) -> Self {
        Self {
            store,
            listed: HashSet::new(),
        }
    }

    /// Returns the resources that are no longer watched after this event, before the store applies it. A relist does
    /// not contain such events, so they are those that are missing from it.
    pub(super) fn of(&mut self, event: &watcher::Event<DeserializeGuard<K>>) -> Vec<K> {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(object) => {
                self.listed.insert(object.meta().uid.clone());
            }
            watcher::Event::InitDone => {
                let before = self.store.state().into_iter();
                let missing = before.filter(|known| !self.listed.contains(&known.meta().uid));
                return missing.map(Arc::unwrap_or_clone).collect();
            }
            watcher::Event::Delete(DeserializeGuard(Ok(object))) => return vec![object.clone()],
            watcher::Event::Delete(_) | watcher::Event::Apply(_) => {}
        }
        Vec::new()
    }
}

/// Number of attempts to remove a finalizer, with pauses of 1, 2, 4, … 512 s: 1,023 s, about a quarter of an hour, in
/// total.
const MAX_ATTEMPTS: u32 = 10;

/// Removes the finalizer from a resource that is no longer watched because it has lost its label: otherwise nothing
/// would ever remove it. The remote object is not changed.
pub(super) async fn let_go<K: Managed>(seen: K, context: Arc<Context>) {
    for attempt in 0..MAX_ATTEMPTS {
        match release(&seen, &context).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(
                    error = with_causes(&error),
                    "failed to release a resource that has lost its label"
                );
            }
        }
        tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
    }
}

async fn release<K: Managed>(seen: &K, context: &Context) -> Result<(), ReconcileError> {
    let Some(selector) = &context.selector else {
        return Ok(());
    };
    let Some(newest) = cluster::read(&context.cluster, seen).await? else {
        return Ok(());
    };
    let is_left = newest.uid() == seen.uid()
        && newest.finalizers().iter().any(|name| name == FINALIZER)
        && !selector.matches(newest.labels());
    if !is_left {
        return Ok(());
    }
    let object = cluster::display_name(&newest);
    if !context.lease_guard.covers(Duration::ZERO) {
        return Err(ReconcileError::NotLeading { object });
    }
    cluster::remove_finalizer(&context.cluster, &newest).await?;
    context
        .metrics
        .cluster_write(K::LABEL, Write::RemoveFinalizer);
    tracing::info!(
        object,
        "released a resource that no longer matches --watch-selector"
    );
    let message = format!(
        "the resource no longer matches --watch-selector {selector}: its finalizer was removed, and nothing was changed at the service"
    );
    let event = Event::of(Occurrence::LetGo, message);
    let about = newest.object_ref(&());
    let publisher = &context.publisher;
    if publisher
        .publish(&event, EventAction::Release, &about)
        .await
    {
        context.metrics.cluster_write(K::LABEL, Write::Event);
    }
    Ok(())
}

/// Returns the message for a referenced resource that is not watched: `missing`, unless it exists and
/// `--watch-selector` excludes it. The cluster is only queried if there is a selector.
///
/// # Errors
///
/// If the request to the cluster failed.
pub(in crate::controller) async fn missing<K: Managed>(
    namespace: &str,
    name: &str,
    context: &Context,
    missing: String,
) -> Result<String, ReconcileError> {
    let Some(selector) = &context.selector else {
        return Ok(missing);
    };
    let Ok(object) = name.parse() else {
        return Ok(missing);
    };
    let there = cluster::labels_of::<K>(&context.cluster, namespace, &object).await?;
    Ok(match there {
        Some(labels) if !selector.matches(&labels) => format!(
            "the {} {name} exists but does not match --watch-selector {selector}: label it",
            K::kind(&())
        ),
        _ => missing,
    })
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use kube::runtime::reflector;
    use serde_json::json;

    use super::*;
    use crate::api::GraphConnection;

    fn seen(name: &str, uid: &str) -> DeserializeGuard<GraphConnection> {
        let connection = json!({
            "apiVersion": "industrydata.dev/v1alpha1",
            "kind": "GraphConnection",
            "metadata": { "name": name, "namespace": "schools", "uid": uid },
            "spec": { "tenantId": "contoso.com", "clientId": "1", "credential": {} },
        });
        serde_json::from_value(connection).unwrap()
    }

    #[test]
    fn who_is_deleted_or_not_listed_again_departs() {
        let (store, mut writer) = reflector::store();
        let mut departures = Departures::new(store);
        let mut departed = |event: watcher::Event<DeserializeGuard<GraphConnection>>| {
            let departed = departures.of(&event);
            let parsed = match event {
                watcher::Event::InitApply(object) => watcher::Event::InitApply(object.0.unwrap()),
                watcher::Event::Delete(object) => watcher::Event::Delete(object.0.unwrap()),
                watcher::Event::Apply(object) => watcher::Event::Apply(object.0.unwrap()),
                watcher::Event::Init => watcher::Event::Init,
                watcher::Event::InitDone => watcher::Event::InitDone,
            };
            writer.apply_watcher_event(&parsed);
            departed.iter().map(ResourceExt::uid).collect::<Vec<_>>()
        };
        let nobody = Vec::<Option<String>>::new();
        for (name, uid) in [("stays", "1"), ("loses-its-label", "2"), ("deleted", "3")] {
            assert_eq!(departed(watcher::Event::Apply(seen(name, uid))), nobody);
        }

        let deleted = watcher::Event::Delete(seen("deleted", "3"));
        assert_eq!(departed(deleted), [Some("3".to_owned())]);

        assert_eq!(departed(watcher::Event::Init), nobody);
        assert_eq!(
            departed(watcher::Event::InitApply(seen("stays", "1"))),
            nobody
        );
        assert_eq!(departed(watcher::Event::InitDone), [Some("2".to_owned())]);
    }
}
