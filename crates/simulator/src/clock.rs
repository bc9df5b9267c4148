//! The service's clock: the machine's, plus whatever it has been advanced by.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Clock that every response, every token and every readiness change uses.
///
/// There is only one, so that the `Date` header, `createdDateTime` and the life of a token never contradict one another.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: Duration,
}

impl Clock {
    /// The present, cut to the service's resolution of 100 nanoseconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator's rule; the service has a clock of its own"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        let now = later(Timestamp::now(), self.ahead);
        let surplus = i64::from(now.subsec_nanosecond() % 100);
        now.checked_sub(SignedDuration::from_nanos(surplus))
            .unwrap_or(now)
    }

    /// Moves the present forward.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
    }
}

/// `moment` plus `delay`, or the end of time.
pub(crate) fn later(moment: Timestamp, delay: Duration) -> Timestamp {
    moment.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// The way HTTP writes a date.
pub(crate) fn http_date(moment: Timestamp) -> String {
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_seven_digits_at_most_and_goes_forward() {
        let mut clock = Clock::default();
        let before = clock.now();
        clock.advance(Duration::from_hours(1));
        let after = clock.now();
        assert_eq!(before.subsec_nanosecond() % 100, 0);
        assert!(after.duration_since(before) >= SignedDuration::from_hours(1));
    }

    #[test]
    fn http_dates_are_in_the_fixed_format() {
        assert_eq!(
            http_date(Timestamp::UNIX_EPOCH),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut clock = Clock::default();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert!(clock.now() > Timestamp::UNIX_EPOCH);
    }
}
