//! What a reconcile observes: the newest resource, and the list of its collection.

use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use tokio::time::Instant;

use crate::controller::cluster;
use crate::controller::context::Context;
use crate::controller::error::ReconcileError;
use crate::controller::managed::Managed;
use crate::plan::{Read, Unreadable, View};
use crate::poll::Snapshot;

/// Returns the newest version of a resource: from the watch, from the result of our last write, or, if a plan on a
/// stale version would be wrong, from the cluster itself.
pub(super) async fn newest<K: Managed>(
    seen: Arc<K>,
    context: &Context,
) -> Result<Arc<K>, ReconcileError> {
    let newest = K::cache(context).newest(&seen);
    if !newest.is_in_doubt() {
        return Ok(newest);
    }
    let read = cluster::read(&context.cluster, &*newest).await?;
    // A removed resource needs no further work, even if the watch still contains it.
    let same = read.filter(|read| read.uid() == newest.uid());
    same.map(Arc::new).ok_or_else(|| ReconcileError::Conflict {
        object: cluster::display_name(&*newest),
    })
}

pub(super) fn read<T: Clone>(
    snapshot: &Snapshot<T>,
    started: Instant,
    context: &Context,
) -> Read<T> {
    match &snapshot.outcome {
        Err(verdict) => Read::Unknown(Unreadable {
            verdict: verdict.clone(),
            failures: snapshot.failures,
        }),
        Ok(listing) => {
            let uptime = snapshot.began.saturating_duration_since(context.started);
            Read::Known(View {
                listing: listing.clone(),
                container: snapshot.container,
                began: snapshot.began_at,
                uptime: SignedDuration::try_from(uptime).unwrap_or(SignedDuration::MAX),
                fresh: snapshot.began >= started,
            })
        }
    }
}

/// Adds a created object to the list, so that the next plan finds it.
pub(super) fn add_created<T: Clone>(collection: &mut Option<Read<T>>, item: T) {
    if let Some(Read::Known(view)) = collection {
        Arc::make_mut(&mut view.listing).items.push(item);
    }
}
