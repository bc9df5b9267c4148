//! Resets a flow, at most once for each token.
//!
//! A reset has no key and no operation to watch. So it is first written down as `Sending`, under precondition
//! ([`ResourceStep::Record`]); only the process that wrote it may send the request, and only while it knows that none has
//! left ([`Permit::Reset`]). Any other process that finds `Sending` cannot know whether the request left, and records
//! `Unknown`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;

use crate::api::{ProvisioningFlow, Reset, ResetPhase, annotation, reason};
use crate::graph::model::Flow;
use crate::graph::verdict::{Certainty, Verdict};
use crate::plan::conditions::{Progress, Standing};
use crate::plan::event::Event;
use crate::plan::{Action, Permit, ResourceStep, resource};

use super::{Change, Decision, Draft};

/// A status keeps whole seconds.
const STATUS_TIME_PRECISION: SignedDuration = SignedDuration::from_secs(1);

/// By then the poller, which is told of each change, has listed the set again.
const LOOK_AFTER_RESET: SignedDuration = SignedDuration::from_secs(3);

const UNKNOWN: &str = "a reset was sent and nobody can tell whether it took effect; it is not sent again: to reset for certain, give spec.resetToken a new value";

/// What a resource asks for when the operator first sees its flow. It is noted and not acted on: a cluster rebuilt from
/// Git must not make the service provision everything anew.
pub(super) fn note(flow: &ProvisioningFlow) -> Option<Reset> {
    let asked = asked(flow);
    (asked != Reset::default()).then_some(asked)
}

/// Notes what is asked for while the operator only looks: it is no reason to reset once it may.
pub(super) fn observe(draft: &mut Draft) {
    if is_new(draft) {
        draft.status.reset = note(&draft.observed.resource);
    }
}

/// `None`: no reset is due, and none is in doubt.
pub(super) fn decide(draft: &mut Draft, flow: &Flow) -> Option<Decision> {
    if let Some(verdict) = draft.failure_of(Action::Reset) {
        return Some(failed(draft, &verdict));
    }
    if draft.just_did(Action::Reset) {
        enter(draft, ResetPhase::Accepted);
        draft
            .events
            .push(Event::normal("Reset", format!("reset flow {}", flow.id)));
        return settling(draft);
    }
    if is_new(draft) {
        return Some(begin(draft));
    }
    match draft.status.reset.as_ref()?.phase? {
        ResetPhase::Accepted => settling(draft),
        ResetPhase::Sending if is_unsent(draft) => Some(Decision::change(Change::Reset {
            id: flow.id.to_string(),
        })),
        ResetPhase::Sending => Some(lost(draft)),
        ResetPhase::Refused if is_withdrawn(draft) => None,
        ResetPhase::Refused => Some(again(draft)),
        ResetPhase::Unknown => Some(in_doubt()),
    }
}

/// A flow that was reset is not where it should be before the service has been looked at once more: what was seen of it
/// before says nothing about it now.
fn settling(draft: &Draft) -> Option<Decision> {
    let accepted = draft.status.reset.as_ref()?.time.as_ref()?.0;
    // A time that lies ahead was told by another clock and cannot be waited for.
    if accepted > draft.observed.now {
        return (!draft.has_looked()).then(Decision::look);
    }
    let seen = draft
        .view()
        .is_some_and(|view| view.began >= accepted + STATUS_TIME_PRECISION);
    let progress = Progress::reconciling(
        reason::RESETTING,
        "the service has accepted the reset and has not been looked at since",
    );
    let standing = Standing::Synced { progress };
    (!seen).then(|| Decision::stand(standing).after(Some(LOOK_AFTER_RESET)))
}

/// Whether the resource asks for a reset that the status does not speak of.
fn is_new(draft: &Draft) -> bool {
    let asked = asked(&draft.observed.resource);
    let known = draft.status.reset.clone().unwrap_or_default();
    let token = asked.token.is_some() && asked.token != known.token;
    token || (asked.requested_at.is_some() && asked.requested_at != known.requested_at)
}

/// Whether the user took back what a refused reset was asked for with.
fn is_withdrawn(draft: &Draft) -> bool {
    asked(&draft.observed.resource) == Reset::default()
}

/// Takes up a new request to reset.
fn begin(draft: &mut Draft) -> Decision {
    let asked = asked(&draft.observed.resource);
    let known = draft.status.reset.take().unwrap_or_default();
    draft.status.retry = None;
    // A value that was taken out of the manifest stays known: putting it back is no new wish.
    draft.status.reset = Some(Reset {
        token: asked.token.or(known.token),
        requested_at: asked.requested_at.or(known.requested_at),
        ..Reset::default()
    });
    send(draft)
}

fn again(draft: &mut Draft) -> Decision {
    if let Some(wait) = draft.wait() {
        return Decision::stand(Standing::Unchanged).after(Some(wait));
    }
    send(draft)
}

/// Writes down that the reset is about to be sent.
fn send(draft: &mut Draft) -> Decision {
    enter(draft, ResetPhase::Sending);
    Decision::write(ResourceStep::Record(permit(draft)))
}

/// Whether this process wrote the intent that the status shows, and knows that no request has left for it.
fn is_unsent(draft: &Draft) -> bool {
    draft.memory.permit.is_some() && draft.memory.permit == permit(draft)
}

/// What the intent that the status shows permits once it is written.
fn permit(draft: &Draft) -> Option<Permit> {
    let reset = draft.status.reset.clone()?;
    Some(Permit::Reset {
        token: reset.token,
        requested_at: reset.requested_at,
    })
}

/// Somebody wrote `Sending` and did not live to tell the outcome.
fn lost(draft: &mut Draft) -> Decision {
    enter(draft, ResetPhase::Unknown);
    // Nothing is tried again.
    draft.status.retry = None;
    in_doubt()
}

fn failed(draft: &mut Draft, verdict: &Verdict) -> Decision {
    match verdict.certainty {
        Certainty::NotSent | Certainty::Refused | Certainty::Throttled => {
            enter(draft, ResetPhase::Refused);
            let standing = Standing::Synced {
                progress: Progress::after(verdict),
            };
            Decision::stand(standing).after(draft.wait())
        }
        Certainty::Unknown => lost(draft),
    }
}

fn in_doubt() -> Decision {
    Decision::stand(Standing::Synced {
        progress: Progress::stalled(reason::RESET_UNKNOWN, UNKNOWN),
    })
}

fn enter(draft: &mut Draft, phase: ResetPhase) {
    let reset = draft.status.reset.get_or_insert_default();
    reset.phase = Some(phase);
    reset.time = Some(Time(draft.observed.now));
}

fn asked(flow: &ProvisioningFlow) -> Reset {
    Reset {
        token: flow.spec.reset_token.clone(),
        requested_at: resource::annotated(flow, annotation::RESET_REQUESTED_AT).map(str::to_owned),
        ..Reset::default()
    }
}
