use serde_json::{Value, json};

use super::create::{password, secret};
use super::*;
use crate::api::DriftPolicy;
use crate::api::DriftPolicy::{Correct, Report};
use crate::plan::Password;

fn update(step: Option<Step<FlowChange>>) -> Vec<String> {
    match step {
        Some(Step::Remote(FlowChange::Update { body, .. })) => {
            body.properties.keys().cloned().collect()
        }
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// Returns what is sent for a flow that is as declared except for `change`, and where it differs.
fn sent(kind: FlowType, change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
    let mut remote = remote_flow(1, &flow(kind), 10);
    let mut properties = Value::Object(remote.properties);
    change(&mut properties);
    remote.properties = properties.as_object().unwrap().clone();
    let resource = flow(kind)
        .held()
        .knowing(|status: &mut ProvisioningFlowStatus| {
            status.id = Some(id(1));
            let declared = crate::plan::definition::FlowBody::of(&flow(kind).spec);
            status.applied_definition = declared.map(|body| body.fingerprint());
        });
    let plan = plan(&input(resource, Some(vec![remote])));
    let paths = plan.status.drift.iter().map(|drift| drift.path.clone());
    (update(plan.step.clone()), paths.collect())
}

/// Sets what `pointer` names to `value`, and expects one update of the property in which the difference at `path` lies.
fn expect_update(kind: FlowType, pointer: &str, value: &Value, path: &str) {
    let sent = sent(kind, |flow| {
        *flow.pointer_mut(pointer).unwrap() = value.clone();
    });
    let property = pointer.split('/').nth(1).unwrap().to_owned();
    assert_eq!(
        sent,
        (vec![property], vec![path.to_owned()]),
        "{pointer} {value}"
    );
}

#[test]
fn each_difference_is_one_update_of_its_whole_property() {
    use FlowType::{AdministrativeUnit, ClassGroup, SecurityGroup, User};
    let cases = [
        (AdministrativeUnit, "creationOptions", json!(null)),
        (
            AdministrativeUnit,
            "creationOptions.createBasedOnOrg",
            json!(false),
        ),
        (
            AdministrativeUnit,
            "creationOptions.createBasedOnOrgPlusRoleGroup",
            json!(true),
        ),
        (
            SecurityGroup,
            "creationOptions.createBasedOnRoleGroup",
            json!(false),
        ),
        (
            SecurityGroup,
            "creationOptions.createBasedOnOrgPlusRoleGroup",
            json!(true),
        ),
        (
            ClassGroup,
            "configuration.additionalAttributes",
            json!(["courseTitle"]),
        ),
        (
            ClassGroup,
            "configuration.additionalAttributes",
            json!(["courseTitle", "courseCode"]),
        ),
        (
            ClassGroup,
            "configuration.additionalOptions.createTeam",
            json!(false),
        ),
        (
            ClassGroup,
            "configuration.additionalOptions.writeDisplayNameOnCreateOnly",
            json!(true),
        ),
        (
            ClassGroup,
            "configuration.enrollmentMappings.ownerEnrollmentMappings",
            json!([{ "code": "aide" }]),
        ),
        (
            ClassGroup,
            "configuration.enrollmentMappings.memberEnrollmentMappings",
            json!([]),
        ),
        (User, "createUnmatchedUsers", json!(null)),
        (User, "managementOptions.additionalAttributes", json!([])),
        (
            User,
            "managementOptions.additionalOptions.studentAgeGroup",
            json!("adult"),
        ),
        (
            User,
            "managementOptions.additionalOptions.studentAgeGroup",
            json!(null),
        ),
        (
            User,
            "managementOptions.additionalOptions.allowStudentContactAssociation",
            json!(true),
        ),
        (User, "creationOptions", json!(null)),
        (User, "creationOptions.configurations", json!([])),
    ];
    for (kind, path, value) in cases {
        expect_update(kind, &format!("/{}", path.replace('.', "/")), &value, path);
    }
}

#[test]
fn configurations_are_told_apart_by_their_role_group() {
    let all = "creationOptions.configurations";
    let cases = [
        ("0/licenseSkus", json!([]), "[students].licenseSkus"),
        ("1/licenseSkus/0", json!("other"), "[staff].licenseSkus"),
        ("1/roleGroup/id", json!("others"), ""),
    ];
    for (pointer, value, path) in cases {
        let pointer = format!("/creationOptions/configurations/{pointer}");
        expect_update(FlowType::User, &pointer, &value, &format!("{all}{path}"));
    }
}

#[test]
fn two_differing_properties_are_one_update() {
    let (properties, _) = sent(FlowType::User, |flow| {
        flow["createUnmatchedUsers"] = json!(false);
        flow["managementOptions"]["additionalAttributes"] = json!(["userNumber"]);
    });
    assert_eq!(properties, ["createUnmatchedUsers", "managementOptions"]);
}

/// Something that the service returns in another form.
type Edit = fn(&mut Value);

#[test]
fn what_only_looks_different_is_not_sent() {
    for kind in FlowType::ALL {
        assert_eq!(
            sent(kind, |_| {}),
            (vec![], vec![]),
            "{kind} as the service returns it"
        );
    }
    let changes: [(&str, Edit); 5] = [
        ("letter case of a role group", |flow| {
            flow["creationOptions"]["configurations"][0]["roleGroup"]["id"] = json!("STUDENTS");
        }),
        ("letter case of an enum member", |flow| {
            flow["managementOptions"]["additionalOptions"]["studentAgeGroup"] = json!("Minor");
        }),
        ("false left out", |flow| {
            flow["managementOptions"]["additionalOptions"]["allowStudentContactAssociation"] =
                json!(null);
        }),
        ("a property that we do not know", |flow| {
            flow["news"] = json!({ "a": [1] });
        }),
        ("role groups left out", |flow| {
            flow["creationOptions"]["configurations"] = json!([{ "licenseSkus": [] }]);
        }),
    ];
    for (what, change) in changes {
        assert_eq!(sent(FlowType::User, change), (vec![], vec![]), "{what}");
    }
}

#[test]
fn an_update_costs_one_request_and_at_most_one_write() {
    let mut world = owned(small());
    world.edit(|flow| {
        flow.with(|spec| {
            spec.security_group
                .as_mut()
                .unwrap()
                .creation_options
                .create_based_on_role_group = false;
        })
    });
    world.live(300);
    assert_eq!(world.journal, [UPDATE, Effect::Status]);
    assert_eq!(world.status().observed_generation, 2);
    assert_eq!(world.events, ["Updated"]);
}

#[test]
fn an_update_of_a_service_that_shows_it_late_is_sent_once() {
    let mut world = owned(small());
    world.service.lag = k8s_openapi::jiff::SignedDuration::from_secs(20);
    drift(&mut world);
    world.live(200);
    assert_eq!(world.count(UPDATE), 1);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
}

#[test]
fn an_edit_right_after_an_update_is_sent_at_once() {
    let mut world = owned(small());
    let set = |world: &mut World<ProvisioningFlow>, org: bool, group: bool| {
        world.edit(|flow| {
            flow.with(|spec| {
                let options = &mut spec.security_group.as_mut().unwrap().creation_options;
                options.create_based_on_role_group = group;
                options.create_based_on_org_plus_role_group = org;
            })
        });
        world.reconcile();
    };
    set(&mut world, false, false);
    assert_eq!(world.count(UPDATE), 1);
    set(&mut world, true, false);
    assert_eq!(world.count(UPDATE), 2);
    set(&mut world, false, true);
    assert_eq!(world.count(UPDATE), 3, "back to what the last list showed");
    assert_eq!(world.status().observed_generation, 4);
    let shown = &world.service.items()[0].properties["creationOptions"];
    assert_eq!(shown["createBasedOnRoleGroup"], json!(true));
    assert_eq!(shown["createBasedOnOrgPlusRoleGroup"], json!(false));
}

#[test]
fn an_edit_that_is_taken_back_at_once_is_taken_back_at_the_service() {
    let mut world = owned(small());
    for wanted in [false, true] {
        world.edit(|flow| {
            flow.with(|spec| {
                let options = &mut spec.security_group.as_mut().unwrap().creation_options;
                options.create_based_on_role_group = wanted;
            })
        });
        world.reconcile();
        let shown = &world.service.items()[0].properties["creationOptions"];
        assert_eq!(shown["createBasedOnRoleGroup"], json!(wanted));
    }
    assert_eq!(world.count(UPDATE), 2);
}

#[test]
fn under_report_and_for_observers_a_difference_is_only_told() {
    let policies: [(DriftPolicy, ManagementPolicy); 3] = [
        (Report, ManagementPolicy::Manage),
        (Report, ManagementPolicy::Observe),
        (Correct, ManagementPolicy::Observe),
    ];
    for (drift_policy, management) in policies {
        let mut world = owned(small().with(|spec| {
            spec.drift_policy = drift_policy;
            spec.management_policy = management;
        }));
        drift(&mut world);
        world.live(100);
        assert_eq!(world.journal, [Effect::Status]);
        let status = world.status();
        assert_eq!(condition_text(&status.conditions, STALLED), "True/Drifted");
        assert_eq!(condition_text(&status.conditions, SYNCED), "False/Drifted");
        assert_eq!(
            status.drift[0].path,
            "creationOptions.createBasedOnRoleGroup"
        );
        assert_eq!(
            (
                status.drift[0].desired.as_str(),
                status.drift[0].actual.as_str()
            ),
            ("true", "false")
        );
        assert_eq!(world.events, ["Drifted"]);
    }
}

#[test]
fn a_new_password_is_sent_with_its_creation_options() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Ok(vec![password("1")]);
    world.reconcile();
    world.related.passwords = Ok(vec![password("2")]);
    world.reconcile();
    assert_eq!(
        world.count(UPDATE),
        2,
        "also within the window after the last update"
    );
    assert_eq!(world.status().applied_secrets, [secret("2")]);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
    world.live(100);
    assert_eq!(world.count(UPDATE), 2);
    assert!(world.status().drift.is_empty());
}

#[test]
fn a_new_password_differs_in_creation_options_only_and_says_nothing_of_itself() {
    let mut resource =
        flow(FlowType::User)
            .held()
            .knowing(|status: &mut ProvisioningFlowStatus| {
                status.id = Some(id(1));
                status.applied_secrets = vec![secret("1")];
            });
    resource.spec.drift_policy = Report;
    let remote = remote_flow(1, &resource, 10);
    let mut input = input(resource, Some(vec![remote]));
    input.related.passwords = Ok(vec![password("2")]);
    let planned = plan(&input);
    assert_eq!(planned.status.drift.len(), 1);
    assert!(planned.status.drift[0].path.starts_with("creationOptions."));
    let mut correcting = (*input.resource).clone();
    correcting.spec.drift_policy = Correct;
    input.resource = std::sync::Arc::new(correcting);
    assert_eq!(update(plan(&input).step), ["creationOptions"]);
}

#[test]
fn a_secret_that_changes_around_the_password_is_no_difference() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Ok(vec![password("1")]);
    world.reconcile();
    world.journal.clear();
    let touched = Password {
        source: secret("2"),
        ..password("1")
    };
    world.related.passwords = Ok(vec![touched]);
    world.live(100);
    assert_eq!(
        world.journal,
        [],
        "another version of the Secret with the same value"
    );
    world.memory = crate::plan::Memory::default();
    world.live(100);
    assert_eq!(
        world.count(UPDATE),
        1,
        "a new process sends what it has not seen"
    );
}

