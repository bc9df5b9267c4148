//! Publication of events.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};

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

    /// Publishes an event about an object, in one write.
    ///
    /// # Errors
    ///
    /// If the API server did not accept it. It is not repeated.
    pub async fn publish(&self, event: &Event, about: &ObjectReference) -> Result<(), kube::Error> {
        // A recorder that is used again looks through all events of the last six minutes for each new one, to count
        // repetitions. With 10,000 creates that costs more than all plans together, and 2 KB of memory for each. The
        // operator publishes transitions, which do not repeat within minutes.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        recorder.publish(event, about).await
    }
}
