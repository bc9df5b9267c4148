use serde_json::json;

use super::*;
use crate::api::DriftPolicy;
use crate::api::DriftPolicy::{Correct, Report};

#[test]
fn an_update_costs_one_request_and_at_most_one_write() {
    let mut world = owned(small());
    world.edit(|flow| {
        flow.with(|spec| {
            spec.security_group
                .as_mut()
                .unwrap()
                .creation_options
                .as_mut()
                .unwrap()
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
                let flow = spec.security_group.as_mut().unwrap();
                let options = flow.creation_options.as_mut().unwrap();
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
    let shown = &world.service.items()[0].properties.to_map()["creationOptions"];
    assert_eq!(shown["createBasedOnRoleGroup"], json!(true));
    assert_eq!(shown["createBasedOnOrgPlusRoleGroup"], json!(false));
}

#[test]
fn an_edit_that_is_taken_back_at_once_is_taken_back_at_the_service() {
    let mut world = owned(small());
    for wanted in [false, true] {
        world.edit(|flow| {
            flow.with(|spec| {
                let group = spec.security_group.as_mut().unwrap();
                let options = group.creation_options.as_mut().unwrap();
                options.create_based_on_role_group = wanted;
            })
        });
        world.reconcile();
        let shown = &world.service.items()[0].properties.to_map()["creationOptions"];
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
fn what_lists_do_not_show_is_sent_once_after_it_was_declared() {
    let mut world = owned(flow(FlowType::User));
    let hide = |flows: &mut Vec<Flow>| {
        flows[0].properties.change(|members| {
            members["creationOptions"]["configurations"] = json!([{ "licenseSkus": [] }]);
        });
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
        set_role_group_option(&mut shown[0], round % 2 == 0);
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
        set_role_group_option(&mut flows[0], false);
    });
    world.poll();
}

#[test]
fn a_status_that_lost_the_observed_configuration_gets_it_back() {
    let mut world = owned(small());
    let observed = world.status().observed.clone();
    assert!(observed.is_some());
    world.edit(|flow| flow.knowing(|status: &mut ProvisioningFlowStatus| status.observed = None));
    world.reconcile();
    assert_eq!(world.status().observed, observed);
}