#[test]
fn what_lists_do_not_show_is_sent_once_after_it_was_declared() {
    let mut world = owned(flow(FlowType::User));
    let hide = |flows: &mut Vec<Flow>| {
        let options = &mut flows[0].properties["creationOptions"];
        options["configurations"] = json!([{ "licenseSkus": [] }]);
    };
    let now = world.now;
    world.service.meddle(now, hide);
    world.live(60);
    assert_eq!(world.journal, [], "nothing was declared since");
    world.edit(|flow| {
        flow.with(|spec| {
            let user = spec.user.as_mut().unwrap();
            user.creation_options.as_mut().unwrap().configurations[0]
                .license_skus
                .clear();
        })
    });
    let now = world.now;
    world.reconcile();
    assert_eq!(world.count(UPDATE), 1);
    world.service.meddle(now, hide);
    world.live(300);
    assert_eq!(world.count(UPDATE), 1);
    assert_eq!(
        condition_text(&world.status().conditions, READY),
        "True/Ready"
    );
}

#[test]
fn a_replica_that_shows_the_old_values_for_a_while_is_no_reason_for_another_update() {
    let mut world = owned(small());
    let old = world.service.items().to_vec();
    drift(&mut world);
    world.reconcile();
    let new = world.service.items().to_vec();
    for round in 0..8 {
        let shown = if round % 2 == 0 { &new } else { &old };
        let mut shown = shown.clone();
        shown[0].properties["creationOptions"]["createBasedOnRoleGroup"] = json!(round % 2 == 0);
        let now = world.now;
        world.service.meddle(now, |flows| *flows = shown);
        world.live(3);
    }
    assert_eq!(world.count(UPDATE), 1);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
}

