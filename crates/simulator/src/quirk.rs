//! Legal answers that a careless client does not expect.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A change to the JSON of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quirk {
    /// Properties and annotations that nobody has heard of, on every set and flow.
    ExtraFields,
    /// Ids in upper case.
    LoudIds,
    /// Collections backwards: flows, sets, configurations.
    Reordered,
    /// Readiness is this word.
    Readiness(String),
    /// A property is missing from every set and flow.
    Missing(String),
    /// A list is empty, and complete.
    Emptied,
    /// A list has items that nobody can understand: a number, null, an object without an id, one whose id is a number.
    Garbage,
    /// A property of every set and flow has this value, be it one of its own or one that nobody has heard of.
    Member(String, Value),
    /// Each item of a list is there this many times.
    Repeated(usize),
    /// Each item of a list is there this many times, each time with another id.
    Copied(usize),
    /// `createdDateTime` and `lastModifiedDateTime` are this many seconds ahead of the service's clock, or behind it.
    Dates(i64),
}

impl Quirk {
    /// Changes an answer.
    pub(crate) fn apply(&self, body: &mut Value) {
        match self {
            Self::Reordered => {
                for list in ["value", "configurations", "provisioningFlows"] {
                    each_array(body, list, &mut |list| list.reverse());
                }
            }
            Self::Garbage => {
                for list in ["value", "provisioningFlows"] {
                    each_array(body, list, &mut littered);
                }
            }
            Self::Emptied => emptied(body),
            Self::Repeated(times) => multiply(body, *times, &|_, _| {}),
            Self::Copied(times) => multiply(body, *times, &renumber),
            _ => each_resource(body, &mut |object| self.change(object)),
        }
    }

    /// Changes one object.
    pub(crate) fn change(&self, object: &mut serde_json::Map<String, Value>) {
        match self {
            Self::ExtraFields => {
                object.insert("surprise".to_owned(), json!({ "depth": [1, null, "two"] }));
                object.insert(
                    "surprise@odata.type".to_owned(),
                    json!("#microsoft.graph.industryData.surprise"),
                );
            }
            Self::LoudIds => {
                if let Some(Value::String(id)) = object.get_mut("id") {
                    id.make_ascii_uppercase();
                }
            }
            Self::Readiness(word) => {
                if let Some(status) = object.get_mut("readinessStatus") {
                    *status = Value::from(word.as_str());
                }
            }
            Self::Missing(name) => _ = object.remove(name),
            Self::Member(name, value) => _ = object.insert(name.clone(), value.clone()),
            Self::Dates(seconds) => {
                for name in ["createdDateTime", "lastModifiedDateTime"] {
                    if let Some(date) = object.get_mut(name) {
                        shift(date, *seconds);
                    }
                }
            }
            Self::Reordered
            | Self::Garbage
            | Self::Emptied
            | Self::Repeated(_)
            | Self::Copied(_) => {}
        }
    }

    /// Describes the change, shortly.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Member(name, _) => format!("Member({name:?})"),
            Self::Readiness(word) if word.len() > 64 => format!("Readiness({} bytes)", word.len()),
            short => format!("{short:?}"),
        }
    }
}

/// Replaces each item of the list that is the answer with this many.
fn multiply(body: &mut Value, times: usize, alter: &impl Fn(&mut Value, usize)) {
    let Some(Value::Array(items)) = body.get_mut("value") else {
        return;
    };
    let copies = |item: Value| {
        (0..times).map(move |place| {
            let mut copy = item.clone();
            alter(&mut copy, place);
            copy
        })
    };
    *items = std::mem::take(items).into_iter().flat_map(copies).collect();
}

/// Gives all copies but the first another id, in the form of a GUID.
fn renumber(item: &mut Value, place: usize) {
    if let Some(Value::String(id)) = item.get_mut("id")
        && place > 0
    {
        let kept = id.len().saturating_sub(8);
        id.truncate(kept);
        *id = format!("{id}{place:08x}");
    }
}

/// Leaves nothing of a collection: neither items, nor their count, nor a next page.
fn emptied(body: &mut Value) {
    let Some(object) = body.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(items)) = object.get_mut("value") {
        items.clear();
        object.remove("@odata.nextLink");
        if let Some(count) = object.get_mut("@odata.count") {
            *count = json!(0);
        }
    }
}

fn littered(list: &mut Vec<Value>) {
    list.insert(0, json!(7));
    list.insert(0, Value::Null);
    list.push(json!({ "displayName": "no id" }));
    list.push(json!({ "id": 7, "displayName": "a number for an id" }));
}

fn shift(date: &mut Value, seconds: i64) {
    let shifted = date
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .and_then(|moment| moment.checked_add(SignedDuration::from_secs(seconds)).ok());
    if let Some(moment) = shifted {
        *date = Value::from(moment.to_string());
    }
}

/// Visits every set and flow: every object with a creation date.
fn each_resource(value: &mut Value, visit: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| each_resource(value, visit)),
        Value::Object(object) => {
            object
                .values_mut()
                .for_each(|value| each_resource(value, visit));
            if object.contains_key("createdDateTime") {
                visit(object);
            }
        }
        _ => {}
    }
}

fn each_array(value: &mut Value, wanted: &str, visit: &mut impl FnMut(&mut Vec<Value>)) {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| each_array(value, wanted, visit)),
        Value::Object(object) => {
            for (name, value) in object {
                each_array(value, wanted, visit);
                if let (true, Value::Array(list)) = (name == wanted, value) {
                    visit(list);
                }
            }
        }
        _ => {}
    }
}
