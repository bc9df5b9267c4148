//! Polls of the service for all resources of one connection.
//!
//! A poll lists a set once for all of its flows. A reconcile that needs newer data than the last poll requests a list
//! that began after a certain moment; concurrent requests share one list. A list triggers only the resources whose
//! remote objects have changed since the previous list.

mod collection;
mod difference;
mod moment;
mod poller;
mod request;
mod shared_lists;
mod sweeps;

pub use collection::Snapshot;
pub use poller::{Interest, News, Polled, Poller};
pub use request::{ListRequest, ListSource};
