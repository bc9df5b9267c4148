//! Semantic comparison of the declared state with the state that the service returns.
//!
//! The service masks passwords, expands role groups, folds the case of codes and does not guarantee an order. It may
//! also have undeclared properties, which are ignored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::api::Drift;
use crate::graph::model::{FilterDefinition, FlowSet, FlowSetDefinition, displayable};

use super::definition::{identity, key};

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
pub fn flow_set(desired: &FlowSetDefinition, actual: &FlowSet) -> Vec<Drift> {
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
        let lists = (items(&declared["in"]), items(&shown["in"]));
        drift.push(list_difference("filter", (&declared, &shown), lists));
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
        _ => {
            let lists = (items(desired), items(actual));
            let drift = list_difference(path, (desired, actual), lists);
            found.drift.push(drift);
        }
    }
}

/// Compares lists without regard to order. Items with a key are compared member by member, other items as a whole.
fn list(path: &str, desired: &[Value], actual: &[Value], found: &mut Comparison) {
    if is_unexpanded(desired, actual) {
        found.unseen.push(unseen(path, &Value::from(desired)));
        return;
    }
    if !same_keys(desired, actual) {
        let values = (&Value::from(desired), &Value::from(actual));
        found
            .drift
            .push(list_difference(path, values, (desired, actual)));
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

fn filter(filter: &FilterDefinition) -> Value {
    serde_json::json!({ "attribute": filter.attribute, "in": filter.values })
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
        ..Drift::default()
    }
}

/// Returns the difference between two values, of which these lists are the part that matters.
fn list_difference(
    path: &str,
    (desired, actual): (&Value, &Value),
    (wanted, shown): (&[Value], &[Value]),
) -> Drift {
    Drift {
        desired: text_or_count(desired, wanted.len()),
        actual: text_or_count(actual, shown.len()),
        added: beyond(shown, wanted),
        removed: beyond(wanted, shown),
        ..difference(path, desired, actual)
    }
}

/// Returns the items of a list, or none if the value is not a list.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the names of the items of a list that another one lacks. An item that occurs more often than in the other one
/// counts as one that it lacks.
fn beyond(items: &[Value], others: &[Value]) -> Vec<String> {
    let mut left = BTreeMap::<String, usize>::new();
    for other in others {
        *left.entry(key(other)).or_default() += 1;
    }
    let is_lacking = |item: &&Value| match left.get_mut(&key(item)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let lacking = items.iter().filter(is_lacking);
    lacking
        .map(|item| displayable(&name(item), MAX_TEXT_CHARS))
        .collect()
}

/// Returns the name of an item of a list: what identifies it, as it is written.
fn name(item: &Value) -> String {
    let identity = identity(item);
    identity
        .as_str()
        .map_or_else(|| identity.to_string(), str::to_owned)
}

fn unseen(path: &str, desired: &Value) -> Drift {
    Drift {
        path: path.to_owned(),
        desired: text_or_count(desired, items(desired).len()),
        actual: "not returned by the service".to_owned(),
        ..Drift::default()
    }
}

fn text(value: &Value) -> String {
    displayable(&value.to_string(), MAX_TEXT_CHARS)
}

/// Returns a value as text, or the number of its items if it is too long.
fn text_or_count(value: &Value, count: usize) -> String {
    let text = value.to_string();
    if count > 0 && text.chars().nth(MAX_TEXT_CHARS).is_some() {
        return format!("{count} values");
    }
    displayable(&text, MAX_TEXT_CHARS)
}

#[cfg(test)]
mod tests;
