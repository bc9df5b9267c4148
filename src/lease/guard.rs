//! What the holder of the lease shows to those who work under it.

use std::{future::pending, time::Duration};

use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};

/// Permission to write, for as long as the lease is held. Cheap to clone; clones end together.
///
/// It goes by the time that the last successful renewal was *sent*, on this process's own clock, and
/// ends by itself: that nobody renews the lease any more, or that the process was stopped for a
/// while, is noticed at the next look at it.
#[derive(Clone, Debug)]
pub struct LeaseGuard(Validity);

#[derive(Clone, Debug)]
enum Validity {
    Always,
    Until(watch::Receiver<Option<Instant>>),
}

/// The other end of a [`LeaseGuard`]: until when it lasts, or that it is over.
#[derive(Debug)]
pub(super) struct LeaseTerm(watch::Sender<Option<Instant>>);

impl LeaseGuard {
    /// a guard that never ends, for an operator that is alone by other means.
    #[must_use]
    pub const fn always() -> Self {
        Self(Validity::Always)
    }

    /// Whether the lease is held now and for at least `span` from now, even if it is never renewed
    /// again.
    ///
    /// Ask just before a request, with the longest time that it can take. See
    /// [`LeaseSettings::steady_cover`](super::LeaseSettings::steady_cover) for the spans that can be
    /// hoped for.
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

    /// Waits until the lease is held no more, be it lost or released.
    ///
    /// *Cancel safety*: can be dropped and called again.
    pub async fn lost(&self) {
        let Validity::Until(until) = &self.0 else {
            return pending().await;
        };
        let mut renewals = until.clone();
        loop {
            let Some(until) = *renewals.borrow_and_update() else {
                return;
            };
            // A renewal comes first: it was in time, even if this task is late.
            select! {
                biased;
                Ok(()) = renewals.changed() => {}
                () = sleep_until(until) => return,
            }
        }
    }
}

impl LeaseTerm {
    /// a guard that lasts until then, and the end of it that can make it last longer.
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
