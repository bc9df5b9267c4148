//! Plans of a [`GraphConnection`]: what to report, and whether it may be deleted.

use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::condition::READY;
use crate::api::event::Occurrence;
use crate::api::{
    Access, GraphConnection, GraphConnectionStatus, RemoteCount, RequestBudget, reason,
};
use crate::graph::model::{FlowSet, FlowSetId};
use crate::graph::verdict::Verdict;

use super::conditions::{Readiness, Summary, find, is_true};
use super::credential::{self, ObservedAccess};
use super::planner::{self, Next};
use super::{Blocked, Event, Input, Plan, Planned, Policies, Read, ResourceStep, resource};

/// Interval between attempts to use a new credential that the authority has not accepted yet. The rate of requests to
/// the authority is limited where tokens are fetched.
const RETRY_CREDENTIAL: SignedDuration = SignedDuration::from_secs(10);

/// How long the service counts as throttling after it has throttled a request. After five halvings, the budget takes a
/// minute to return to its full rate; in ten, a tenant that is throttled again and again causes two writes at most.
pub const THROTTLE_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// The value of `status.lastPoll` while polls are complete.
const CURRENT: &str = "current";

/// The value of `status.lastPoll` if an earlier process made the last complete poll.
const UNKNOWN: &str = "unknown";

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
    /// When the last complete poll began, or `None` if this process has made none.
    pub last_poll: Option<Timestamp>,
    /// How long ago the service last throttled a request, or `None` if it never has.
    pub throttled_ago: Option<SignedDuration>,
    /// The numbers of remote objects, or `None` if a list is missing.
    pub remote: Option<RemoteCount>,
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
    type Id = FlowSetId;
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
        let mut plan = planner.finish(control, &readiness);
        plan.status.last_poll = last_poll(input, &plan.status);
        plan
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
    throttling_observed(planner);
    planner.requested_refresh()?;
    planner.listed(has_worked(&planner.status))?;
    planner.status.reached = true;
    let remote = planner.input.related.remote;
    planner.status.remote = remote.or(planner.status.remote);
    credential_accepted(planner)
}

/// Returns whether the connection worked when it was last reported on, or it is not known that it does not.
fn has_worked(status: &GraphConnectionStatus) -> bool {
    let ready = find(&status.conditions, READY);
    status.reached && ready.is_some_and(|ready| ready.status != "False")
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
            .push(Event::of(Occurrence::CredentialExpires, remark));
    }
    status.credential_expiry = report.status;
    if let Some(next) = report.next {
        planner.requeue_after(next);
    }
}

/// Records since when the service throttles requests. It counts as throttling for a while after the last time, so that
/// the status does not change with each request.
fn throttling_observed(planner: &mut ConnectionPlanner) {
    let (ago, now) = (planner.input.related.throttled_ago, planner.input.now);
    let Some(ago) = ago.filter(|ago| *ago < THROTTLE_MEMORY) else {
        planner.status.throttled_since = None;
        return;
    };
    let since = &mut planner.status.throttled_since;
    since.get_or_insert_with(|| whole_seconds(now - ago));
    planner.requeue_after(THROTTLE_MEMORY - ago);
}

/// Returns what the status reports about the last complete poll.
///
/// The time of each poll would be a write for each poll. So a poll is `current` while the connection works, and its time is
/// recorded only when it does not work any more.
fn last_poll(input: &Input<GraphConnection>, status: &GraphConnectionStatus) -> Option<String> {
    let is_listed = match &input.collection {
        Some(Read::Known(_)) => true,
        // One failure or two are not reported.
        Some(Read::Unknown(_)) | None => is_true(&status.conditions, READY),
    };
    let last = input.related.last_poll;
    match status.last_poll.as_deref() {
        _ if is_listed && !input.resource.spec.suspend => Some(CURRENT.to_owned()),
        Some(CURRENT) => Some(last.map_or(UNKNOWN.to_owned(), whole_seconds)),
        known => known.map(str::to_owned),
    }
}

fn whole_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
    let throttled = status.throttled_since.as_ref();
    let throttled = throttled.map(|_| {
        "the service throttles requests, which are sent at a lower rate than spec.requestBudget allows".to_owned()
    });
    let not_stored = planner.input.related.not_stored.clone();
    let remarks = [read_only, expiry, throttled, not_stored];
    let remarks = remarks.into_iter().flatten();
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
