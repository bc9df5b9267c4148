//! Updates of a set to the declared state, or reports of its drift.

use std::ops::ControlFlow::{Break, Continue};

use crate::graph::model::{FlowSet, FlowSetDefinition};
use crate::plan::correct::Drifted;
use crate::plan::planner::Next;
use crate::plan::{ResourceStep, compare};

use super::{FlowSetChange, FlowSetControl, FlowSetPlanner};

/// Ends planning if the set must be updated, or if drift remains.
pub(super) fn plan(planner: &mut FlowSetPlanner, set: &FlowSet) -> FlowSetControl {
    match drifted(planner, set)? {
        Some(drifted) => Break(Next::wait(drifted)),
        None => Continue(()),
    }
}

fn drifted(planner: &mut FlowSetPlanner, set: &FlowSet) -> FlowSetControl<Drifted> {
    if planner.input.effects.written {
        return Continue(planner.written(set.id.as_str()));
    }
    planner.update_failed()?;
    let definition = FlowSetDefinition::of(&planner.input.resource.spec);
    planner.status.drift = compare::flow_set(&definition, set);
    if planner.status.drift.is_empty() {
        return planner.as_declared();
    }
    planner.differs(|planner| send(planner, set, definition))
}

/// Updates the set, after its id is recorded: until then, the set is only identified by its name, and an update could
/// change the name.
fn send(
    planner: &FlowSetPlanner,
    set: &FlowSet,
    definition: FlowSetDefinition,
) -> Next<FlowSetChange> {
    if !planner.records(set.id.as_str()) {
        return Next::write(ResourceStep::WriteStatus(None));
    }
    let id = set.id.clone();
    Next::change(FlowSetChange::Update { id, definition })
}
