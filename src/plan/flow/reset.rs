//! Resets a flow, at most once for each token.
//!
//! A reset has no key and no operation to watch. So it is first written down as `Sending`, under precondition
//! ([`ResourceStep::WriteStatus`]); only the process that wrote it may send the request, and only while it knows that none has
//! left ([`Permit::Reset`]). Any other process that finds `Sending` cannot know whether the request left, and records
//! `Unknown`.

use std::ops::ControlFlow::{Break, Continue};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;

use crate::api::{ProvisioningFlow, Reset, ResetPhase, annotation, reason};
use crate::graph::model::Flow;
use crate::graph::verdict::{Certainty, Verdict};
use crate::plan::conditions::{Progress, Summary};
use crate::plan::correct::Drifted;
use crate::plan::event::Event;
use crate::plan::planner::Next;
use crate::plan::{Action, Permit, Planned, ResourceStep, View, resource};

use super::{Change, Control, Planner};

/// A status keeps whole seconds.
const STATUS_TIME_PRECISION: SignedDuration = SignedDuration::from_secs(1);

/// By then the poller, which is told of each change, has listed the set again.
const REFRESH_AFTER_RESET: SignedDuration = SignedDuration::from_secs(3);

const UNKNOWN: &str = "a reset was sent and nobody can tell whether it took effect; it is not sent again: to reset for certain, give spec.resetToken a new value";

/// What a resource asks for when the operator first sees its flow. It is noted and not acted on: a cluster rebuilt from
/// Git must not make the service provision everything anew.
pub(super) fn note(flow: &ProvisioningFlow) -> Option<Reset> {
    let asked = asked(flow);
    (asked != Reset::default()).then_some(asked)
}

/// Ends planning where a reset is due or in doubt, or the flow stays different from the spec.
pub(super) fn plan(planner: &mut Planner, flow: &Flow, drifted: Drifted) -> Control {
    let reset = if planner.input.resource.is_managed() {
        decide(planner, flow)
    } else {
        observe(planner);
        Continue(())
    };
    match (reset, drifted) {
        (Break(reset), Some(drifted)) => Break(reset.step_or_wait(drifted)),
        (Continue(()), Some(drifted)) => Break(Next::wait(drifted)),
        (reset, None) => reset,
    }
}

/// Notes what is asked for while the operator only observes: it is no reason to reset once it may.
fn observe(planner: &mut Planner) {
    if is_new(planner) {
        planner.status.reset = note(&planner.input.resource);
    }
}

fn decide(planner: &mut Planner, flow: &Flow) -> Control {
    if let Some(verdict) = planner.failure_of(Action::Reset) {
        return Break(failed(planner, &verdict));
    }
    if planner.just_did(Action::Reset) {
        enter(planner, ResetPhase::Accepted);
        let message = format!("reset flow {}", flow.id);
        planner.events.push(Event::normal("Reset", message));
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
            let id = flow.id.to_string();
            Break(Next::change(Change::Reset { id }))
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

/// Ends planning until the service has been listed since the reset: what was seen of the flow before says nothing about it
/// now.
fn settling(planner: &mut Planner) -> Control {
    let reset = planner.status.reset.as_ref();
    let Some(accepted) = reset.and_then(|reset| Some(reset.time.as_ref()?.0)) else {
        return Continue(());
    };
    // A time that lies ahead comes from another clock and cannot be waited for.
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
        "the service has accepted the reset and has not been looked at since",
    );
    Break(planner.wait_for(Summary::Synced { progress }, REFRESH_AFTER_RESET))
}

/// Whether the resource asks for a reset that the status does not speak of.
fn is_new(planner: &Planner) -> bool {
    let asked = asked(&planner.input.resource);
    let known = planner.status.reset.clone().unwrap_or_default();
    let token = asked.token.is_some() && asked.token != known.token;
    token || (asked.requested_at.is_some() && asked.requested_at != known.requested_at)
}

/// Whether the user took back what a refused reset was asked for with.
fn is_withdrawn(planner: &Planner) -> bool {
    asked(&planner.input.resource) == Reset::default()
}

/// Takes up a new request to reset.
fn begin(planner: &mut Planner) -> Next<Change> {
    let asked = asked(&planner.input.resource);
    let known = planner.status.reset.take().unwrap_or_default();
    planner.status.retry = None;
    // A value that was taken out of the manifest stays known: putting it back is no new wish.
    planner.status.reset = Some(Reset {
        token: asked.token.or(known.token),
        requested_at: asked.requested_at.or(known.requested_at),
        ..Reset::default()
    });
    send(planner)
}

/// Writes down that the reset is about to be sent.
fn send(planner: &mut Planner) -> Next<Change> {
    enter(planner, ResetPhase::Sending);
    Next::write(ResourceStep::WriteStatus(permit(planner)))
}

/// Whether this process wrote the intent that the status shows, and knows that no request has left for it.
fn is_unsent(planner: &Planner) -> bool {
    planner.memory.permit.is_some() && planner.memory.permit == permit(planner)
}

/// What the intent that the status shows permits once it is written.
fn permit(planner: &Planner) -> Option<Permit> {
    let reset = planner.status.reset.clone()?;
    Some(Permit::Reset {
        token: reset.token,
        requested_at: reset.requested_at,
    })
}

/// Somebody wrote `Sending` and did not live to tell the outcome.
fn lost(planner: &mut Planner) -> Next<Change> {
    enter(planner, ResetPhase::Unknown);
    // Nothing is tried again.
    planner.status.retry = None;
    in_doubt()
}

fn failed(planner: &mut Planner, verdict: &Verdict) -> Next<Change> {
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

fn in_doubt() -> Next<Change> {
    Next::wait(Summary::Synced {
        progress: Progress::stalled(reason::RESET_UNKNOWN, UNKNOWN),
    })
}

fn enter(planner: &mut Planner, phase: ResetPhase) {
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
