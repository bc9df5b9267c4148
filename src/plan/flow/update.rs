//! Updates of a flow to the declared state, or reports of its drift.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow::{Break, Continue};

use serde_json::{Map, Value};

use crate::api::{Drift, DriftPolicy, ObservedConfiguration};
use crate::graph::model::{Flow, FlowDefinition};
use crate::plan::compare::Comparison;
use crate::plan::correct::Drifted;
use crate::plan::planner::Next;
use crate::plan::{Action, Planned, compare, password};

use super::{FlowChange, FlowControl, FlowPlanner, observed};

pub(super) fn plan(planner: &mut FlowPlanner, flow: &Flow) -> FlowControl<Drifted> {
    if planner.input.effects.written {
        return Continue(written(planner, flow));
    }
    let shown = flow.properties.to_map();
    observe(planner, flow, &shown);
    planner.update_failed()?;
    let managed = planner.input.resource.is_managed();
    if managed && let Err(blocked) = &planner.input.related.passwords {
        return Break(planner.blocked_by(blocked));
    }
    let Some(definition) = FlowDefinition::of(&planner.input.resource.spec) else {
        return Continue(None);
    };
    let Comparison { drift, unseen } = compare::flow(&definition.properties, &shown);
    planner.status.drift = drift;
    let fingerprint = definition.fingerprint();
    if managed {
        let unseen = if reports(planner) { &[][..] } else { &unseen };
        let invisible = invisible(planner, unseen, &fingerprint);
        if !invisible.is_empty() {
            // Lists do not contain these values, so there is no visible effect to wait for.
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
    planner.differs(|planner| send(planner, flow, &definition))
}

/// Records the configuration that the service shows. Usually neither the list nor the status has changed since this was last
/// done, and comparing their digests costs a hundredth of comparing what they mean.
fn observe(planner: &mut FlowPlanner, flow: &Flow, shown: &Map<String, Value>) {
    let digest = |planner: &FlowPlanner| digest(&(&flow.properties, &planner.status.observed));
    if planner.memory.observed == Some(digest(planner)) {
        return;
    }
    let known = planner.status.observed.as_ref();
    planner.status.observed = planner
        .flow_type()
        .and_then(|kind| observed::configuration(known, kind, shown));
    planner.memory.observed = Some(digest(planner));
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn reports(planner: &FlowPlanner) -> bool {
    planner.input.resource.spec.drift_policy == DriftPolicy::Report
}

/// Returns the changes of the spec that cannot be compared because lists do not contain them. They are sent once.
fn invisible(planner: &mut FlowPlanner, unseen: &[Drift], fingerprint: &str) -> Vec<Drift> {
    let mut invisible = Vec::new();
    if planner.status.applied_definition.as_deref() != Some(fingerprint) {
        invisible.extend_from_slice(unseen);
    }
    invisible.extend(outdated_passwords(planner));
    invisible
}

/// Records that this reconcile created or updated the flow: the service has just accepted the declared state.
fn written(planner: &mut FlowPlanner, flow: &Flow) -> Drifted {
    if let Ok(passwords) = &planner.input.related.passwords {
        planner.status.applied_secrets = password::sources(passwords);
        planner.memory.passwords.applied = Some(password::digests(passwords));
    }
    let definition = FlowDefinition::of(&planner.input.resource.spec);
    planner.status.applied_definition = definition.as_ref().map(FlowDefinition::fingerprint);
    let is_news = planner.just_did(Action::Create) || planner.just_did(Action::Update);
    if let Some(definition) = definition.filter(|_| is_news) {
        planner.status.observed = accepted(planner, flow, &definition);
    }
    planner.written(flow.id.as_str())
}

/// Returns the configuration of a flow that was just created or updated: what was shown of it, with what was sent. So it is
/// what the next list contains, and no other write is needed for it. Responses to creates omit role groups.
fn accepted(
    planner: &FlowPlanner,
    flow: &Flow,
    definition: &FlowDefinition,
) -> Option<ObservedConfiguration> {
    let mut shown = flow.properties.to_map();
    let Comparison { unseen, .. } = compare::flow(&definition.properties, &shown);
    let sent = unseen.iter().chain(&planner.status.drift);
    let sent: Vec<&str> = sent.map(top).collect();
    shown.extend(
        definition
            .over(&shown, |name| sent.contains(&name))
            .properties,
    );
    let known = planner.status.observed.as_ref();
    observed::configuration(known, definition.flow_type, &shown)
}

/// Returns drift if a Secret contains another password than was sent. The service masks passwords, so there is no other
/// way to detect an outdated one.
///
/// Only the value matters, but the value that was sent is known only in memory. A process that has just started has
/// only the recorded version of the Secret, and treats another version as another value, once.
fn outdated_passwords(planner: &mut FlowPlanner) -> Option<Drift> {
    // Passwords that were never sent cannot be compared, and under Report they are never sent.
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
        desired: "the current passwords in the Secrets".to_owned(),
        actual: "the passwords sent last, if any".to_owned(),
        ..Drift::default()
    })
}

/// Sends the properties that differ, each on top of the values that the service returned.
fn send(planner: &FlowPlanner, flow: &Flow, definition: &FlowDefinition) -> Next<FlowChange> {
    let id = flow.id.clone();
    let differs = |name: &str| planner.status.drift.iter().any(|drift| top(drift) == name);
    let definition = definition.over(&flow.properties.to_map(), differs);
    Next::change(FlowChange::Update { id, definition })
}

/// Returns the top-level property that contains the difference. It is sent in full, because how the service merges
/// parts is undocumented.
fn top(drift: &Drift) -> &str {
    drift.path.split(['.', '[']).next().unwrap_or_default()
}
