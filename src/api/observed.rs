//! The configuration of a flow as the service returns it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The configuration of a flow as the service returns it, in the form of a spec: a JSON object.
///
/// It is kept as text, because the statuses of all flows are in memory: a tree takes ten times as much.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObservedConfiguration(Box<str>);

impl ObservedConfiguration {
    /// Returns the configuration as JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Map<String, Value>> for ObservedConfiguration {
    fn from(members: &Map<String, Value>) -> Self {
        // Cannot fail: the names are text.
        let text = serde_json::to_string(members).unwrap_or_default();
        Self(text.into())
    }
}

impl fmt::Debug for ObservedConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ObservedConfiguration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Cannot fail: the text was made from a map.
        let members: Map<String, Value> = serde_json::from_str(&self.0).unwrap_or_default();
        members.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ObservedConfiguration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?;
        Ok(Self::from(&members))
    }
}

impl JsonSchema for ObservedConfiguration {
    fn schema_name() -> Cow<'static, str> {
        "ObservedConfiguration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// Its members can have values that a spec cannot, and as one atomic value, it takes one entry among the managed fields.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}
