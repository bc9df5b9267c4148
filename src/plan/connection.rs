//! Plans of a [`GraphConnection`]: what to report, and whether it may be deleted.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::condition::READY;
use crate::api::{Access, GraphConnection, GraphConnectionStatus, RequestBudget, reason};
use crate::graph::model::FlowSet;
use crate::graph::verdict::Verdict;

use super::conditions::{Readiness, Summary, is_true};
use super::credential::{self, ObservedAccess};
use super::planner::{self, Next};
use super::{Blocked, Event, Input, Plan, Planned, Policies, ResourceStep, resource};

/// Interval between attempts to use a new credential that the authority has not accepted yet. The rate of requests to
/// the authority is limited where tokens are fetched.
const RETRY_CREDENTIAL: SignedDuration = SignedDuration::from_secs(10);

/// Reason of the event about a credential that expires soon or has expired.
const CREDENTIAL_EXPIRES: &str = "CredentialExpires";

/// Smallest number of reconciles of one kind that a connection has in progress.
const MIN_CONCURRENT: usize = 4;

/// Largest number of reconciles of one kind that a connection has in progress: those of a namespace are limited to as many.
const MAX_CONCURRENT: usize = 256;

type ConnectionPlanner<'a> = planner::Planner<'a, GraphConnection>;
type ConnectionControl<T = ()> = planner::Control<GraphConnection, T>;

/// Further input for the plan of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRelations {
    /// Number of sets and flows that refer to the connection.
    pub users: usize,
    /// Why the authority refuses a new credential while the previous one is still in use, or `None` if it does not.
    pub refused: Option<Verdict>,
    /// What the credential in use may do.
    pub access: ObservedAccess,
    /// When the credential in use expires, or `None` if that is not known.
    pub expiry: Option<Timestamp>,
    /// Why the latest refresh token could not be written back, or `None` if it is in its Secret.
    pub not_stored: Option<String>,
}

/// Returns how many reconciles of one kind a connection may have in progress at the same time.
///
/// The flows and the sets of a connection send at most twice as many requests at a time. After a burst, these wait
/// 2 × 0.8 × `perSecond` ÷ `perSecond` = 1.6 s for the budget, less than the 2 s after which it refuses them.
#[must_use]
pub fn concurrent_reconciles(budget: &RequestBudget) -> usize {
    let per_second = usize::try_from(budget.per_second).unwrap_or_default();
    (per_second * 4 / 5).clamp(MIN_CONCURRENT, MAX_CONCURRENT)
}

impl Planned for GraphConnection {
    type Status = GraphConnectionStatus;
    type Item = FlowSet;
    type Change = Infallible;
    type Related = ConnectionRelations;

    const NOUN: &'static str = "connection";

    fn id_of(item: &FlowSet) -> &str {
        item.id.as_str()
    }

    fn status(&self) -> Option<&GraphConnectionStatus> {
        self.status.as_ref()
    }

    /// A connection is not written to the service, so its policies have no effect.
    fn policies(&self) -> Policies {
        Policies::default()
    }

    fn plan(input: &Input<Self>) -> Plan<Self> {
        let mut planner = ConnectionPlanner::new(input);
        let control = steps(&mut planner);
        let readiness = Readiness::of_existence(&acceptance(&planner));
        planner.finish(control, &readiness)
    }
}

/// Plans one connection. Each line either ends planning or continues with the next one; at the end, the connection is
/// as declared.
fn steps(planner: &mut ConnectionPlanner) -> ConnectionControl {
    deleted(planner)?;
    planner.finalizer()?;
    suspended(planner)?;
    planner.target()?;
    credential_observed(planner);
    planner.requested_refresh()?;
    planner.listed(is_true(&planner.status.conditions, READY))?;
    planner.status.reached = true;
    credential_accepted(planner)
}

/// Ends planning if the connection is being deleted.
fn deleted(planner: &mut ConnectionPlanner) -> ConnectionControl {
    let resource = &*planner.input.resource;
    if !resource::is_deleting(resource) {
        return Continue(());
    }
    if !resource::is_held(resource) {
        return Break(Next::wait(Summary::Unchanged));
    }
    if planner.input.related.users > 0 {
        return Break(planner.wait_a_minute(Summary::reconciling(
            reason::IN_USE,
            "deletion waits until no OutboundProvisioningFlowSet and no ProvisioningFlow refers to this connection: delete them too",
        )));
    }
    Break(Next::write(ResourceStep::RemoveFinalizer))
}

fn suspended(planner: &mut ConnectionPlanner) -> ConnectionControl {
    if !planner.input.resource.spec.suspend {
        return Continue(());
    }
    Break(planner.blocked_by(&Blocked::suspension(
        reason::SUSPENDED,
        "spec.suspend is true: nothing that uses this connection is created, changed, reset or polled; set it to false to resume",
    )))
}

/// Records what the credential may do and when it expires, and reports the end ahead.
fn credential_observed(planner: &mut ConnectionPlanner) {
    let (related, now) = (&planner.input.related, planner.input.now);
    let status = &mut planner.status;
    status.access = credential::access_status(status.access.as_ref(), related.access, now);
    let known = status.credential_expiry.as_ref();
    let report = credential::expiry_report(known, related.expiry, now);
    let remark = report.status.as_ref().and_then(credential::expiry_remark);
    if let Some(remark) = remark.filter(|_| report.is_news) {
        planner
            .events
            .push(Event::warning(CREDENTIAL_EXPIRES, remark));
    }
    status.credential_expiry = report.status;
    if let Some(next) = report.next {
        planner.requeue_after(next);
    }
}

/// Returns the message of a connection that works, with what a person should know about its credential.
fn acceptance(planner: &ConnectionPlanner) -> String {
    let status = &planner.status;
    let accepted = "the service accepts this credential";
    let is_read_only = status
        .access
        .as_ref()
        .is_some_and(|it| it.write == Access::Refused);
    let read_only = is_read_only.then(|| {
        "it does not permit changes, for which the delegated permission IndustryData-OutboundFlow.ReadWrite.All is needed: \
         sign in with `kubectl industrydata login`".to_owned()
    });
    let expiry = status
        .credential_expiry
        .as_ref()
        .and_then(credential::expiry_remark);
    let not_stored = planner.input.related.not_stored.clone();
    let remarks = [read_only, expiry, not_stored].into_iter().flatten();
    [accepted.to_owned()]
        .into_iter()
        .chain(remarks)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Reports a new credential that the authority refuses. The authority may need a minute until it accepts a new
/// credential, and work with the previous one must continue until then.
fn credential_accepted(planner: &mut ConnectionPlanner) -> ConnectionControl {
    let Some(verdict) = &planner.input.related.refused else {
        return Continue(());
    };
    let message = format!(
        "The Secret contains a new credential that cannot be used yet; the previous one stays in use as long as it works. {}",
        verdict.message
    );
    planner.requeue_after(RETRY_CREDENTIAL);
    Break(planner.blocked_by(&Blocked::missing(verdict.reason.as_str(), message)))
}

#[cfg(test)]
mod tests;
