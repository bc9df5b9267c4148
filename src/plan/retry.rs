//! Backoff after failures.
//!
//! The count is recorded in the resource's status, so that a restart or a change of leader neither loses a failure nor
//! causes a burst of retries. It is reset as soon as any input changes that a person could have fixed.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::Retry;
use crate::graph::verdict::{Disposition, Verdict};

/// The longest pause, whatever its cause. A service that requests more is asked once an hour, which costs little.
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// The pause after a change that was refused for lack of a permission, which is that of the connection: its resources take
/// turns. A permission that was just granted must take effect within a minute. This pause and the 50 s after which the
/// client renews a token that was refused with 403 ensure that: 55 s after a refusal, the token is always old enough, even
/// where the status has truncated the pause by a second.
pub const PERMISSION_PAUSE: SignedDuration = SignedDuration::from_secs(55);

/// Returns the failures so far plus one. If the failure is shared with other resources, `turn` is the pause until it is
/// the turn of this one, which replaces the pause after the failure.
#[must_use]
pub fn after_failure(
    past: Option<&Retry>,
    verdict: &Verdict,
    turn: Option<SignedDuration>,
    inputs: &str,
    now: Timestamp,
) -> Retry {
    let before = past
        .filter(|past| past.inputs == inputs)
        .map_or(0, |past| past.failures);
    let failures = before.saturating_add(1);
    Retry {
        failures,
        not_before: Time(now + turn.unwrap_or_else(|| pause(verdict, failures))),
        inputs: inputs.to_owned(),
    }
}

/// Returns how long to wait before the next request, or `None` if it may be sent now.
#[must_use]
pub fn wait(past: Option<&Retry>, inputs: &str, now: Timestamp) -> Option<SignedDuration> {
    let past = past.filter(|past| past.inputs == inputs)?;
    let left = past.not_before.0.duration_since(now);
    // No pause is longer than the maximum, so a later time was recorded by a clock that was ahead.
    (left.is_positive() && left <= MAX_PAUSE).then_some(left)
}

/// Returns a fingerprint of `parts`: 64-bit FNV-1a, in hexadecimal. It is persisted in statuses, so it must be the same
/// in all versions, which `DefaultHasher` does not guarantee.
#[must_use]
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:016x}")
}

/// Returns the pause after a failure. It doubles with each failure: from 2 s to 5 min for transient failures, from 30 s
/// to 30 min for those that a person must fix elsewhere, and from 60 s to 30 min for bugs.
fn pause(verdict: &Verdict, failures: i32) -> SignedDuration {
    let (first, max) = match verdict.disposition {
        // Most outages last seconds, so start at 2 s: 2, 4, … 256 s is 8½ min in 8 retries. From then on, 5 min bounds the
        // delay after an outage, and 10,000 resources cause 33 requests a second, which the request budget spreads.
        Disposition::Retry => (2, 300),
        Disposition::Throttled { after } => return throttled(after),
        // A person takes minutes to fix the cause. A change of the spec or of an annotation resets the backoff, so the long
        // pauses only delay fixes at the service, by 30 min at most.
        Disposition::User => (30, 1800),
        // Only an upgrade fixes a bug, and it takes effect at the latest with the next retry.
        Disposition::Bug => (60, 1800),
    };
    // The limit only prevents an overflow: even 2 s << 16 is 36 hours, more than any maximum.
    let doublings = u32::try_from(failures - 1).unwrap_or_default().min(16);
    SignedDuration::from_secs((first << doublings).min(max))
}

