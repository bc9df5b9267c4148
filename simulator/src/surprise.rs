//! Legal answers that a careless client does not expect.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A change to the JSON of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Surprise {
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
}

impl Surprise {
    /// Changes an answer.
    pub(crate) fn apply(&self, body: &mut Value) {
        match self {
            Self::Reordered => each_array(body, "value", &mut |list| list.reverse()),
            _ => each_resource(body, &mut |object| self.change(object)),
        }
        if *self == Self::Reordered {
            each_array(body, "configurations", &mut |list| list.reverse());
            each_array(body, "provisioningFlows", &mut |list| list.reverse());
        }
    }

    fn change(&self, object: &mut serde_json::Map<String, Value>) {
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
            Self::Reordered => {}
        }
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
