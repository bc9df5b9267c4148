//! All resources of a scope, for metrics.

use std::sync::Arc;

use kube::ResourceExt;

use crate::metrics::Inventory;

use super::Index;

impl Index {
    /// Returns the resources of the scope, or `None` until every watch of every scope has shown all there is. The lock is
    /// held for as long as it takes to copy the references to them.
    pub fn inventory(&self) -> Option<Inventory> {
        if *self.shared.shown.borrow() < self.shared.watches {
            return None;
        }
        let state = self.state();
        Some(Inventory {
            connections: self.of_scope(state.connections.all()),
            sets: self.of_scope(state.sets.all()),
            flows: self.of_scope(state.flows.all()),
            links: Vec::new(),
        })
    }

    fn of_scope<K: ResourceExt>(&self, mut resources: Vec<Arc<K>>) -> Vec<Arc<K>> {
        if let Some(scope) = self.scope.as_deref() {
            resources.retain(|resource| resource.meta().namespace.as_deref() == Some(scope));
        }
        resources
    }
}
