//! Rules that hold for every plan, whatever the input.

use crate::api::condition::{READY, RECONCILING, STALLED};
use crate::plan::conditions::{find, is_true};
use crate::plan::resource::is_deleting;
use crate::plan::{Action, Input, Permit, Plan, Planned, Read, ResourceStep, SharedStatus, Step};

use super::{SET, Simulated};

/// Panics if `plan` breaks a rule.
pub(crate) fn check<K: Simulated>(input: &Input<K>, plan: &Plan<K>) {
    assert_eq!(K::plan(input), *plan, "planned twice, decided twice");
    assert!(plan.requeue_after.is_none_or(|again| again.is_positive()));
    permits(input, plan);
    ignorance(input, plan);
    restraint(input, plan);
    conditions(input, plan);
    stable_messages(plan);
}

fn permits<K: Simulated>(input: &Input<K>, plan: &Plan<K>) {
    let permit = input.memory.permit.as_ref().map(Permit::action);
    if let Some(action @ (Action::Create | Action::Reset)) = action(plan) {
        assert_eq!(permit, Some(action));
    }
}

/// Checks that unknown facts never lead to a change.
fn ignorance<K: Simulated>(input: &Input<K>, plan: &Plan<K>) {
    let known = matches!(input.collection, Some(Read::Known(_)));
    if (known && input.target.is_ok()) || is_deleting(&*input.resource) {
        return;
    }
    assert!(matches!(
        plan.step,
        None | Some(
            Step::Refresh | Step::Resource(ResourceStep::AddFinalizer | ResourceStep::ClearIntent)
        )
    ));
}

/// Checks that a suspended or conflicting resource changes nothing, and that nothing is deleted except on request.
fn restraint<K: Simulated>(input: &Input<K>, plan: &Plan<K>) {
    let deleting = is_deleting(&*input.resource);
    if K::stands_back(input) && !deleting {
        assert_eq!(plan.step, None);
    }
    if !deleting {
        assert_ne!(action(plan), Some(Action::Delete));
        assert_ne!(
            plan.step,
            Some(Step::Resource(ResourceStep::RemoveFinalizer))
        );
    } else if let Some(action) = action(plan) {
        assert_eq!(action, Action::Delete);
    }
    if K::only_observes(input) || K::is_foreign(input) {
        assert_eq!(action(plan), None);
    }
}

fn conditions<K: Simulated>(input: &Input<K>, plan: &Plan<K>) {
    let old = Planned::status(&*input.resource).map_or(&[][..], SharedStatus::conditions);
    let new = plan.status.conditions();
    assert!(!(is_true(new, RECONCILING) && is_true(new, STALLED)));
    if *new != *old {
        assert!(!(is_true(new, READY) && is_true(new, STALLED)), "{new:?}");
    }
    assert!(K::generation_told(&plan.status) >= K::generation_told(&input.status));
    for condition in new {
        let before = find(old, &condition.type_);
        let Some(before) = before else { continue };
        let (was, is) = (
            &before.last_transition_time.0,
            &condition.last_transition_time.0,
        );
        let flipped = before.status != condition.status;
        // If no time has passed since the last transition, the next one has the same time.
        let consistent = if flipped {
            is > was || *is == input.now
        } else {
            is == was
        };
        assert!(consistent, "{}", condition.type_);
    }
}

/// Checks that a message is stable. Dates, request ids and durations would change a condition without a change of
/// state. Ids of remote objects are part of the state.
fn stable_messages<K: Simulated>(plan: &Plan<K>) {
    for condition in plan.status.conditions() {
        let words = condition
            .message
            .split(|c: char| matches!(c, ',' | ':' | ';' | '(' | ')') || c.is_whitespace());
        for word in
            words.filter(|word| !word.starts_with("aaaaaaaa-bbbb-4ccc-8ddd-") && *word != SET)
        {
            let digits = word.chars().filter(char::is_ascii_digit).count();
            assert!(digits < 3, "{}", condition.message);
        }
    }
}

fn action<K: Simulated>(plan: &Plan<K>) -> Option<Action> {
    match &plan.step {
        Some(Step::Remote(change)) => Some(K::action(change)),
        _ => None,
    }
}
