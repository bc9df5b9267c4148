//! What a reconcile reports beside the status: events, and the log of a problem that lasts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::controller::events::EventAction;
use crate::controller::managed::Managed;
use crate::graph::verdict::Verdict;
use crate::metrics::Write;
use crate::plan::{Event, Read, SharedStatus, event};

use super::Reconciliation;

impl<K: Managed> Reconciliation<'_, K> {
    /// Publishes the change of conditions since this reconcile began, if it is a problem or the end of one.
    pub(super) async fn publish_transition(&self) {
        let new = self.input.status.conditions();
        if let Some(event) = event::of_transition(&self.conditions, new) {
            self.publish(&self.with_request_id(event)).await;
        }
    }

    /// Adds the id of the request that failed, if this is about one: for a case with Microsoft's support. A status does not
    /// contain it, because it differs each time.
    fn with_request_id(&self, mut event: Event) -> Event {
        if let Some(id) = self.failed_request(event.reason.as_str()) {
            event.message.extend([" (request-id ", id, ")"]);
        }
        event
    }

    /// Returns the id that the service gave the request that failed for this reason, or `None` if there is none.
    fn failed_request(&self, reason: &str) -> Option<&str> {
        let list = match &self.input.collection {
            Some(Read::Unknown(unreadable)) => Some(&unreadable.verdict),
            _ => None,
        };
        let is_cause = |verdict: &&Verdict| verdict.reason.as_str() == reason;
        let failure = self.failure.as_ref().into_iter().chain(list).find(is_cause);
        failure?.request_id.as_deref()
    }

    /// Logs a problem of the resource when it begins, changes, lasts or ends.
    pub(super) fn log_trouble(&self) {
        let cache = K::cache(self.context);
        let trouble = event::trouble(self.input.status.conditions());
        cache.log(&self.input.resource, |log| match trouble {
            Some(trouble) => {
                let Condition {
                    reason, message, ..
                } = trouble;
                if let Some(count) = log.failed(reason) {
                    let request_id = self.failed_request(reason);
                    tracing::warn!(
                        reason,
                        message,
                        request_id,
                        count,
                        "resource needs attention"
                    );
                }
            }
            None => {
                if log.succeeded() {
                    tracing::info!("resource has recovered");
                }
            }
        });
    }

    pub(super) async fn publish(&self, event: &Event) {
        let about = self.input.resource.object_ref(&());
        let publisher = &self.context.publisher;
        if publisher
            .publish(event, EventAction::Reconcile, &about)
            .await
        {
            self.context.metrics.cluster_write(K::LABEL, Write::Event);
        }
    }
}
