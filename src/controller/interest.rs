//! What a connection's poller is interested in, computed only when something has changed.

use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::reflector::ObjectRef;

use crate::api::GraphConnection;
use crate::poll::Interest;

use super::index::Index;

/// The interest in a connection as of the last time that it was asked for. It takes a walk over all flows of the
/// connection, and the poller asks each second.
#[derive(Default)]
pub(super) struct LatestInterest(Mutex<Option<(u64, Arc<Interest>)>>);

impl LatestInterest {
    /// Returns the current interest, which is the same one as before if nothing in the index has changed.
    pub(super) fn current(
        &self,
        index: &Index,
        connection: &ObjectRef<GraphConnection>,
    ) -> Arc<Interest> {
        // Asked for first: what changes during the walk belongs to the next version.
        let version = index.version();
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((known, interest)) if *known == version => interest.clone(),
            _ => {
                let interest = Arc::new(index.interest_in(connection));
                *latest = Some((version, interest.clone()));
                interest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::index::SharedIndex;
    use crate::plan::testing::connection;

    #[test]
    fn it_is_the_same_until_something_changes() {
        let index = Index::new(SharedIndex::of(1), None);
        let (latest, own) = (LatestInterest::default(), connection());
        let reference = ObjectRef::from_obj(&own);
        let first = latest.current(&index, &reference);
        assert!(Arc::ptr_eq(&first, &latest.current(&index, &reference)));
        index.wrote(&Arc::new(own));
        assert!(!Arc::ptr_eq(&first, &latest.current(&index, &reference)));
    }
}
