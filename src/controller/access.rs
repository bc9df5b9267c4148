//! What responses of the service show that a credential may do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::Access;
use crate::graph::verdict::Reason;
use crate::graph::{Granted, Operation, RequestOutcome};
use crate::plan::credential::ObservedAccess;
use crate::plan::retry::{MAX_PAUSE, PERMISSION_PAUSE};

/// What responses have shown so far.
#[derive(Default)]
pub struct AccessLog(Mutex<Shown>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Shown {
    read: Access,
    write: Access,
    /// Whether a token was obtained, which shows permissions too.
    has_token: bool,
    /// How often a change succeeded after one was refused, and when it last did.
    grants: (u32, Option<Instant>),
    /// When the last of the resources whose changes were refused tries again.
    last_retry: Option<Instant>,
}

/// What a response shows that was not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessNews {
    /// What the credential may do.
    Shown,
    /// The permission to change something, after it was missing.
    Granted,
}

impl AccessLog {
    /// Records the outcome of a request that ended `now`, and returns what it shows that is new.
    pub fn record(
        &self,
        operation: Operation,
        outcome: RequestOutcome,
        now: Instant,
    ) -> Option<AccessNews> {
        let access = match outcome {
            RequestOutcome::Success => Access::Allowed,
            RequestOutcome::Failure(Reason::Forbidden) => Access::Refused,
            RequestOutcome::Failure(_) => return None,
        };
        let mut shown = self.lock();
        let before = *shown;
        match operation {
            Operation::FetchToken => shown.has_token = true,
            operation if operation.is_change() => shown.write = access,
            _ => shown.read = access,
        }
        // If only some changes are refused while others succeed, each success would cause all to be tried again.
        let is_grant = (before.write, shown.write) == (Access::Refused, Access::Allowed)
            && shown
                .grants
                .1
                .is_none_or(|last| now - last >= PERMISSION_PAUSE.unsigned_abs());
        if is_grant {
            shown.grants = (before.grants.0.saturating_add(1), Some(now));
            shown.last_retry = None;
            return Some(AccessNews::Granted);
        }
        (*shown != before).then_some(AccessNews::Shown)
    }

    /// Returns how often a missing permission was granted. Each time, refused changes are tried again at once.
    pub fn grants(&self) -> u32 {
        self.lock().grants.0
    }

    /// Returns how long a resource waits whose change was just refused. The resources of a connection take turns, because
    /// the permission is that of the credential: one of them finds out for all whether it was granted.
    ///
    /// # Guarantees
    ///
    /// A connection with up to 65 such resources tries one change every 55 seconds. No resource waits longer than an hour,
    /// in case the others are deleted meanwhile.
    pub fn retry_after(&self, now: Instant) -> Duration {
        let mut shown = self.lock();
        let last = shown.last_retry.map_or(now, |last| last.max(now));
        let next = (last + PERMISSION_PAUSE.unsigned_abs()).min(now + MAX_PAUSE.unsigned_abs());
        shown.last_retry = Some(next);
        next - now
    }

    /// Returns what is known. What no response has shown yet comes from the token, as a hint.
    pub fn observed(&self, granted: Option<Granted>, is_of_new_credential: bool) -> ObservedAccess {
        let shown = *self.lock();
        let or_hint = |shown: Access, hint: Option<bool>| match (shown, hint) {
            (Access::Unknown, Some(true)) => Access::Allowed,
            (Access::Unknown, Some(false)) => Access::Refused,
            (shown, _) => shown,
        };
        ObservedAccess {
            read: or_hint(shown.read, granted.map(|it| it.read)),
            write: or_hint(shown.write, granted.and_then(|it| it.write)),
            is_of_new_credential,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCESS: RequestOutcome = RequestOutcome::Success;
    const FORBIDDEN: RequestOutcome = RequestOutcome::Failure(Reason::Forbidden);

    fn observed(log: &AccessLog, granted: Option<Granted>) -> (Access, Access) {
        let observed = log.observed(granted, false);
        (observed.read, observed.write)
    }

    #[test]
    fn responses_show_what_a_credential_may_do() {
        let log = AccessLog::default();
        let record = |operation, outcome| log.record(operation, outcome, Instant::now());
        let shown = Some(AccessNews::Shown);
        assert_eq!(record(Operation::ListFlows, SUCCESS), shown);
        assert_eq!(record(Operation::ListFlowSets, SUCCESS), None);
        assert_eq!(record(Operation::CreateFlow, FORBIDDEN), shown);
        assert_eq!(observed(&log, None), (Access::Allowed, Access::Refused));
        assert_eq!(
            record(Operation::ResetFlow, SUCCESS),
            Some(AccessNews::Granted)
        );
        assert_eq!(observed(&log, None), (Access::Allowed, Access::Allowed));
    }

    #[test]
    fn refused_changes_of_a_connection_are_tried_again_one_after_the_other() {
        let (log, start) = (AccessLog::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let wait = |seconds| log.retry_after(at(seconds)).as_secs();
        log.record(Operation::UpdateFlow, FORBIDDEN, at(0));
        assert_eq!([wait(0), wait(0), wait(0)], [55, 110, 165]);
        // The first one is refused again, and is now the last.
        assert_eq!(wait(55), 165);
        let many: Vec<u64> = (0..1000).map(|_| wait(60)).collect();
        assert_eq!(many.last(), Some(&3600));
        assert_eq!(log.grants(), 0);
        log.record(Operation::UpdateFlow, SUCCESS, at(65));
        assert_eq!((log.grants(), wait(70)), (1, 55));
    }

    #[test]
    fn changes_that_are_refused_while_others_succeed_are_not_tried_again_with_each_success() {
        let (log, start) = (AccessLog::default(), Instant::now());
        for seconds in 0..110 {
            let now = start + Duration::from_secs(seconds);
            log.record(Operation::UpdateFlow, FORBIDDEN, now);
            log.record(Operation::CreateFlow, SUCCESS, now);
        }
        assert_eq!(log.grants(), 2);
    }

    #[test]
    fn other_failures_show_nothing() {
        let log = AccessLog::default();
        for reason in [Reason::TimedOut, Reason::NotFound, Reason::Unauthorized] {
            let news = log.record(
                Operation::CreateFlow,
                RequestOutcome::Failure(reason),
                Instant::now(),
            );
            assert_eq!(news, None);
        }
        assert_eq!(observed(&log, None), (Access::Unknown, Access::Unknown));
    }

    #[test]
    fn a_response_counts_more_than_the_token() {
        let granted = |read, write| Some(Granted { read, write });
        let log = AccessLog::default();
        assert_eq!(
            observed(&log, granted(true, None)),
            (Access::Allowed, Access::Unknown)
        );
        assert_eq!(
            observed(&log, granted(false, Some(true))),
            (Access::Refused, Access::Allowed)
        );
        log.record(Operation::UpdateFlow, FORBIDDEN, Instant::now());
        assert_eq!(
            observed(&log, granted(true, Some(true))),
            (Access::Allowed, Access::Refused)
        );
    }
}
