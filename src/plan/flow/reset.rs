//! Reset of a flow, at most once for each token.
//!
//! A reset has neither an idempotency key nor an operation to poll. So it is first recorded as `Sending`, under a
//! precondition ([`ResourceStep::WriteStatus`]); only the process that recorded it may send the request, and only while
//! it is certain that none was sent ([`Permit::Reset`]). Any other process that finds `Sending` cannot determine
//! whether the request was sent, and records `Unknown`.

use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;

use crate::api::event::Occurrence;
use crate::api::{ProvisioningFlow, Reset, ResetPhase, annotation, reason};
use crate::graph::model::Flow;
use crate::graph::verdict::{Certainty, Verdict};
use crate::plan::conditions::{Progress, Summary};
use crate::plan::correct::Drifted;
use crate::plan::event::Event;
use crate::plan::planner::Next;
use crate::plan::{Action, Permit, Planned, ResourceStep, View, resource};

use super::{FlowChange, FlowControl, FlowPlanner};

/// Precision of times in a status, which are whole seconds.
const STATUS_TIME_PRECISION: SignedDuration = SignedDuration::from_secs(1);

/// Time until the flow is listed after a reset. By then, the poller has usually listed the set: each change makes the
/// next poll due.
const REFRESH_AFTER_RESET: SignedDuration = SignedDuration::from_secs(3);

const UNKNOWN: &str = "the outcome of the last reset is unknown, and it is not retried: to reset the flow again, set a new spec.resetToken";

/// Returns the reset that a resource requests when the operator first observes its flow. It is only recorded: a cluster
/// that is rebuilt from Git must not make the service provision everything again.
pub(super) fn note(flow: &ProvisioningFlow) -> Option<Reset> {
    let asked = asked(flow);
    (asked != Reset::default()).then_some(asked)
}

/// Ends planning if a reset is due or its outcome unknown, or if drift remains.
pub(super) fn plan(planner: &mut FlowPlanner, flow: &Flow, drifted: Drifted) -> FlowControl {
    let reset = if planner.input.resource.is_managed() {
        decide(planner, flow)
    } else {
        observe(planner);
        Continue(())
    };
    match (reset, drifted) {
        // Action by a person is more important than the reset.
        (Break(reset), Some(drifted)) => {
            Break(reset.summarized(Summary::Unchanged).step_or_wait(drifted))
        }
        (Continue(()), Some(drifted)) => Break(Next::wait(drifted)),
        (reset, None) => reset,
    }
}

/// Records a request while the operator only observes, so that it does not cause a reset once writes are allowed.
fn observe(planner: &mut FlowPlanner) {
    if is_new(planner) {
        planner.status.reset = note(&planner.input.resource);
    }
}

fn decide(planner: &mut FlowPlanner, flow: &Flow) -> FlowControl {
    if let Some(verdict) = planner.failure_of(Action::Reset) {
        return Break(failed(planner, &verdict));
    }
    if planner.just_did(Action::Reset) {
        enter(planner, ResetPhase::Accepted);
        let message = format!("reset flow {}", flow.id);
        planner.events.push(Event::of(Occurrence::Reset, message));
        return settling(planner);
    }
    if is_new(planner) {
        return Break(begin(planner));
    }
    let reset = planner.status.reset.as_ref();
    match reset.and_then(|reset| reset.phase) {
        None => Continue(()),
        Some(ResetPhase::Accepted) => settling(planner),
        Some(ResetPhase::Sending) if is_unsent(planner) => {
            let id = flow.id.clone();
            Break(Next::change(FlowChange::Reset { id }))
        }
        Some(ResetPhase::Sending) => Break(lost(planner)),
        Some(ResetPhase::Refused) if is_withdrawn(planner) => Continue(()),
        Some(ResetPhase::Refused) => {
            planner.back_off()?;
            Break(send(planner))
        }
        Some(ResetPhase::Unknown) => Break(in_doubt()),
    }
}

