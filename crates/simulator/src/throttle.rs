//! Throttling: the forms of `Retry-After` and a token bucket for each caller.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::{http_date, later};

/// A `Retry-After` header, in one of the forms that have been seen or that HTTP allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds(u64),
    /// Seconds with decimals, three of them.
    Decimal(f64),
    /// An HTTP date, this many seconds from now.
    Date(u64),
}

impl RetryAfter {
    pub(crate) fn header(self, now: Timestamp) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Decimal(seconds) => format!("{seconds:.3}"),
            Self::Date(seconds) => http_date(later(now, Duration::from_secs(seconds))),
        }
    }
}

/// How a computed wait is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfterForm {
    /// Whole seconds, rounded up.
    #[default]
    Seconds,
    /// Seconds with decimals.
    Decimal,
    /// An HTTP date.
    Date,
    /// Not at all.
    Absent,
}

/// A token bucket for each caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Requests that come back each second.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
    /// How the wait is told.
    #[serde(default)]
    pub retry_after: RetryAfterForm,
}

impl RateLimit {
    fn told(&self, wait: f64) -> Option<RetryAfter> {
        let whole =
            Duration::try_from_secs_f64(wait.ceil()).map_or(u64::MAX, |wait| wait.as_secs());
        match self.retry_after {
            RetryAfterForm::Seconds => Some(RetryAfter::Seconds(whole)),
            RetryAfterForm::Decimal => Some(RetryAfter::Decimal(wait)),
            RetryAfterForm::Date => Some(RetryAfter::Date(whole)),
            RetryAfterForm::Absent => None,
        }
    }
}

#[derive(Debug)]
struct Bucket {
    level: f64,
    filled: Timestamp,
}

/// The buckets of all callers.
#[derive(Debug, Default)]
pub(crate) struct Throttle(BTreeMap<String, Bucket>);

impl Throttle {
    /// Takes a token, or says when there will be one. A refused request takes none.
    pub(crate) fn take(
        &mut self,
        caller: &str,
        limit: &RateLimit,
        now: Timestamp,
    ) -> Result<(), Option<RetryAfter>> {
        let bucket = self.0.entry(caller.to_owned()).or_insert(Bucket {
            level: limit.burst,
            filled: now,
        });
        let passed = now
            .duration_since(bucket.filled)
            .max(SignedDuration::ZERO)
            .as_secs_f64();
        bucket.level = (bucket.level + passed * limit.per_second).min(limit.burst);
        bucket.filled = now;
        if bucket.level < 1.0 {
            return Err(limit.told((1.0 - bucket.level) / limit.per_second));
        }
        bucket.level -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limit = RateLimit {
            per_second: 0.5,
            burst: 2.0,
            retry_after: RetryAfterForm::Seconds,
        };
        let mut throttle = Throttle::default();
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(throttle.take("a", &limit, start), Ok(()));
        assert_eq!(throttle.take("a", &limit, start), Ok(()));
        assert_eq!(
            throttle.take("a", &limit, start),
            Err(Some(RetryAfter::Seconds(2)))
        );
        assert_eq!(throttle.take("b", &limit, start), Ok(()));
        assert_eq!(
            throttle.take("a", &limit, later(start, Duration::from_secs(2))),
            Ok(())
        );
    }

    #[test]
    fn every_form_of_retry_after_is_written_as_http_wants_it() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(RetryAfter::Seconds(10).header(now), "10");
        assert_eq!(RetryAfter::Decimal(2.128).header(now), "2.128");
        assert_eq!(
            RetryAfter::Date(61).header(now),
            "Thu, 01 Jan 1970 00:01:01 GMT"
        );
    }
}
