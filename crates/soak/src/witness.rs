//! An independent watcher, who remembers what the resources have said, also those that are gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt};
use industrydata_operator::api::{
    OutboundProvisioningFlowSet, ProvisioningFlow, Reset, ResetPhase, annotation,
};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::scene::NAMESPACE;

/// What has been seen so far.
#[derive(Default)]
pub struct Seen {
    /// The uid of the resource, by the id of its intent to create, which names the request too.
    pub attempts: BTreeMap<String, String>,
    /// The last phase of each reset, by uid and token.
    pub resets: BTreeMap<(String, String), ResetPhase>,
}

pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    _end: DropGuard,
}

impl Witness {
    pub fn watch(client: &Client) -> Self {
        let (seen, end) = (Arc::<Mutex<Seen>>::default(), CancellationToken::new());
        let sets = Api::<OutboundProvisioningFlowSet>::namespaced(client.clone(), NAMESPACE);
        let flows = Api::<ProvisioningFlow>::namespaced(client.clone(), NAMESPACE);
        let watching = follow(sets, seen.clone(), |_| None);
        tokio::spawn(end.clone().run_until_cancelled_owned(watching));
        let watching = follow(flows, seen.clone(), |flow| {
            flow.status.as_ref()?.reset.as_ref()
        });
        tokio::spawn(end.clone().run_until_cancelled_owned(watching));
        Self {
            seen,
            _end: end.drop_guard(),
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow<K>(api: Api<K>, seen: Arc<Mutex<Seen>>, reset: fn(&K) -> Option<&Reset>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut objects = watcher(api, watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .boxed();
    loop {
        // A watch that broke is taken up where it broke.
        let Ok(Some(object)) = objects.try_next().await else {
            continue;
        };
        let uid = object.uid().unwrap_or_default();
        let attempt = object.annotations().get(annotation::CREATE_ATTEMPT);
        let attempt = attempt.and_then(|attempt| attempt.split('/').nth(1));
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = attempt {
            seen.attempts.insert(attempt.to_owned(), uid.clone());
        }
        if let Some(Reset {
            token: Some(token),
            phase: Some(phase),
            ..
        }) = reset(&object)
        {
            seen.resets.insert((uid, token.clone()), *phase);
        }
    }
}