#[test]
fn under_report_a_password_that_was_never_sent_is_no_difference() {
    let mut resource = flow(FlowType::User).annotated(annotation::REMOTE_ID, &id(1));
    resource.spec.drift_policy = Report;
    let remote = remote_flow(1, &resource, 10);
    let mut world = World::new(resource).holding(vec![remote]);
    world.related.passwords = Ok(vec![password("1")]);
    world.live(30);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
    world.edit(|flow| flow.with(|spec| spec.drift_policy = Correct));
    world.live(30);
    assert_eq!(
        world.count(UPDATE),
        1,
        "the values at the service are unknown"
    );
}

#[test]
fn a_missing_password_secret_stops_an_owned_flow() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Err(Blocked::person(reason::SECRET_NOT_FOUND, "create it"));
    world.reconcile();
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/SecretNotFound"
    );
    assert_eq!(world.journal, [Effect::Status]);
}

#[test]
fn a_refused_update_is_told_and_repeated_slowly() {
    let mut world = owned(small()).when(UPDATE, Fate::failed(refused(Reason::Rejected)));
    drift(&mut world);
    world.live(25);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Rejected"
    );
    assert_eq!(world.count(UPDATE), 0);
    world.live(20);
    assert_eq!(world.count(UPDATE), 1);
    assert_eq!(world.status().retry, None);
    assert_eq!(world.events, ["Rejected", "Recovered", "Updated"]);
}

