use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::plan::testing::as_shown;

fn paths(desired: &Value, actual: &Value) -> Vec<String> {
    let members = |value: &Value| value.as_object().unwrap().clone();
    let drift = flow(&members(desired), &members(actual)).drift;
    drift.into_iter().map(|drift| drift.path).collect()
}

fn unseen_paths(desired: &Value, actual: &Value) -> Vec<String> {
    let members = |value: &Value| value.as_object().unwrap().clone();
    let unseen = flow(&members(desired), &members(actual)).unseen;
    unseen.into_iter().map(|drift| drift.path).collect()
}

#[test]
fn what_the_service_does_not_show_is_neither_the_same_nor_different() {
    let groups = json!({ "a": { "b": [{ "roleGroup": { "id": "staff" } }] } });
    let cases = [
        (
            groups.clone(),
            json!({ "a": { "b": [{ "skus": [] }] } }),
            vec!["a.b"],
        ),
        (groups.clone(), json!({}), vec!["a"]),
        (groups.clone(), groups, vec![]),
        (json!({ "a": true }), json!({}), vec![]),
    ];
    for (desired, actual, unseen) in cases {
        assert_eq!(
            unseen_paths(&desired, &actual),
            unseen,
            "{desired} {actual}"
        );
    }
}

#[test]
fn what_means_the_same_is_no_difference() {
    let cases = [
        (json!({ "a": null }), json!({})),
        (json!({ "a": false }), json!({})),
        (json!({ "a": false }), json!({ "a": null })),
        (json!({ "a": [] }), json!({ "a": null })),
        (json!({ "a": null }), json!({ "a": [] })),
        (json!({ "a": null }), json!({ "a": false })),
        (json!({ "a": { "b": null, "c": [] } }), json!({ "a": null })),
        (json!({ "a": null }), json!({ "a": { "b": false } })),
        (json!({ "a": "minor" }), json!({ "a": "Minor" })),
        (json!({ "a": ["x", "y"] }), json!({ "a": ["Y", "X"] })),
        (
            json!({ "a": [{ "code": "Aide" }] }),
            json!({ "a": [{ "code": "aide", "name": "Aide" }] }),
        ),
        (json!({}), json!({ "theirs": 1 })),
        (
            json!({ "a": [{ "roleGroup": { "id": "staff" }, "skus": ["1"] }] }),
            json!({ "a": [{ "skus": [] }] }),
        ),
    ];
    for (desired, actual) in cases {
        assert_eq!(paths(&desired, &actual), [""; 0], "{desired} {actual}");
    }
}

#[test]
fn what_means_something_else_is_a_difference() {
    let cases = [
        (json!({ "a": true }), json!({}), "a"),
        (json!({ "a": null }), json!({ "a": true }), "a"),
        (json!({ "a": null }), json!({ "a": "x" }), "a"),
        (json!({ "a": "x" }), json!({ "a": null }), "a"),
        (json!({ "a": [] }), json!({ "a": ["x"] }), "a"),
        (json!({ "a": ["x"] }), json!({ "a": [] }), "a"),
        (json!({ "a": ["x", "y"] }), json!({ "a": ["x", "x"] }), "a"),
        (json!({ "a": ["x", "x"] }), json!({ "a": ["x", "y"] }), "a"),
        (
            json!({ "a": { "b": { "c": 1 } } }),
            json!({ "a": { "b": { "c": 2 } } }),
            "a.b.c",
        ),
        (json!({ "a": { "b": true } }), json!({ "a": null }), "a"),
        (json!({ "a": null }), json!({ "a": { "b": 1 } }), "a"),
        (
            json!({ "a": [{ "roleGroup": { "id": "Staff" }, "skus": ["1"] }] }),
            json!({ "a": [{ "roleGroup": { "id": "staff" }, "skus": ["2"] }] }),
            "a[staff].skus",
        ),
        (
            json!({ "a": [{ "roleGroup": { "id": "staff" } }] }),
            json!({ "a": [] }),
            "a",
        ),
    ];
    for (desired, actual, path) in cases {
        assert_eq!(paths(&desired, &actual), [path], "{desired} {actual}");
    }
}

