//! Semantic comparison of the declared state with the state that the service returns.
//!
//! The service masks passwords, expands role groups, folds the case of codes and does not guarantee an order. It may
//! also have undeclared properties, which are ignored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::{Drift, FilterAttribute, FlowSetFilter};
use crate::graph::model::{FlowSet, displayable};

use super::definition::{FlowSetBody, key};

/// Maximum length of a value in `status.drift`.
const MAX_TEXT_CHARS: usize = 256;

/// The result of comparing a flow with its definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Properties that differ.
    pub drift: Vec<Drift>,
    /// Properties that the service does not return, so that they cannot be compared.
    pub unseen: Vec<Drift>,
}

/// Compares a flow with its definition.
///
/// Strings are compared without regard to case: all strings of a flow are codes, enum members and GUIDs.
#[must_use]
pub fn flow(desired: &Map<String, Value>, actual: &Map<String, Value>) -> Comparison {
    let mut comparison = Comparison::default();
    for (name, wanted) in desired {
        match actual.get(name) {
            // Complex properties are never absent at the service, so a response without one is abbreviated.
            None if wanted.is_object() => comparison.unseen.push(unseen(name, wanted)),
            shown => value(name, wanted, shown.unwrap_or(&Value::Null), &mut comparison),
        }
    }
    comparison
}

/// Returns the differences between a set and its definition.
///
/// Names and school ids are free text and compared with regard to case.
#[must_use]
pub fn flow_set(desired: &FlowSetBody, actual: &FlowSet) -> Vec<Drift> {
    let mut drift = Vec::new();
    // Every set has a name; if the response does not contain it, there is nothing to compare.
    if !actual.display_name.is_empty() && desired.display_name != actual.display_name {
        drift.push(difference(
            "displayName",
            &Value::from(desired.display_name.as_str()),
            &Value::from(actual.display_name.as_str()),
        ));
    }
    let declared = desired.filter.as_ref().map_or(Value::Null, filter);
    let shown = actual.filter.clone().unwrap_or_default();
    if !same_filter(&declared, &shown) {
        drift.push(difference("filter", &declared, &shown));
    }
    drift
}

fn members(
    path: &str,
    desired: &Map<String, Value>,
    actual: &Map<String, Value>,
    found: &mut Comparison,
) {
    for (name, wanted) in desired {
        let shown = actual.get(name).unwrap_or(&Value::Null);
        value(&format!("{path}.{name}"), wanted, shown, found);
    }
}

fn value(path: &str, desired: &Value, actual: &Value, found: &mut Comparison) {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => members(path, desired, actual, found),
        (Value::Array(desired), Value::Array(actual)) => list(path, desired, actual, found),
        _ if same_scalar(desired, actual) || (is_nothing(desired) && is_nothing(actual)) => {}
        _ => found.drift.push(difference(path, desired, actual)),
    }
}

/// Compares lists without regard to order. Items with a key are compared member by member, other items as a whole.
fn list(path: &str, desired: &[Value], actual: &[Value], found: &mut Comparison) {
    if is_unexpanded(desired, actual) {
        found.unseen.push(unseen(path, &Value::from(desired)));
        return;
    }
    if !same_keys(desired, actual) {
        found.drift.push(difference(
            path,
            &Value::from(desired),
            &Value::from(actual),
        ));
        return;
    }
    for item in desired {
        let key = key(item);
        let twin = actual.iter().find(|other| self::key(other) == key);
        value(
            &format!("{path}[{key}]"),
            item,
            twin.unwrap_or(&Value::Null),
            found,
        );
    }
}

fn same_keys(desired: &[Value], actual: &[Value]) -> bool {
    let keys = |items: &[Value]| -> BTreeSet<String> { items.iter().map(key).collect() };
    desired.len() == actual.len() && keys(desired) == keys(actual)
}

/// Returns whether the service omitted the role groups, as it does in abbreviated responses: then the lists cannot be
/// compared.
fn is_unexpanded(desired: &[Value], actual: &[Value]) -> bool {
    let has_group = |item: &Value| item.get("roleGroup").is_some();
    desired.iter().any(has_group) && !actual.is_empty() && !actual.iter().any(has_group)
}

fn same_scalar(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

/// Returns whether a value is absent, null, false or empty. They are equivalent, and the service may return one for
/// another.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}

fn filter(filter: &FlowSetFilter) -> Value {
    let FilterAttribute::OrgExternalId = filter.attribute;
    serde_json::json!({ "attribute": "orgExternalId", "in": filter.values })
}

fn same_filter(declared: &Value, shown: &Value) -> bool {
    if declared.is_null() || shown.is_null() {
        return declared.is_null() && shown.is_null();
    }
    let attribute = same_scalar(&declared["attribute"], &shown["attribute"]);
    attribute && sorted(&declared["in"]) == sorted(&shown["in"])
}

fn sorted(values: &Value) -> Vec<&str> {
    let items = values.as_array().into_iter().flatten();
    let mut texts: Vec<&str> = items.filter_map(Value::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn difference(path: &str, desired: &Value, actual: &Value) -> Drift {
    Drift {
        path: path.to_owned(),
        desired: text(desired),
        actual: text(actual),
    }
}

fn unseen(path: &str, desired: &Value) -> Drift {
    Drift {
        path: path.to_owned(),
        desired: text(desired),
        actual: "not returned by the service".to_owned(),
    }
}

fn text(value: &Value) -> String {
    displayable(&value.to_string(), MAX_TEXT_CHARS)
}

#[cfg(test)]
mod tests {
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
}
