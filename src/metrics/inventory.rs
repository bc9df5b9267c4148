//! What is known of resources and connections at the time of a scrape. Nothing of it is counted on events.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::poll::Polled;

/// Resources and connections of one part of the program.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The connections.
    pub connections: Vec<Arc<GraphConnection>>,
    /// The sets.
    pub sets: Vec<Arc<OutboundProvisioningFlowSet>>,
    /// The flows.
    pub flows: Vec<Arc<ProvisioningFlow>>,
    /// The connections through which the service is reached.
    pub links: Vec<Link>,
}

/// The traffic of a connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// Namespace of the connection.
    pub namespace: String,
    /// Name of the connection.
    pub name: String,
    /// How current its lists are, or `None` while nothing is polled.
    pub polled: Option<Polled>,
    /// Number of responses that throttled a request.
    pub throttled: u64,
    /// Requests per second that the budget currently allows.
    pub rate: f64,
}

/// A part of the program that can be asked for its inventory.
pub trait Source: Send + Sync {
    /// Returns the inventory, or `None` while it is incomplete. Holds locks only for as long as it takes to collect it.
    fn inventory(&self) -> Option<Inventory>;
}

/// All sources of the process, as far as they exist. Cheap to clone; clones share the list.
#[derive(Clone, Default)]
pub(super) struct Sources(Arc<Mutex<Vec<Weak<dyn Source>>>>);

impl Sources {
    pub(super) fn add(&self, source: Weak<dyn Source>) {
        let mut all = self.all();
        all.retain(|source| source.strong_count() > 0);
        all.push(source);
    }

    pub(super) fn inventories(&self) -> Vec<Inventory> {
        // A source may be dropped here, which must not happen under the lock.
        let sources: Vec<_> = self.all().iter().filter_map(Weak::upgrade).collect();
        let inventories = sources.iter().filter_map(|source| source.inventory());
        inventories.collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<dyn Source>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
