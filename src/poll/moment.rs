//! The moment at which a list is requested.

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
}

impl Began {
    pub(super) fn now() -> Self {
        Self {
            instant: Instant::now(),
            at: clock::now(),
        }
    }

    /// Returns the snapshot that a list from this moment yields.
    pub(super) fn snapshot<T>(
        self,
        listed: Result<Listing<T>, Error>,
        container: Container,
    ) -> Snapshot<T> {
        let listed = match listed {
            Err(_) if failpoint::takes_unreadable_for_empty() => Ok(Listing {
                items: Vec::new(),
                unread: 0,
                date: self.at,
            }),
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