/// Ends planning until the flows have been listed after the reset: earlier lists do not reflect it.
fn settling(planner: &mut FlowPlanner) -> FlowControl {
    let reset = planner.status.reset.as_ref();
    let Some(accepted) = reset.and_then(|reset| Some(reset.time.as_ref()?.0)) else {
        return Continue(());
    };
    // A time in the future comes from another clock, so it cannot be compared with the list.
    if accepted > planner.input.now {
        return if planner.is_fresh() {
            Continue(())
        } else {
            Break(Next::refresh())
        };
    }
    let listed_since = |view: &View<Flow>| view.began >= accepted + STATUS_TIME_PRECISION;
    if planner.view().is_some_and(listed_since) {
        return Continue(());
    }
    let progress = Progress::reconciling(
        reason::RESETTING,
        "the service accepted the reset, and the flow has not been listed since",
    );
    Break(planner.wait_for(Summary::Synced { progress }, REFRESH_AFTER_RESET))
}

/// Returns whether the resource requests a reset that the status does not record.
fn is_new(planner: &FlowPlanner) -> bool {
    let asked = asked(&planner.input.resource);
    let known = planner.status.reset.clone().unwrap_or_default();
    let token = asked.token.is_some() && asked.token != known.token;
    token || (asked.requested_at.is_some() && asked.requested_at != known.requested_at)
}

/// Returns whether the user withdrew the request of a refused reset.
fn is_withdrawn(planner: &FlowPlanner) -> bool {
    asked(&planner.input.resource) == Reset::default()
}

/// Begins a newly requested reset.
fn begin(planner: &mut FlowPlanner) -> Next<FlowChange> {
    let asked = asked(&planner.input.resource);
    let known = planner.status.reset.take().unwrap_or_default();
    planner.status.retry = None;
    // A value that was removed from the manifest stays recorded: restoring it is not a new request.
    planner.status.reset = Some(Reset {
        token: asked.token.or(known.token),
        requested_at: asked.requested_at.or(known.requested_at),
        ..Reset::default()
    });
    send(planner)
}

/// Records that the reset is about to be sent.
fn send(planner: &mut FlowPlanner) -> Next<FlowChange> {
    enter(planner, ResetPhase::Sending);
    let progress =
        Progress::reconciling(reason::RESETTING, "the reset is being sent to the service");
    Next::write(ResourceStep::WriteStatus(permit(planner))).summarized(Summary::Synced { progress })
}

/// Returns whether this process wrote the intent in the status, and is certain that no request was sent for it.
fn is_unsent(planner: &FlowPlanner) -> bool {
    planner.memory.permit.is_some() && planner.memory.permit == permit(planner)
}

/// Returns the permit that the intent in the status grants once it is written.
fn permit(planner: &FlowPlanner) -> Option<Permit> {
    let reset = planner.status.reset.clone()?;
    Some(Permit::Reset {
        token: reset.token,
        requested_at: reset.requested_at,
    })
}

/// Handles a `Sending` whose process ended before it recorded the outcome.
fn lost(planner: &mut FlowPlanner) -> Next<FlowChange> {
    enter(planner, ResetPhase::Unknown);
    // The reset is not retried, so its failures are irrelevant.
    planner.status.retry = None;
    in_doubt()
}

fn failed(planner: &mut FlowPlanner, verdict: &Verdict) -> Next<FlowChange> {
    match verdict.certainty {
        Certainty::NotSent | Certainty::Refused | Certainty::Throttled => {
            enter(planner, ResetPhase::Refused);
            let summary = Summary::Synced {
                progress: Progress::after(verdict),
            };
            planner.wait_for_retry(summary)
        }
        Certainty::Unknown => lost(planner),
    }
}

fn in_doubt() -> Next<FlowChange> {
    Next::wait(Summary::Synced {
        progress: Progress::stalled(reason::RESET_UNKNOWN, UNKNOWN),
    })
}

fn enter(planner: &mut FlowPlanner, phase: ResetPhase) {
    let reset = planner.status.reset.get_or_insert_default();
    reset.phase = Some(phase);
    reset.time = Some(Time(planner.input.now));
}

fn asked(flow: &ProvisioningFlow) -> Reset {
    Reset {
        token: flow.spec.reset_token.clone(),
        requested_at: resource::annotated(flow, annotation::RESET_REQUESTED_AT).map(str::to_owned),
        ..Reset::default()
    }
}
