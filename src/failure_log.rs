//! Which failures of a series are logged: the first, each with another reason, and one an hour.

use std::time::Duration;

use tokio::time::Instant;

/// How often a failure that lasts is logged again.
const REPEAT_AFTER: Duration = Duration::from_hours(1);

/// A series of failures of one thing that is tried again and again.
///
/// What fails each second would fill a log that way, and what is logged only once is gone when the log is rotated.
#[derive(Clone, Debug, Default)]
pub struct FailureLog {
    logged: Option<Logged>,
}

#[derive(Clone, Debug)]
struct Logged {
    reason: String,
    at: Instant,
    /// Failures since the one that was logged.
    since: u32,
}

impl FailureLog {
    /// Counts a failure. Returns how many there were since the last one that was logged, this one included, or `None` if
    /// this one is not to be logged.
    pub fn failed(&mut self, reason: &str) -> Option<u32> {
        let now = Instant::now();
        let before = self.logged.take_if(|logged| logged.reason == reason);
        let (at, since) = before.map_or((None, 0), |logged| (Some(logged.at), logged.since));
        let count = since.saturating_add(1);
        let is_due = at.is_none_or(|at| now.duration_since(at) >= REPEAT_AFTER);
        self.logged = Some(Logged {
            reason: reason.to_owned(),
            at: at.filter(|_| !is_due).unwrap_or(now),
            since: if is_due { 0 } else { count },
        });
        is_due.then_some(count)
    }

    /// Ends the series. Returns whether there was one.
    pub fn succeeded(&mut self) -> bool {
        self.logged.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_failure_each_new_reason_and_one_an_hour_are_logged() {
        let mut log = FailureLog::default();
        assert_eq!(log.failed("Forbidden"), Some(1));
        for _ in 0..59 {
            tokio::time::advance(Duration::from_mins(1)).await;
            assert_eq!(log.failed("Forbidden"), None);
        }
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(log.failed("Forbidden"), Some(60));
        assert_eq!(log.failed("Forbidden"), None);
        assert_eq!(log.failed("TimedOut"), Some(1));
        assert_eq!(log.failed("Forbidden"), Some(1));
        assert!(log.succeeded());
        assert!(!log.succeeded());
        assert_eq!(log.failed("Forbidden"), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_lasts_for_a_day_is_logged_once_an_hour() {
        let mut log = FailureLog::default();
        let mut lines = 0;
        for _ in 0..24 * 3600 {
            lines += usize::from(log.failed("Forbidden").is_some());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 24);
    }
}
