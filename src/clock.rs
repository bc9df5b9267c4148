//! The wall clock. It is used for timestamps and for comparison with service time, never for the lease.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::failpoint;

/// Returns the current time of this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "all others take it from here, so that a test can set the clock wrong"
)]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(failpoint::seconds_off())
}
