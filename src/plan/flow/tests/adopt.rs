use super::*;
use crate::api::AdoptionPolicy::{IfExists, Never};
use crate::api::ManagementPolicy::{Manage, Observe};

/// The expected treatment of flow 1, created at 20 s.
#[derive(Debug, PartialEq)]
enum Becomes {
    /// It is adopted, with this event.
    Ours(&'static str),
    /// It is already recorded.
    Known,
    /// It is left unchanged, for this reason.
    Foreign(&'static str),
}

use Becomes::{Foreign, Known, Ours};

fn becomes(resource: ProvisioningFlow) -> Becomes {
    let remote = remote_flow(1, &resource, 20);
    let mut input = input(resource.held(), Some(vec![remote]));
    input.status = input.resource.status.clone().unwrap();
    let plan = plan(&input);
    assert_eq!(plan.step, None);
    match (plan.events.as_slice(), plan.status.id == Some(id(1))) {
        ([event], true) => match event.reason {
            EventReason::Occurrence(occurrence) => Ours(occurrence.as_str()),
            EventReason::Problem(_) => panic!("{event:?}"),
        },
        ([], true) => Known,
        ([], false) if stalled(&plan) == "True/AlreadyExists" => Foreign("AlreadyExists"),
        ([], false) if stalled(&plan) == "True/RemoteIdNotFound" => Foreign("RemoteIdNotFound"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flow_is_taken_over_only_with_a_proof_or_a_permission() {
    let attempts = [None, Some(19), Some(20), Some(21), Some(22)];
    let names = [None, Some(1), Some(2)];
    for management in [Manage, Observe] {
        for adoption in [Never, IfExists] {
            for attempt in attempts {
                for name in names {
                    let mut resource = small().with(|spec| {
                        spec.management_policy = management;
                        spec.adoption_policy = adoption;
                    });
                    if let Some(seconds) = attempt {
                        resource = resource.attempted(seconds);
                    }
                    if let Some(number) = name {
                        resource = resource.annotated(annotation::REMOTE_ID, &id(number));
                    }
                    let made = attempt.is_some();
                    let expected = match (made, name, management, adoption) {
                        (true, ..) => Ours("Created"),
                        (_, Some(2), ..) => Foreign("RemoteIdNotFound"),
                        (_, _, Observe, _) => Ours("Found"),
                        (_, Some(_), ..) | (_, _, _, IfExists) => Ours("Adopted"),
                        _ => Foreign("AlreadyExists"),
                    };
                    let case =
                        format!("{management:?} {adoption:?} attempt {attempt:?} id {name:?}");
                    assert_eq!(becomes(resource), expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn after_an_attempt_the_flow_of_the_type_is_its_outcome_whatever_its_date() {
    for seconds in [-7200, 22, 7200] {
        assert_eq!(becomes(small().attempted(seconds)), Ours("Created"));
    }
}

/// A manifest that was copied or backed up has the attempt of another resource.
#[test]
fn the_attempt_of_another_resource_proves_nothing_for_an_older_flow() {
    for (seconds, expected) in [
        (19, Ours("Created")),
        (21, Ours("Created")),
        (22, Foreign("AlreadyExists")),
    ] {
        assert_eq!(becomes(small().attempted_by("another", seconds)), expected);
    }
}

#[test]
fn who_manages_a_flow_is_recorded_with_its_id() {
    for management in [Manage, Observe] {
        let resource = small().with(|spec| {
            spec.management_policy = management;
            spec.adoption_policy = IfExists;
        });
        let remote = remote_flow(1, &resource, 20);
        let plan = plan(&input(resource.held(), Some(vec![remote])));
        assert_eq!(plan.status.id, Some(id(1)));
        assert_eq!(plan.status.owned, management == Manage);
    }
}

#[test]
fn a_flow_that_was_observed_is_not_managed_while_another_resource_owns_it() {
    let mut world = owned(small());
    world.related.conflict = Some("the owner".to_owned());
    world.edit(|flow| flow.with(|spec| spec.reset_token = Some("a".to_owned())));
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.live(120);
    assert_eq!(world.journal, [Effect::Status]);
    assert!(!world.status().owned);
    assert_eq!(world.status().id, Some(id(1)));
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Conflict"
    );
}

#[test]
fn a_flow_that_is_there_before_the_request_has_left_is_not_ours() {
    let remote = remote_flow(1, &small(), 20);
    let mut input = input(small().held().attempted(20), Some(vec![remote]));
    input.memory.permit = Some(Permit::Create {
        attempt: attempt(20).id,
        repeated: false,
    });
    assert_eq!(stalled(&plan(&input)), "True/AlreadyExists");
    input.memory.permit = Some(Permit::Create {
        attempt: attempt(20).id,
        repeated: true,
    });
    assert_eq!(
        plan(&input).status.id,
        Some(id(1)),
        "an earlier request created it"
    );
}

#[test]
fn a_recorded_flow_needs_no_other_proof() {
    let known = |number: u32, resolved: Option<uuid::Uuid>| {
        small()
            .attempted(9)
            .knowing(move |status: &mut ProvisioningFlowStatus| {
                status.id = Some(id(number).to_uppercase());
                status.resolved_attempt = resolved.map(|id| id.to_string());
            })
    };
    let resolved = Some(attempt(9).id);
    assert_eq!(becomes(known(1, None)), Known);
    assert_eq!(becomes(known(1, resolved)), Known);
    assert_eq!(
        becomes(known(2, resolved)),
        Foreign("AlreadyExists"),
        "the attempt created another flow"
    );
    assert_eq!(
        becomes(known(2, Some(uuid::Uuid::nil()))),
        Ours("Created"),
        "the attempt is younger than what is known"
    );
}

#[test]
fn a_broken_attempt_proves_nothing() {
    for value in [
        "",
        "/",
        "yesterday/7",
        "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:00Z/seven/users",
        "2026-11-23T08:00:00Z/00000000-0000-0000-0000-000000000007",
    ] {
        let resource = small().annotated(annotation::CREATE_ATTEMPT, value);
        assert_eq!(becomes(resource), Foreign("AlreadyExists"), "{value}");
    }
}

#[test]
fn a_flow_is_held_before_it_is_adopted_but_not_when_it_is_only_observed() {
    for (management, step) in [
        (Manage, Some(Step::Resource(ResourceStep::AddFinalizer))),
        (Observe, None),
    ] {
        let resource = small().with(|spec| {
            spec.management_policy = management;
            spec.adoption_policy = IfExists;
        });
        let remote = remote_flow(1, &resource, 20);
        assert_eq!(plan(&input(resource, Some(vec![remote]))).step, step);
    }
}

#[test]
fn two_flows_of_a_type_are_told_and_not_mended() {
    let remotes = vec![remote_flow(1, &small(), 20), remote_flow(2, &small(), 21)];
    let plan = plan(&input(small().held().attempted(9), Some(remotes)));
    assert_eq!(plan.step, None);
    assert_eq!(stalled(&plan), "True/DuplicateRemote");
    assert!(plan.status.conditions[0].message.contains(&id(2)));
}

#[test]
fn flows_of_other_and_of_unknown_types_are_not_ours() {
    let mut unknown = remote_flow(1, &small(), 20);
    unknown.flow_type = None;
    let others = vec![unknown, remote_flow(2, &flow(FlowType::User), 20)];
    let step = plan(&input(small(), Some(others))).step;
    assert!(matches!(
        step,
        Some(Step::Resource(ResourceStep::WriteIntent { .. }))
    ));
}

#[test]
fn a_name_that_no_flow_bears_creates_nothing() {
    let plan = plan(&input(
        small().annotated(annotation::REMOTE_ID, &id(1)),
        Some(Vec::new()),
    ));
    assert_eq!(plan.step, None);
    assert_eq!(stalled(&plan), "True/RemoteIdNotFound");
}

#[test]
fn an_observer_of_nothing_creates_nothing() {
    let resource = small().with(|spec| spec.management_policy = Observe);
    let plan = plan(&input(resource, Some(Vec::new())));
    assert_eq!(plan.step, None);
    assert_eq!(stalled(&plan), "True/NotFound");
}

#[test]
fn a_restored_resource_finds_its_flow_by_the_attempt() {
    let mut world = owned(small());
    world.edit(|mut flow| {
        flow.status = None;
        flow
    });
    world.memory = crate::plan::Memory::default();
    world.live(60);
    assert_eq!(world.count(CREATE), 0);
    assert_eq!(world.status().id.as_deref(), Some(id(1).as_str()));
}

#[test]
fn a_flow_of_the_set_before_is_forgotten() {
    let mut world = owned(small());
    world.target.as_mut().unwrap().set = Some(OTHER_SET.parse().unwrap());
    let now = world.now;
    world.service.meddle(now, Vec::clear);
    world.poll();
    world.reconcile();
    assert_eq!(
        world.journal,
        [
            Effect::ClearIntent,
            Effect::WriteIntent,
            CREATE,
            Effect::Status
        ]
    );
    assert_eq!(world.status().flow_set_id.as_deref(), Some(OTHER_SET));
    assert_eq!(world.status().id.as_deref(), Some(id(101).as_str()));
}

#[test]
fn an_attempt_in_the_set_before_is_no_claim_to_the_flow_of_another() {
    let mut world = owned(small());
    world.target.as_mut().unwrap().set = Some(OTHER_SET.parse().unwrap());
    let (now, foreign) = (world.now, remote_flow(2, &small(), 25));
    world.service.meddle(now, |flows| *flows = vec![foreign]);
    world.live(20);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/AlreadyExists"
    );
    assert_eq!(world.status().id, None);
}
