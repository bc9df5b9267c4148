//! Brings a flow to what is declared, or reports where it differs.

use std::ops::ControlFlow::{Break, Continue};

use crate::api::{Drift, DriftPolicy};
use crate::graph::model::Flow;
use crate::plan::compare::Comparison;
use crate::plan::correct::Drifted;
use crate::plan::definition::FlowBody;
use crate::plan::planner::Next;
use crate::plan::{Planned, compare, password};

use super::{Change, Control, Planner};

pub(super) fn plan(planner: &mut Planner, flow: &Flow) -> Control<Drifted> {
    if planner.input.effects.written {
        return Continue(written(planner, flow));
    }
    planner.update_failed()?;
    let managed = planner.input.resource.is_managed();
    if managed && let Err(blocked) = &planner.input.related.passwords {
        return Break(planner.blocked_by(blocked));
    }
    let Some(body) = FlowBody::of(&planner.input.resource.spec) else {
        return Continue(None);
    };
    let Comparison { drift, unseen } = compare::flow(&body.properties, &flow.properties);
    planner.status.drift = drift;
    let fingerprint = body.fingerprint();
    if managed {
        let unseen = if reports(planner) { &[][..] } else { &unseen };
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
        return planner.as_declared();
    }
    planner.differs(|planner| send(planner, flow, &body))
}

fn reports(planner: &Planner) -> bool {
    planner.input.resource.spec.drift_policy == DriftPolicy::Report
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

/// This reconcile created or updated the flow: the service has just accepted what is declared.
fn written(planner: &mut Planner, flow: &Flow) -> Drifted {
    if let Ok(passwords) = &planner.input.related.passwords {
        planner.status.applied_secrets = password::sources(passwords);
        planner.memory.passwords.applied = Some(password::digests(passwords));
    }
    let body = FlowBody::of(&planner.input.resource.spec);
    planner.status.applied_definition = body.map(|body| body.fingerprint());
    planner.written(flow.id.as_str())
}

/// The service masks passwords, so the only sign of an old one is that its Secret has another value than was sent.
///
/// What counts is the value. Which value was sent is known in memory only; a process that has just started knows which
/// version of the Secret it came from, and takes another version for another value, once.
fn outdated_passwords(planner: &mut Planner) -> Option<Drift> {
    // Nobody knows whether passwords that were never sent differ, and under Report they never are.
    if reports(planner) && planner.status.applied_secrets.is_empty() {
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

/// Sends the properties that differ, each over what the service shows of it.
fn send(planner: &Planner, flow: &Flow, body: &FlowBody) -> Next<Change> {
    let id = flow.id.to_string();
    let differs = |name: &str| planner.status.drift.iter().any(|drift| top(drift) == name);
    let body = body.over(&flow.properties, differs);
    Next::change(Change::Update { id, body })
}

/// The property of the flow that a difference lies in. It is sent whole: nobody knows how the service merges parts.
fn top(drift: &Drift) -> &str {
    drift.path.split(['.', '[']).next().unwrap_or_default()
}
