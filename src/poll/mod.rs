//! Looks at the service on behalf of all resources of one connection.
//!
//! A poll lists a set once for all of its flows. Whoever needs to know more than the last poll showed asks for a list
//! that began after a certain moment; those who ask at about the same time share one. A list wakes only the resources
//! whose remote objects it shows differently from the list before.

mod collection;
mod poller;

pub use collection::Snapshot;
pub use poller::{Interest, News, Poller};