fn drift_of(desired: &Value, actual: &Value) -> Drift {
    let members = |value: &Value| value.as_object().unwrap().clone();
    flow(&members(desired), &members(actual)).drift.remove(0)
}

#[test]
fn of_lists_what_was_added_and_removed_is_named() {
    let code = |code: &str| json!({ "code": code });
    let group = |id: &str| json!({ "roleGroup": { "id": id }, "licenseSkus": [] });
    let cases = [
        (json!(["x", "Y"]), json!(["y", "z"]), vec!["z"], vec!["x"]),
        (json!(["x"]), json!(["X", "x"]), vec!["x"], vec![]),
        (json!(["x"]), Value::Null, vec![], vec!["x"]),
        (Value::Null, json!(["x", "y"]), vec!["x", "y"], vec![]),
        (
            json!([code("Aide")]),
            json!([code("teacher"), code("aide")]),
            vec!["teacher"],
            vec![],
        ),
        (
            json!([group("staff")]),
            json!([group("students")]),
            vec!["students"],
            vec!["staff"],
        ),
        (json!([1]), json!([[2]]), vec!["[2]"], vec!["1"]),
    ];
    for (desired, actual, added, removed) in cases {
        let drift = drift_of(&json!({ "a": desired }), &json!({ "a": actual }));
        assert_eq!(
            (drift.added, drift.removed),
            (expected(added), expected(removed))
        );
    }
}

fn expected(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_long_list_is_counted_and_its_differences_are_complete() {
    let schools: Vec<String> = (0..1000).map(|number| format!("school-{number}")).collect();
    let desired = FlowSetDefinition {
        display_name: "north".to_owned(),
        filter: Some(FilterDefinition {
            attribute: "orgExternalId",
            values: schools.clone(),
        }),
    };
    let mut actual = crate::plan::testing::remote_set(1, "north", 0);
    actual.filter = Some(json!({ "attribute": "orgExternalId", "in": ["other", "school-7"] }));
    let drift = flow_set(&desired, &actual).remove(0);
    assert_eq!(
        (drift.path.as_str(), drift.desired.as_str()),
        ("filter", "1000 values")
    );
    assert!(drift.actual.contains("school-7"), "{}", drift.actual);
    assert_eq!(
        (drift.added, drift.removed.len()),
        (expected(vec!["other"]), 999)
    );
}

#[test]
fn long_values_are_cut_in_characters() {
    let desired = json!({ "a": "ä".repeat(1000) });
    let drift = flow(desired.as_object().unwrap(), &Map::new()).drift;
    assert_eq!(drift[0].desired.chars().count(), 256);
    assert!(drift[0].desired.ends_with("ä…"));
    assert_eq!(drift[0].actual, "null");
}

#[test]
fn what_the_service_returns_is_shown_without_characters_that_reorder_it() {
    let actual = json!({ "a": "x\u{202E}y" });
    let drift = flow(
        &Map::from_iter([("a".to_owned(), json!(1))]),
        actual.as_object().unwrap(),
    );
    assert_eq!(drift.drift[0].actual, "\"x\u{FFFD}y\"");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[abAB]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::btree_set("[a-c]{1,2}", 0..3)
                .prop_map(|texts| texts.into_iter().map(Value::from).collect()),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_service_makes_of_a_value_is_that_value(value in values()) {
        let desired = json!({ "a": value });
        prop_assert_eq!(paths(&desired, &as_shown(desired.clone())), [""; 0]);
    }

    #[test]
    fn any_two_values_can_be_compared(one in values(), other in values()) {
        let (one, other) = (json!({ "a": one }), json!({ "a": other }));
        for path in paths(&one, &other) {
            prop_assert!(path.starts_with('a'));
        }
    }
}
