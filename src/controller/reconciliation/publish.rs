//! What a reconcile reports beside the status: events, and the log of a problem that lasts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event as ClusterEvent, EventType};

use crate::controller::managed::Managed;
use crate::failpoint;
use crate::metrics::Write;
use crate::plan::event::{self, Severity};
use crate::plan::{SharedStatus, text};
use crate::telemetry::with_causes;

use super::Reconciliation;

impl<K: Managed> Reconciliation<'_, K> {
    pub(super) async fn publish_transition(&self, known: &K::Status) {
        let (old, new) = (known.conditions(), self.input.status.conditions());
        if let Some((severity, reason, message)) = event::of_transition(old, new) {
            self.publish(severity, &reason, message).await;
        }
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
                    tracing::warn!(reason, message, count, "resource needs attention");
                }
            }
            None => {
                if log.succeeded() {
                    tracing::info!("resource has recovered");
                }
            }
        });
    }

    /// Publishes an event. A failure is only logged: it must not cause another reconcile.
    pub(super) async fn publish(&self, severity: Severity, reason: &str, message: String) {
        let event = ClusterEvent {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.to_owned(),
            note: Some(text::cut_bytes(&message, text::MAX_NOTE).into_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let about = self.input.resource.object_ref(&());
        let publishing = self.context.publisher.publish(&event, &about);
        match failpoint::around(publishing).await {
            Ok(()) => self.context.metrics.cluster_write(K::LABEL, Write::Event),
            Err(error) => tracing::warn!(error = with_causes(&error), "failed to publish an event"),
        }
    }
}
