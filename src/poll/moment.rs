//! The moment at which a list is requested.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::clock;
use crate::failpoint;
use crate::graph::Error;
use crate::graph::model::Listing;
use crate::plan::Container;

use super::collection::Snapshot;

/// The moment at which a list was requested.
#[derive(Clone, Copy)]
pub(super) struct Began {
    pub(super) instant: Instant,
    at: Timestamp,
    /// Random number from 0 to 1 that spreads the next poll of all collections in the list.
    pub(super) spread: f64,
}

impl Began {
    pub(super) fn now() -> Self {
        Self {
            instant: Instant::now(),
            at: clock::now(),
            spread: spread(),
        }
    }

    /// Returns the snapshot that a list from this moment yields.
    pub(super) fn snapshot<T>(
        self,
        listed: Result<Listing<T>, Error>,
        container: Container,
    ) -> Snapshot<T> {
        let listed = match listed {
            Err(_) if failpoint::takes_unreadable_for_empty() => {
                Ok(Listing::of(Vec::new(), self.at))
            }
            listed => listed,
        };
        Snapshot {
            began: self.instant,
            began_at: self.at,
            outcome: listed.map(Arc::new).map_err(|error| error.verdict()),
            container,
            failures: 0,
        }
    }
}

/// Returns a random number from 0 to 1.
fn spread() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(random) / f64::from(u32::MAX)
}
