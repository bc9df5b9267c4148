//! Differences, and how they are corrected.

use serde_json::{Value, json};

use super::*;
use crate::api::DriftPolicy;

fn differs(change: impl FnOnce(&mut FlowSet)) -> bool {
    let mut world = owned(flow_set());
    let now = world.now;
    world.service.meddle(now, |sets| change(&mut sets[0]));
    world.live(60);
    world.count(UPDATE) == 1
}

#[test]
fn what_differs_is_corrected_and_what_only_looks_different_is_not() {
    let values =
        |values: Value| move |set: &mut FlowSet| set.filter.as_mut().unwrap()["in"] = values;
    assert!(
        differs(|set| set.display_name = "District North".to_owned()),
        "letter case"
    );
    assert!(differs(|set| set.filter = None));
    assert!(differs(values(json!(["school-17"]))));
    assert!(
        differs(values(json!(["School-17", "school-42"]))),
        "letter case"
    );
    assert!(differs(values(json!([
        "school-17",
        "school-42",
        "school-1"
    ]))));
    assert!(!differs(values(json!(["school-42", "school-17"]))), "order");
    assert!(
        !differs(values(json!(["school-42", "school-17", "school-42"]))),
        "repetition"
    );
    assert!(!differs(
        |set| set.filter.as_mut().unwrap()["attribute"] = json!("OrgExternalId")
    ));
    assert!(!differs(|set| set.last_modified = None));
}

#[test]
fn an_update_sends_the_whole_set() {
    let mut world = owned(flow_set());
    world.edit(|set| set.with(|spec| spec.filter = None));
    world.reconcile();
    assert_eq!(world.journal, [UPDATE, Effect::Status]);
    assert_eq!(world.service.items()[0].display_name, NAME);
    assert_eq!(world.service.items()[0].filter, None);
    assert_eq!(world.status().observed_generation, 2);
}

#[test]
fn under_report_a_difference_is_only_told() {
    let mut world = owned(flow_set().with(|spec| spec.drift_policy = DriftPolicy::Report));
    let now = world.now;
    world
        .service
        .meddle(now, |sets| sets[0].display_name = "South".to_owned());
    world.live(60);
    assert_eq!(world.journal, [Effect::Status]);
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/Drifted"
    );
    assert_eq!(world.status().drift[0].path, "displayName");
}

#[test]
fn an_edit_right_after_an_update_is_sent_at_once() {
    let mut world = owned(flow_set());
    for (count, name) in ["South", NAME, "West"].into_iter().enumerate() {
        world.edit(|set| set.with(|spec| spec.display_name = name.to_owned()));
        world.reconcile();
        assert_eq!(world.count(UPDATE), count + 1);
        assert_eq!(world.service.items()[0].display_name, name);
    }
}
