//! Events in the cluster: what plans report, as the API server stores it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event as ClusterEvent, EventType, Recorder};

use crate::api::event::Severity;
use crate::failpoint;
use crate::plan::{Event, text};
use crate::telemetry::with_causes;

/// What the operator was doing when something happened, as an event reports it.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventAction {
    /// It reconciled the resource.
    Reconcile,
    /// It parsed the resource.
    Parse,
    /// It released the resource.
    Release,
}

/// Publishes an event about a resource, and returns whether that succeeded. A failure is only logged: an event is not
/// worth repeating a reconcile.
pub(super) async fn publish(
    recorder: &Recorder,
    event: &Event,
    action: EventAction,
    about: &ObjectReference,
) -> bool {
    let event = ClusterEvent {
        type_: match event.severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        },
        reason: event.reason.as_str().to_owned(),
        note: Some(text::cut_bytes(&event.message, text::MAX_NOTE).into_owned()),
        action: format!("{action:?}"),
        secondary: None,
    };
    let published = failpoint::around(recorder.publish(&event, about)).await;
    if let Err(error) = &published {
        tracing::warn!(error = with_causes(error), "failed to publish an event");
    }
    published.is_ok()
}
