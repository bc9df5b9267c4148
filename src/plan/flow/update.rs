//! Brings a flow to what is declared, or tells where it differs.

use crate::api::{Drift, DriftPolicy, reason};
use crate::graph::model::Flow;
use crate::plan::compare::Comparison;
use crate::plan::conditions::Summary;
use crate::plan::correct::CorrectionDecision;
use crate::plan::definition::FlowBody;
use crate::plan::event::Event;
use crate::plan::{Action, compare, password};

use super::{Change, Next, Planner, is_managed};

/// What a flow that may differ from its definition leads to.
pub(super) enum Finding {
    /// It is as declared, as far as anyone can tell.
    AsDeclared,
    /// It differs and stays so for now. The decision has no step.
    Differs(Next),
    /// Nothing else is done before this.
    First(Next),
}

pub(super) fn decide(planner: &mut Planner, flow: &Flow) -> Finding {
    if planner.input.effects.written {
        return written(planner, flow);
    }
    if let Some(verdict) = planner.failure_of(Action::Update) {
        let failed = Next::stand(Summary::in_doubt(&verdict));
        return Finding::First(failed.after(planner.wait()));
    }
    let managed = is_managed(&planner.input.resource);
    if managed && let Err(blocked) = &planner.input.related.passwords {
        return Finding::First(planner.blocked_by(blocked));
    }
    let Some(body) = FlowBody::of(&planner.input.resource.spec) else {
        return Finding::AsDeclared;
    };
    let Comparison { drift, unseen } = compare::flow(&body.properties, &flow.properties);
    planner.status.drift = drift;
    let reports = planner.input.resource.spec.drift_policy == DriftPolicy::Report;
    let fingerprint = body.fingerprint();
    if managed {
        let unseen = if reports { &[][..] } else { &unseen };
        let invisible = invisible(planner, unseen, &fingerprint);
        if !invisible.is_empty() {
            // No list would ever show it, so there is nothing to wait for.
            planner.memory.update = None;
            planner.status.drift.extend(invisible);
        }
    }
    if planner.status.drift.is_empty() {
        if unseen.is_empty() && managed {
            planner.status.applied_definition = Some(fingerprint);
        }
        return as_declared(planner);
    }
    if !managed || reports {
        return Finding::Differs(report());
    }
    correct(planner, flow, &body)
}

/// What has changed in the declaration and cannot be compared, as no list shows it. It is sent once.
fn invisible(planner: &mut Planner, unseen: &[Drift], fingerprint: &str) -> Vec<Drift> {
    let mut invisible = Vec::new();
    if planner.status.applied_definition.as_deref() != Some(fingerprint) {
        invisible.extend_from_slice(unseen);
    }
    invisible.extend(outdated_passwords(planner));
    invisible
}

fn as_declared(planner: &mut Planner) -> Finding {
    if planner.is_overtaken() {
        return Finding::First(Next::look());
    }
    planner.note_shown();
    Finding::AsDeclared
}

/// This run created or updated the flow: the service has just accepted what is declared.
fn written(planner: &mut Planner, flow: &Flow) -> Finding {
    if let Ok(passwords) = &planner.input.related.passwords {
        planner.status.applied_secrets = password::sources(passwords);
        planner.memory.passwords.applied = Some(password::digests(passwords));
    }
    let body = FlowBody::of(&planner.input.resource.spec);
    planner.status.applied_definition = body.map(|body| body.fingerprint());
    if planner.just_did(Action::Update) {
        planner.note_update();
        planner.events.push(Event::normal(
            "Updated",
            format!("updated flow {}", flow.id),
        ));
    }
    if planner.memory.update.is_some() {
        planner.wake_in(Some(planner.input.limits.visibility_window));
    }
    if planner.doubts_updates() {
        return Finding::Differs(Next::stand(Summary::Unchanged));
    }
    planner.status.drift.clear();
    Finding::AsDeclared
}

/// The service masks passwords, so the only sign of an old one is that its Secret has another value than was sent.
///
/// What counts is the value. Which value was sent is known in memory only; a process that has just started knows which
/// version of the Secret it came from, and takes another version for another value, once.
fn outdated_passwords(planner: &mut Planner) -> Option<Drift> {
    // Nobody knows whether passwords that were never sent differ, and under Report they never are.
    let reports = planner.input.resource.spec.drift_policy == DriftPolicy::Report;
    if reports && planner.status.applied_secrets.is_empty() {
        return None;
    }
    let passwords = planner.input.related.passwords.as_ref().ok()?;
    let now = password::digests(passwords);
    if password::sources(passwords) == planner.status.applied_secrets {
        planner.memory.passwords.applied = Some(now);
        return None;
    }
    (planner.memory.passwords.applied.as_ref() != Some(&now)).then(|| Drift {
        path: "creationOptions.configurations.defaultPasswordSettings".to_owned(),
        desired: "the passwords that the Secrets hold now".to_owned(),
        actual: "those that were sent last, or none".to_owned(),
    })
}

fn report() -> Next {
    Next::stand(Summary::stalled(
        reason::DRIFTED,
        "the remote flow differs from the spec in the places that status.drift lists, and is not to be changed: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
    ))
}

fn correct(planner: &mut Planner, flow: &Flow, body: &FlowBody) -> Finding {
    match planner.correction() {
        CorrectionDecision::Send => {
            let id = flow.id.to_string();
            let differs = |name: &str| planner.status.drift.iter().any(|drift| top(drift) == name);
            let body = body.over(&flow.properties, differs);
            Finding::First(Next::change(Change::Update { id, body }))
        }
        CorrectionDecision::Pending => {
            planner.status.drift.clear();
            Finding::AsDeclared
        }
        CorrectionDecision::Ineffective => Finding::Differs(Next::stand(Summary::stalled(
            reason::DRIFTED,
            "the service accepted an update and still shows other values in the places that status.drift lists: declare what it shows, or set spec.driftPolicy to Report",
        ))),
        CorrectionDecision::Look => Finding::First(Next::look()),
        CorrectionDecision::Wait(wait) => {
            Finding::First(Next::stand(Summary::Unchanged).after(Some(wait)))
        }
    }
}

/// The property of the flow that a difference lies in. It is sent whole: nobody knows how the service merges parts.
fn top(drift: &Drift) -> &str {
    drift.path.split(['.', '[']).next().unwrap_or_default()
}
