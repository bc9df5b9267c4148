//! Complete lists.

use k8s_openapi::jiff::Timestamp;

use crate::graph::room::Room;

/// Complete list of objects: a list with a missing page is an error, not a `Listing`. Only items that
/// cannot be parsed are missing, and they are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// Items in the order of the service, each id once.
    pub items: Vec<T>,
    /// Number of items that cannot be parsed, because they are not objects or have no usable id. If it is
    /// not zero, an object that is missing from [`items`](Self::items) may nevertheless exist.
    pub unread: usize,
    /// Service time at the start of the response: the `Date` header of the first page, in whole seconds
    /// (truncated, not rounded), or the local time at the start of the request if the header is missing
    /// or unreadable.
    pub date: Timestamp,
    /// Room that the list takes.
    pub room: Room,
}

impl<T> Listing<T> {
    /// Returns a list of items that were all understood. It takes no room.
    #[must_use]
    pub fn of(items: Vec<T>, date: Timestamp) -> Self {
        Self {
            items,
            unread: 0,
            date,
            room: Room::default(),
        }
    }
}
