//! What responses of the service show that a credential may do.

use std::sync::{Mutex, PoisonError};

use crate::api::Access;
use crate::graph::verdict::Reason;
use crate::graph::{Granted, Operation, RequestOutcome};
use crate::plan::credential::ObservedAccess;

/// What responses have shown so far.
#[derive(Default)]
pub struct AccessLog(Mutex<Shown>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Shown {
    read: Access,
    write: Access,
    /// Whether a token was obtained, which shows permissions too.
    has_token: bool,
}

impl AccessLog {
    /// Records the outcome of a request, and returns whether it shows something new.
    pub fn record(&self, operation: Operation, outcome: RequestOutcome) -> bool {
        let access = match outcome {
            RequestOutcome::Success => Access::Allowed,
            RequestOutcome::Failure(Reason::Forbidden) => Access::Refused,
            RequestOutcome::Failure(_) => return false,
        };
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *shown;
        match operation {
            Operation::FetchToken => shown.has_token = true,
            operation if operation.is_change() => shown.write = access,
            _ => shown.read = access,
        }
        *shown != before
    }

    /// Returns what is known. What no response has shown yet comes from the token, as a hint.
    pub fn observed(&self, granted: Option<Granted>, is_of_new_credential: bool) -> ObservedAccess {
        let shown = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORBIDDEN: RequestOutcome = RequestOutcome::Failure(Reason::Forbidden);

    fn observed(log: &AccessLog, granted: Option<Granted>) -> (Access, Access) {
        let observed = log.observed(granted, false);
        (observed.read, observed.write)
    }

    #[test]
    fn responses_show_what_a_credential_may_do() {
        let log = AccessLog::default();
        assert!(log.record(Operation::ListFlows, RequestOutcome::Success));
        assert!(!log.record(Operation::ListFlowSets, RequestOutcome::Success));
        assert!(log.record(Operation::CreateFlow, FORBIDDEN));
        assert_eq!(observed(&log, None), (Access::Allowed, Access::Refused));
        assert!(log.record(Operation::ResetFlow, RequestOutcome::Success));
        assert_eq!(observed(&log, None), (Access::Allowed, Access::Allowed));
    }

    #[test]
    fn other_failures_show_nothing() {
        let log = AccessLog::default();
        for reason in [Reason::TimedOut, Reason::NotFound, Reason::Unauthorized] {
            assert!(!log.record(Operation::CreateFlow, RequestOutcome::Failure(reason)));
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
        log.record(Operation::UpdateFlow, FORBIDDEN);
        assert_eq!(
            observed(&log, granted(true, Some(true))),
            (Access::Allowed, Access::Refused)
        );
    }
}
