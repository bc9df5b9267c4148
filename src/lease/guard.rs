//! The guard that the holder of the lease hands to the code that may write only while it leads.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Permission to write, for as long as the lease is held. Cheap to clone; clones end together.
///
/// It uses the time at which the last successful renewal was *sent*, on this process's own clock, and
/// expires automatically: if renewals stop, or if the process was suspended for a while, the next
/// call of [`covers`](Self::covers) returns `false`.
#[derive(Clone, Debug)]
pub struct LeaseGuard(Validity);

#[derive(Clone, Debug)]
enum Validity {
    Always,
    /// Until then, or `None` once the term has ended.
    Until(watch::Receiver<Option<Instant>>),
}

/// The sending side of a [`LeaseGuard`], with which the elector extends or ends it.
#[derive(Debug)]
pub(super) struct LeaseTerm(watch::Sender<Option<Instant>>);

impl LeaseGuard {
    /// Returns a guard that never expires, for an operator that runs without leader election.
    #[must_use]
    pub const fn always() -> Self {
        Self(Validity::Always)
    }

    /// Returns whether the lease is held now and for at least `span` from now, even if it is never
    /// renewed again.
    ///
    /// Call it just before a request, with the longest time that the request can take. See
    /// [`LeaseSettings::steady_cover`](super::LeaseSettings::steady_cover) for the span that is
    /// covered at any time in normal operation.
    #[must_use]
    pub fn covers(&self, span: Duration) -> bool {
        let Validity::Until(until) = &self.0 else {
            return true;
        };
        until.borrow().is_some_and(|until| {
            let left = until.saturating_duration_since(Instant::now());
            !left.is_zero() && left >= span
        })
    }
}

impl LeaseTerm {
    /// Returns a term that lasts until `until`, and the guard that follows it.
    pub(super) fn new(until: Instant) -> (Self, LeaseGuard) {
        let (sender, receiver) = watch::channel(Some(until));
        (Self(sender), LeaseGuard(Validity::Until(receiver)))
    }

    pub(super) fn extend(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }

    pub(super) fn end(self) {
        self.0.send_replace(None);
    }
}
