//! The latest of something for each connection, for metrics, which must not wait for a lock that is held for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::api::GraphConnection;
use crate::controller::index::Name;

/// The latest value for each connection, as far as it is in use elsewhere.
pub(super) struct LatestValues<T>(Mutex<HashMap<Name, Weak<T>>>);

impl<T> Default for LatestValues<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> LatestValues<T> {
    pub(super) fn set(&self, connection: &GraphConnection, value: &Arc<T>) {
        let mut values = self.values();
        values.retain(|_, value| value.strong_count() > 0);
        values.insert(Name::of(connection), Arc::downgrade(value));
    }

    pub(super) fn all(&self) -> Vec<(Name, Arc<T>)> {
        let values = self.values();
        let values = values.iter();
        values
            .filter_map(|(name, value)| Some((name.clone(), value.upgrade()?)))
            .collect()
    }

    fn values(&self) -> MutexGuard<'_, HashMap<Name, Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
