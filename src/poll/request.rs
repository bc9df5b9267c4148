//! Requests of reconciles for lists.

use tokio::time::Instant;

use crate::graph::Priority;

/// A request for a list that is newer than the last poll.
#[derive(Clone, Copy, Debug)]
pub struct ListRequest {
    /// The list must have begun after this moment.
    pub since: Instant,
    /// Priority of its requests.
    pub priority: Priority,
    /// Which lists are acceptable.
    pub source: ListSource,
}

/// Which list of the flows of a set is acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSource {
    /// Any list, also a sweep of all sets.
    Any,
    /// Only the list of the set itself. It is documented, whereas a service that did not expand flows completely would
    /// make an object seem absent in each sweep.
    Set,
}
