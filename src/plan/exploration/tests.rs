use industrydata_testbed::measured;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::object::HasSpec;

use super::*;
use crate::api::{OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::graph::model::FlowType;
use crate::plan::resource::is_deleting;
use crate::plan::testing::*;

fn small() -> ProvisioningFlow {
    flow(FlowType::SecurityGroup)
}

fn scenario<K: Explored>(name: &'static str, start: State<K>, deeds: &[Deed<K>]) -> Scenario<K> {
    Scenario {
        name,
        start,
        deeds: deeds.to_vec(),
        variant: Variant::Sound,
    }
}

/// Two processes, and this resource as just applied by a user.
fn applied<K: Explored>(resource: K) -> State<K> {
    State::new(vec![resource], 2)
}

/// The same, in the settled state.
fn settled<K: Explored>(resource: K) -> State<K> {
    let rest = settle(
        applied(resource.clone()),
        &scenario("rest", applied(resource), &[]),
        &mut Rested::new(),
    );
    rest.unwrap_or_else(|violation| panic!("{violation}"))
}

/// The same as [`applied`], with a service whose lists lag by one tick.
fn lagging<K: Explored>(resource: K) -> State<K> {
    let mut state = applied(resource);
    state.service.change(|service| service.lag = TICK);
    state
}

/// The same resource as another object.
fn renamed<K: Explored>(mut resource: K, uid: &str) -> K {
    resource.meta_mut().uid = Some(uid.to_owned());
    resource
}

fn deed<K: Explored>(name: &'static str, act: fn(&mut State<K>) -> bool) -> Deed<K> {
    Deed { name, act }
}

fn delete<K: Explored>() -> Deed<K> {
    deed("delete", |state| state.delete(0))
}

fn label<K: Explored>() -> Deed<K> {
    deed("label", |state| {
        state.edit(0, |resource| {
            resource
                .labels_mut()
                .insert("some".to_owned(), "label".to_owned());
        })
    })
}

/// The resource is removed despite its finalizer and restored from a backup: its metadata and spec, as another object.
fn restore<K: Explored>() -> Deed<K> {
    deed("restore", |state| {
        let Some(resource) = state.resource(0).filter(|resource| !is_deleting(*resource)) else {
            return false;
        };
        let mut restored = renamed(resource.clone(), "restored");
        *restored.status_mut() = None;
        restored.meta_mut().generation = Some(1);
        restored.meta_mut().creation_timestamp = Some(Time(state.now));
        state.write(0, Some(restored));
        true
    })
}

fn lose<K: Explored>() -> Deed<K> {
    deed("another client deletes the object", |state| {
        let Some(item) = state.service.items().first() else {
            return false;
        };
        let id = K::id(item);
        state.ledger.change(|ledger| ledger.lost(id));
        let now = state.now;
        state.service.change(|service| {
            service.meddle(now, |items| {
                items.remove(0);
            });
        });
        true
    })
}

fn edit_object<K: Explored>() -> Deed<K> {
    deed("another client edits the object", |state| {
        let now = state.now;
        state.service.change(|service| {
            service.meddle(now, |items| {
                items.iter_mut().for_each(K::meddle);
            });
        });
        !state.service.items().is_empty()
    })
}

fn token(name: &'static str) -> Deed<ProvisioningFlow> {
    let act: fn(&mut State<ProvisioningFlow>) -> bool = match name {
        "a" => |state| state.edit(0, |flow| flow.spec.reset_token = Some("a".to_owned())),
        _ => |state| state.edit(0, |flow| flow.spec.reset_token = Some("b".to_owned())),
    };
    deed(name, act)
}

fn apply_flow_again() -> Deed<ProvisioningFlow> {
    deed("apply again", |state| apply_again(state, small()))
}

fn apply_set_again() -> Deed<OutboundProvisioningFlowSet> {
    deed("apply again", |state| apply_again(state, flow_set()))
}

fn apply_again<K: Explored>(state: &mut State<K>, resource: K) -> bool {
    let free = state.resource(0).is_none();
    if free {
        let mut resource = renamed(resource, "again");
        resource.meta_mut().creation_timestamp = Some(Time(state.now));
        state.write(0, Some(resource));
    }
    free
}

fn rename_set() -> Deed<OutboundProvisioningFlowSet> {
    deed("rename", |state| {
        state.edit(0, |set| {
            set.spec_mut().display_name = "District south".to_owned();
        })
    })
}

/// The scenarios of flows: initial state, number of faults and ticks, and actions of other clients.
fn flows() -> Vec<Scenario<ProvisioningFlow>> {
    let twins = vec![renamed(small(), "first"), renamed(small(), "second")];
    let new = || applied(small());
    let old = || settled(small());
    vec![
        scenario("create a flow", new().allowing(2, 2), &[]),
        scenario(
            "create a flow, late to show",
            lagging(small()).allowing(1, 2),
            &[],
        ),
        scenario(
            "create a flow that is labelled",
            new().allowing(1, 1),
            &[label()],
        ),
        scenario(
            "create and delete a flow",
            new().allowing(1, 2),
            &[delete()],
        ),
        scenario(
            "two resources for a flow",
            State::new(twins, 1).allowing(1, 1),
            &[delete()],
        ),
        scenario("restore a flow", new().allowing(1, 1), &[restore()]),
        scenario(
            "reset a flow twice",
            old().allowing(1, 0),
            &[token("a"), token("b")],
        ),
        scenario("reset a flow", old().allowing(2, 1), &[token("a")]),
        scenario(
            "reset and restore a flow",
            old().allowing(1, 0),
            &[token("a"), restore()],
        ),
        scenario("lose a flow", old().allowing(1, 3), &[lose()]),
        scenario("correct a flow", old().allowing(1, 3), &[edit_object()]),
        scenario("delete a flow", old().allowing(2, 1), &[delete()]),
        scenario("a flow is not listed", old().blanking().allowing(1, 3), &[]),
        scenario(
            "apply a flow again",
            old().allowing(0, 1),
            &[delete(), apply_flow_again()],
        ),
    ]
}

/// The scenarios of sets.
fn sets() -> Vec<Scenario<OutboundProvisioningFlowSet>> {
    let twins = vec![renamed(flow_set(), "first"), renamed(flow_set(), "second")];
    let new = || applied(flow_set());
    let old = || settled(flow_set());
    vec![
        scenario("create a set", new().allowing(2, 2), &[]),
        scenario(
            "create a set, late to show",
            lagging(flow_set()).allowing(1, 2),
            &[],
        ),
        scenario("rename a set", new().allowing(1, 1), &[rename_set()]),
        scenario("create and delete a set", new().allowing(1, 2), &[delete()]),
        scenario(
            "two resources for a set",
            State::new(twins, 1).allowing(1, 0),
            &[delete()],
        ),
        scenario("restore a set", new().allowing(1, 1), &[restore()]),
        scenario("lose a set", old().allowing(1, 3), &[lose()]),
        scenario("correct a set", old().allowing(1, 3), &[edit_object()]),
        scenario("delete a set", old().allowing(2, 1), &[delete()]),
        scenario("a set is not listed", old().blanking().allowing(1, 3), &[]),
        scenario(
            "apply a set again",
            old().allowing(0, 1),
            &[delete(), apply_set_again()],
        ),
    ]
}

/// Explores all scenarios to their end.
fn sound<K: Explored>(what: &str, scenarios: &[Scenario<K>]) {
    let mut violations = Vec::new();
    let (mut states, mut moves) = (0, 0);
    for scenario in scenarios {
        let found = explore(scenario);
        println!("{}: {} states", scenario.name, found.states);
        states += found.states;
        moves += found.moves;
        violations.extend(found.violation);
    }
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
    let figure = format!(
        "{} scenarios, {states} states, {moves} moves",
        scenarios.len()
    );
    measured(&format!("exploration: {what}"), &figure).unwrap();
}

#[test]
fn flows_are_never_made_or_reset_twice_and_never_lost() {
    sound("flows", &flows());
}

#[test]
fn sets_are_never_made_twice_and_never_lost() {
    sound("sets", &sets());
}

#[test]
fn every_broken_variant_is_caught() {
    for (variant, faults, flow, set) in [
        (Variant::NoIntent, 1, "create a flow", "create a set"),
        (
            Variant::AmbiguousIsRefusal,
            1,
            "create a flow",
            "create a set",
        ),
        (Variant::LastingPermit, 1, "create a flow", "create a set"),
        (
            Variant::ConflictIsRefusal,
            1,
            "create a flow",
            "create a set",
        ),
        (
            Variant::UnverifiedDeletion,
            1,
            "create and delete a flow",
            "create and delete a set",
        ),
        (
            Variant::UnfetchedRecreation,
            1,
            "a flow is not listed",
            "a set is not listed",
        ),
        // A recorded object is also read by its id, so only a create with an unknown outcome is affected.
        (
            Variant::UnreadableIsEmpty,
            2,
            "create a flow",
            "create a set",
        ),
    ] {
        assert_caught(flows(), flow, variant, faults);
        assert_caught(sets(), set, variant, faults);
    }
    // Sets are never reset, so at worst, a status is wrong until the next reconcile.
    assert_caught(flows(), "reset a flow twice", Variant::BlindStatus, 1);
}

/// The number of faults with which each defect must be detected.
fn assert_caught<K: Explored>(
    scenarios: Vec<Scenario<K>>,
    name: &str,
    variant: Variant,
    faults: u8,
) {
    let mut scenarios = scenarios.into_iter();
    let mut scenario = scenarios
        .find(|scenario| scenario.name == name)
        .unwrap_or_else(|| panic!("there is no scenario {name:?}"));
    scenario.variant = variant;
    scenario.start.faults = scenario.start.faults.min(faults);
    let violation = explore(&scenario).violation;
    assert!(
        violation.is_some(),
        "{variant:?} is not noticed in {name:?}"
    );
}
