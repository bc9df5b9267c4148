//! Reservation of remote objects: of several resources for one object, one creates, adopts or changes it.

use crate::controller::cluster;
use crate::controller::error::ReconcileError;
use crate::controller::managed::Managed;
use crate::plan::SharedStatus;

use super::Reconciliation;

impl<K: Managed> Reconciliation<'_, K> {
    /// Reserves the remote object, before it is created or changed. If another resource has come first, the reconcile is
    /// repeated, and reports it.
    pub(super) fn reserve(&self) -> Result<(), ReconcileError> {
        let reserved = K::reserve(&self.input, &self.context.index);
        reserved
            .then_some(())
            .ok_or_else(|| ReconcileError::Conflict {
                object: cluster::display_name(&*self.input.resource),
            })
    }

    /// Reserves the remote object before the status records for the first time that the resource manages it.
    pub(super) fn reserve_adopted(&self) -> Result<(), ReconcileError> {
        let known = self.input.resource.status();
        let is_owned = known.is_some_and(SharedStatus::is_owned);
        if self.input.status.is_owned() && !is_owned {
            return self.reserve();
        }
        Ok(())
    }
}
