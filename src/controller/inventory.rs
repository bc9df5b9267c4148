//! What the metrics show of the resources and connections that this process works on.

use crate::metrics::{Inventory, Source};
use crate::shard::Shard;

use super::context::Context;
use super::managed::Managed;

impl Source for Context {
    fn inventory(&self) -> Option<Inventory> {
        let mut inventory = self.index.inventory()?;
        if self.shard != Shard::ONLY {
            // Each replica watches all resources. Together, the replicas show each once.
            inventory.connections.retain(|one| one.is_served(self));
            inventory.sets.retain(|one| one.is_served(self));
            inventory.flows.retain(|one| one.is_served(self));
        }
        inventory.links = self.sessions.links();
        Some(inventory)
    }
}
