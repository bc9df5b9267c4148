//! Brings a flow to what is declared, or tells where it differs.

use crate::api::{Drift, DriftPolicy, reason};
use crate::graph::model::Flow;
use crate::plan::compare::Comparison;
use crate::plan::conditions::Standing;
use crate::plan::correction::Correction;
use crate::plan::definition::FlowBody;
use crate::plan::event::Event;
use crate::plan::{Action, compare, password};

use super::{Change, Decision, Draft, is_managed};

/// What a flow that may differ from its definition leads to.
pub(super) enum Finding {
    /// It is as declared, as far as anyone can tell.
    AsDeclared,
    /// It differs and stays so for now. The decision has no step.
    Differs(Decision),
    /// Nothing else is done before this.
    First(Decision),
}

pub(super) fn decide(draft: &mut Draft, flow: &Flow) -> Finding {
    if draft.observed.run.written {
        return written(draft, flow);
    }
    if let Some(verdict) = draft.failure_of(Action::Update) {
        let failed = Decision::stand(Standing::in_doubt(&verdict));
        return Finding::First(failed.after(draft.wait()));
    }
    let managed = is_managed(&draft.observed.resource);
    if managed && let Err(obstacle) = &draft.observed.around.passwords {
        return Finding::First(draft.obstructed(obstacle));
    }
    let Some(body) = FlowBody::of(&draft.observed.resource.spec) else {
        return Finding::AsDeclared;
    };
    let Comparison { drift, unseen } = compare::flow(&body.properties, &flow.properties);
    draft.status.drift = drift;
    let reports = draft.observed.resource.spec.drift_policy == DriftPolicy::Report;
    let fingerprint = body.fingerprint();
    if managed {
        let unseen = if reports { &[][..] } else { &unseen };
        let invisible = invisible(draft, unseen, &fingerprint);
        if !invisible.is_empty() {
            // No list would ever show it, so there is nothing to wait for.
            draft.memory.update = None;
            draft.status.drift.extend(invisible);
        }
    }
    if draft.status.drift.is_empty() {
        if unseen.is_empty() && managed {
            draft.status.applied_definition = Some(fingerprint);
        }
        return as_declared(draft);
    }
    if !managed || reports {
        return Finding::Differs(report());
    }
    correct(draft, flow, &body)
}

/// What has changed in the declaration and cannot be compared, as no list shows it. It is sent once.
fn invisible(draft: &mut Draft, unseen: &[Drift], fingerprint: &str) -> Vec<Drift> {
    let mut invisible = Vec::new();
    if draft.status.applied_definition.as_deref() != Some(fingerprint) {
        invisible.extend_from_slice(unseen);
    }
    invisible.extend(outdated_passwords(draft));
    invisible
}

fn as_declared(draft: &mut Draft) -> Finding {
    if draft.is_overtaken() {
        return Finding::First(Decision::look());
    }
    draft.note_shown();
    Finding::AsDeclared
}

/// This run created or updated the flow: the service has just accepted what is declared.
fn written(draft: &mut Draft, flow: &Flow) -> Finding {
    if let Ok(passwords) = &draft.observed.around.passwords {
        draft.status.applied_secrets = password::sources(passwords);
        draft.memory.passwords.applied = Some(password::digests(passwords));
    }
    let body = FlowBody::of(&draft.observed.resource.spec);
    draft.status.applied_definition = body.map(|body| body.fingerprint());
    if draft.just_did(Action::Update) {
        draft.note_update();
        draft.events.push(Event::normal(
            "Updated",
            format!("updated flow {}", flow.id),
        ));
    }
    if draft.memory.update.is_some() {
        draft.wake_in(Some(draft.observed.limits.visibility_window));
    }
    if draft.doubts_updates() {
        return Finding::Differs(Decision::stand(Standing::Unchanged));
    }
    draft.status.drift.clear();
    Finding::AsDeclared
}

/// The service masks passwords, so the only sign of an old one is that its Secret has another value than was sent.
///
/// What counts is the value. Which value was sent is known in memory only; a process that has just started knows which
/// version of the Secret it came from, and takes another version for another value, once.
fn outdated_passwords(draft: &mut Draft) -> Option<Drift> {
    // Nobody knows whether passwords that were never sent differ, and under Report they never are.
    let reports = draft.observed.resource.spec.drift_policy == DriftPolicy::Report;
    if reports && draft.status.applied_secrets.is_empty() {
        return None;
    }
    let passwords = draft.observed.around.passwords.as_ref().ok()?;
    let now = password::digests(passwords);
    if password::sources(passwords) == draft.status.applied_secrets {
        draft.memory.passwords.applied = Some(now);
        return None;
    }
    (draft.memory.passwords.applied.as_ref() != Some(&now)).then(|| Drift {
        path: "creationOptions.configurations.defaultPasswordSettings".to_owned(),
        desired: "the passwords that the Secrets hold now".to_owned(),
        actual: "those that were sent last, or none".to_owned(),
    })
}

fn report() -> Decision {
    Decision::stand(Standing::stalled(
        reason::DRIFTED,
        "the remote flow differs from the spec in the places that status.drift lists, and is not to be changed: change the spec, or set spec.managementPolicy to Manage and spec.driftPolicy to Correct",
    ))
}

fn correct(draft: &mut Draft, flow: &Flow, body: &FlowBody) -> Finding {
    match draft.correction() {
        Correction::Send => {
            let id = flow.id.to_string();
            let differs = |name: &str| draft.status.drift.iter().any(|drift| top(drift) == name);
            let body = body.over(&flow.properties, differs);
            Finding::First(Decision::change(Change::Update { id, body }))
        }
        Correction::Pending => {
            draft.status.drift.clear();
            Finding::AsDeclared
        }
        Correction::Ineffective => Finding::Differs(Decision::stand(Standing::stalled(
            reason::DRIFTED,
            "the service accepted an update and still shows other values in the places that status.drift lists: declare what it shows, or set spec.driftPolicy to Report",
        ))),
        Correction::Look => Finding::First(Decision::look()),
        Correction::Wait(wait) => {
            Finding::First(Decision::stand(Standing::Unchanged).after(Some(wait)))
        }
    }
}

/// The property of the flow that a difference lies in. It is sent whole: nobody knows how the service merges parts.
fn top(drift: &Drift) -> &str {
    drift.path.split(['.', '[']).next().unwrap_or_default()
}