#[test]
fn a_lost_update_is_sent_again() {
    for fate in [
        Fate::answer_lost(),
        Fate::request_lost(),
        Fate::crash_before(),
        Fate::crash_after(),
    ] {
        let mut world = owned(small()).when(UPDATE, fate.clone());
        drift(&mut world);
        world.live(100);
        assert_eq!(world.count(UPDATE), 1, "{fate:?}");
        assert_eq!(
            condition_text(&world.status().conditions, SYNCED),
            "True/Synced",
            "{fate:?}"
        );
    }
}

#[test]
fn an_update_that_is_accepted_without_effect_is_told_and_repeated_ever_more_rarely() {
    let ignored = Fate {
        happens: false,
        ..Fate::done()
    };
    let mut world = owned(small());
    world.script = vec![(UPDATE, ignored); 100];
    drift(&mut world);
    for minute in 0..60 {
        world.live(60);
        if minute > 0 {
            assert_eq!(
                condition_text(&world.status().conditions, STALLED),
                "True/Drifted",
                "minute {minute}"
            );
        }
    }
    let updates = 100 - world.script.len();
    assert!((3..=9).contains(&updates), "{updates}");
    assert!(!world.events.contains(&"Recovered".to_owned()));
    world.script.clear();
    world.live(2400);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
}

/// Changes the flow at the service as another client.
fn drift(world: &mut World<ProvisioningFlow>) {
    let now = world.now;
    world.service.meddle(now, |flows| {
        flows[0].properties["creationOptions"]["createBasedOnRoleGroup"] = json!(false);
    });
    world.poll();
}
