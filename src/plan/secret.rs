//! Decisions about Secrets: when one is read again, and for how long a session outlives its credential.
//!
//! Secrets are not watched, so nothing but another read reveals a change.

use std::time::Duration;

use super::poll::{FIRST_PAUSE, doubled};

/// Longest time between two reads of a Secret in use. Services that change rarely may be polled once a day, but a
/// credential that was revoked must not stay in use for a day.
const MAX_INTERVAL: Duration = Duration::from_mins(5);

/// How long deletions may use the last session after its credential was last seen in the cluster. The Secret is often
/// deleted together with the flows, in any order, for instance with their namespace. An hour is enough to delete the
/// flows at the service, even with throttling, and about as long as the last token is valid.
const LAST_USE: Duration = Duration::from_hours(1);

/// Returns the time between two reads of a Secret that is used through a connection with this interval between polls.
#[must_use]
pub fn interval(poll_interval: Duration) -> Duration {
    poll_interval.min(MAX_INTERVAL)
}

/// Returns how long the result of a read is valid, after this number of consecutive reads that found no usable value:
/// the interval, or 1 s, doubled with each such read up to the interval.
#[must_use]
pub fn validity(interval: Duration, flaws: u32) -> Duration {
    match flaws.checked_sub(1) {
        None => interval,
        Some(doublings) => doubled(FIRST_PAUSE, doublings).min(interval),
    }
}

/// How long a refusal to read a Secret that could be read before is taken for a failure of the API server. One that has
/// just started refuses everything until it has read the roles, which takes seconds.
const REFUSED_AFTER_START: Duration = Duration::from_mins(1);

/// Returns whether a refusal to read a Secret is a matter of permissions, after reads have failed for this long.
#[must_use]
pub fn is_refusal_believed(failing: Duration) -> bool {
    failing >= REFUSED_AFTER_START
}

/// Returns whether deletions may still use a session whose credential was last seen in the cluster this long ago.
#[must_use]
pub fn is_usable_for_deletion(unseen: Duration) -> bool {
    unseen <= LAST_USE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_secret_is_read_at_the_poll_interval_or_every_five_minutes() {
        assert_eq!(interval(MINUTE), MINUTE);
        assert_eq!(interval(MINUTE * 60 * 24), MINUTE * 5);
    }

    #[test]
    fn a_missing_secret_is_read_soon_and_then_less_often_up_to_the_interval() {
        let seconds = |flaws| validity(MINUTE, flaws).as_secs();
        assert_eq!(
            [0, 1, 2, 3, 6, 7, u32::MAX].map(seconds),
            [60, 1, 2, 4, 32, 60, 60]
        );
    }

    #[test]
    fn a_refusal_is_believed_after_a_minute() {
        assert!(!is_refusal_believed(Duration::from_secs(59)));
        assert!(is_refusal_believed(MINUTE));
    }

    #[test]
    fn a_session_outlives_its_credential_by_an_hour() {
        assert!(is_usable_for_deletion(MINUTE * 60));
        assert!(!is_usable_for_deletion(
            MINUTE * 60 + Duration::from_secs(1)
        ));
    }
}
