//! The one wall clock. What it shows is told and compared with what the service tells; no lease goes by it.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::failpoint;

/// The time that this machine's clock shows.
#[expect(
    clippy::disallowed_methods,
    reason = "all others take it from here, so that a test can set the clock wrong"
)]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(failpoint::seconds_off())
}
