//! What differs between two lists of a collection.

use std::hash::Hash;

use crate::plan::poll::ListComparison;

use super::collection::Snapshot;

/// Number of items of a list that are compared before other tasks run: 1,000 take about a millisecond.
const MAX_COMPARED_AT_ONCE: usize = 1_000;

/// What differs between two lists.
pub(super) enum Difference<'a, T> {
    /// Items of two complete lists of a collection in the same container.
    Items(Vec<&'a T>),
    /// Nothing but the number of failures: both lists failed for the same reason.
    SameFailure,
    /// Whether, or why, the collection can be read, or whether its container exists.
    Other,
}

impl<T> Difference<'_, T> {
    pub(super) fn is_news(&self) -> bool {
        match self {
            Self::Items(items) => !items.is_empty(),
            Self::SameFailure => false,
            Self::Other => true,
        }
    }
}

/// Compares two lists. Long lists are compared in parts, so that other tasks are not delayed.
pub(super) async fn difference<'a, T: PartialEq, Id: Eq + Hash + 'a>(
    before: Option<&'a Snapshot<T>>,
    now: &'a Snapshot<T>,
    id: fn(&T) -> &Id,
) -> Difference<'a, T> {
    let same_container = before.is_some_and(|before| before.container == now.container);
    match (before.map(|before| &before.outcome), &now.outcome) {
        (Some(Ok(old)), Ok(new)) if same_container => {
            let mut comparison = ListComparison::new(&old.items, &new.items, id);
            while comparison.go_on(MAX_COMPARED_AT_ONCE) {
                tokio::task::yield_now().await;
            }
            Difference::Items(comparison.changed())
        }
        (Some(Err(old)), Err(new)) if old.reason == new.reason => Difference::SameFailure,
        _ => Difference::Other,
    }
}
