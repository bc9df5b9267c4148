//! Compares what is declared with what the service shows, by meaning.
//!
//! The service masks passwords, expands role groups, folds the case of codes and promises no order. It may also hold
//! properties that nobody declared; those are not ours to judge.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::api::{Drift, FilterAttribute, FlowSetFilter};
use crate::graph::model::FlowSet;

use super::definition::FlowSetBody;

const LONGEST_TEXT: usize = 256;

/// Where a flow differs from its definition; empty: nowhere.
///
/// Texts are compared without regard to case: all of a flow's texts are codes, enum members and GUIDs.
#[must_use]
pub fn flow(desired: &Map<String, Value>, actual: &Map<String, Value>) -> Vec<Drift> {
    let mut drift = Vec::new();
    members("", desired, actual, &mut drift);
    drift
}

/// Where a set differs from its definition; empty: nowhere.
///
/// Names and school ids are free text, in which case matters.
#[must_use]
pub fn flow_set(desired: &FlowSetBody, actual: &FlowSet) -> Vec<Drift> {
    let mut drift = Vec::new();
    if desired.display_name != actual.display_name {
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
    drift: &mut Vec<Drift>,
) {
    for (name, wanted) in desired {
        let path = join(path, name);
        value(&path, wanted, actual.get(name).unwrap_or(&Value::Null), drift);
    }
}

fn value(path: &str, desired: &Value, actual: &Value, drift: &mut Vec<Drift>) {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => members(path, desired, actual, drift),
        (Value::Array(desired), Value::Array(actual)) => list(path, desired, actual, drift),
        _ if same_scalar(desired, actual) || (is_nothing(desired) && is_nothing(actual)) => {}
        _ => drift.push(difference(path, desired, actual)),
    }
}

/// Lists have no order. Their items are compared one by one where an item has a key, else as wholes.
fn list(path: &str, desired: &[Value], actual: &[Value], drift: &mut Vec<Drift>) {
    if is_unexpanded(desired, actual) {
        return;
    }
    if !same_keys(desired, actual) {
        drift.push(difference(path, &Value::from(desired), &Value::from(actual)));
        return;
    }
    for item in desired {
        let key = key(item);
        let twin = actual.iter().find(|other| self::key(other) == key);
        value(&format!("{path}[{key}]"), item, twin.unwrap_or(&Value::Null), drift);
    }
}

fn same_keys(desired: &[Value], actual: &[Value]) -> bool {
    let keys = |items: &[Value]| -> BTreeSet<String> { items.iter().map(key).collect() };
    desired.len() == actual.len() && keys(desired) == keys(actual)
}

/// Whether the service left out the role groups, as it does in answers that it shortens: then nothing can be judged.
fn is_unexpanded(desired: &[Value], actual: &[Value]) -> bool {
    let has_group = |item: &Value| item.get("roleGroup").is_some();
    desired.iter().any(has_group) && !actual.is_empty() && !actual.iter().any(has_group)
}

/// What makes an item itself among its siblings: the role group of a configuration, the code of a mapping, a text.
fn key(item: &Value) -> String {
    let identity = item.pointer("/roleGroup/id").or_else(|| item.get("code")).unwrap_or(item);
    let text = identity.as_str().map_or_else(|| identity.to_string(), str::to_owned);
    text.to_lowercase()
}

fn same_scalar(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

/// Absent, null, false and empty all say that nothing is asked for; the service may give back one for another.
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

fn text(value: &Value) -> String {
    value.to_string().chars().take(LONGEST_TEXT).collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
