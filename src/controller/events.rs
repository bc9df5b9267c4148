//! Events in the cluster: what plans report, as the API server stores it.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event as ClusterEvent, EventType, Recorder, Reporter};

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

/// Publisher of the events of the operator. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
    reporter: Reporter,
}

impl Publisher {
    /// Returns a publisher that writes with this client, in the name of this reporter.
    #[must_use]
    pub fn new(client: Client, reporter: Reporter) -> Self {
        Self { client, reporter }
    }

    /// Publishes an event about a resource in one write, and returns whether that succeeded. A failure is only logged: an
    /// event is not worth repeating a reconcile.
    pub(super) async fn publish(
        &self,
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
        // A recorder that is used again looks through all events of the last six minutes for each new one, to count
        // repetitions. With 10,000 creates that costs more than all plans together, and 2 KB of memory for each. The
        // operator publishes transitions, which do not repeat within minutes.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        let published = failpoint::around(recorder.publish(&event, about)).await;
        if let Err(error) = &published {
            tracing::warn!(error = with_causes(error), "failed to publish an event");
        }
        published.is_ok()
    }
}