/// Returns the pause that the service requests, limited so that one implausible response cannot stop the work on a
/// resource.
fn throttled(after: Option<Duration>) -> SignedDuration {
    const DEFAULT: Duration = Duration::from_secs(10);
    SignedDuration::try_from(after.unwrap_or(DEFAULT))
        .unwrap_or(MAX_PAUSE)
        .min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::verdict::{Certainty, Reason};
    use crate::plan::testing::{at, refused, start, throttled, unavailable, verdict};

    fn pauses(verdict: &Verdict, count: usize) -> Vec<i64> {
        let mut past = None;
        let mut pauses = Vec::new();
        for _ in 0..count {
            let retry = after_failure(past.as_ref(), verdict, None, "same", start());
            pauses.push(retry.not_before.0.duration_since(start()).as_secs());
            past = Some(retry);
        }
        pauses
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let bug = verdict(Reason::InvalidRequest, Certainty::Refused, Disposition::Bug);
        assert_eq!(
            pauses(&unavailable(), 9),
            [2, 4, 8, 16, 32, 64, 128, 256, 300]
        );
        assert_eq!(
            pauses(&refused(Reason::Rejected), 8),
            [30, 60, 120, 240, 480, 960, 1800, 1800]
        );
        assert_eq!(pauses(&bug, 6), [60, 120, 240, 480, 960, 1800]);
        assert_eq!(pauses(&unavailable(), 100)[99], 300);
    }

    #[test]
    fn throttling_lasts_as_long_as_the_service_asks_for_within_reason() {
        let unsaid = Disposition::Throttled { after: None };
        let unsaid = verdict(Reason::Throttled, Certainty::Throttled, unsaid);
        assert_eq!(pauses(&unsaid, 2), [10, 10]);
        assert_eq!(pauses(&throttled(7), 2), [7, 7]);
        for absurd in [1_000_000_000_000, u64::MAX] {
            assert_eq!(pauses(&throttled(absurd), 1), [3600]);
        }
    }

    #[test]
    fn a_failure_that_is_shared_lasts_until_the_turn_of_the_resource() {
        let turn = SignedDuration::from_secs(55);
        let retry = after_failure(None, &unavailable(), Some(turn), "same", start());
        assert_eq!(wait(Some(&retry), "same", start()), Some(turn));
        assert_eq!(retry.failures, 1);
    }

    #[test]
    fn other_inputs_start_anew() {
        let first = after_failure(None, &unavailable(), None, "one", start());
        let second = after_failure(Some(&first), &unavailable(), None, "one", start());
        assert_eq!(second.failures, 2);
        assert_eq!(
            after_failure(Some(&second), &unavailable(), None, "other", start()).failures,
            1
        );
        assert_eq!(wait(Some(&second), "other", start()), None);
    }

    #[test]
    fn the_wait_is_over_on_time() {
        let retry = after_failure(None, &refused(Reason::Rejected), None, "same", start());
        let cases = [(0, Some(30)), (29, Some(1)), (30, None), (31, None)];
        for (seconds, left) in cases {
            let left = left.map(SignedDuration::from_secs);
            assert_eq!(wait(Some(&retry), "same", at(seconds)), left);
        }
        assert_eq!(wait(None, "same", start()), None);
        let recorded_by_a_clock_of_tomorrow = wait(Some(&retry), "same", at(-86_400));
        assert_eq!(recorded_by_a_clock_of_tomorrow, None);
    }

    #[test]
    fn a_count_cannot_overflow() {
        let mut retry = after_failure(None, &unavailable(), None, "same", start());
        retry.failures = i32::MAX;
        assert_eq!(
            after_failure(Some(&retry), &unavailable(), None, "same", start()).failures,
            i32::MAX
        );
    }

    #[test]
    fn a_fingerprint_tells_parts_apart() {
        let texts = [
            vec!["a", "b"],
            vec!["ab", ""],
            vec!["", "ab"],
            vec!["ab"],
            vec!["b", "a"],
            vec![],
        ];
        let prints: std::collections::BTreeSet<String> = texts
            .iter()
            .map(|parts| fingerprint(parts.iter().copied()))
            .collect();
        assert_eq!(prints.len(), texts.len());
        assert_eq!(fingerprint(["a", "b"]), fingerprint(["a", "b"]));
    }
}
