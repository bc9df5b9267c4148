//! The properties of a flow.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

/// The members of a flow that its definition can contain, as compact JSON with the members of each object in order.
///
/// Lists of all flows are kept, while the properties of a flow are needed when it is reconciled. As a tree they take
/// ten times as much memory: 700 bytes for each object.
///
/// Clones share the text, as do equal properties of flows in lists of one account.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Properties(Arc<Text>);

/// The text apart from its counters, so that it is freed although something still refers to those weakly.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Text(Box<str>);

impl Properties {
    /// Returns the members as a tree.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        // Cannot fail: the text was made from a map.
        serde_json::from_str(&self.0.0).unwrap_or_default()
    }

    /// Returns whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes the members.
    pub fn change(&mut self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut members = self.to_map();
        change(&mut members);
        *self = members.into();
    }

    /// Returns the number of bytes that the text takes.
    pub(super) fn size(&self) -> usize {
        self.0.0.len()
    }

    pub(super) fn text(&self) -> &Arc<Text> {
        &self.0
    }
}

impl From<Map<String, Value>> for Properties {
    fn from(members: Map<String, Value>) -> Self {
        let text = Value::Object(members).to_string();
        Self(Arc::new(Text(text.into())))
    }
}

impl From<Arc<Text>> for Properties {
    fn from(text: Arc<Text>) -> Self {
        Self(text)
    }
}

impl Default for Properties {
    fn default() -> Self {
        Map::new().into()
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Properties {
        value.as_object().unwrap().clone().into()
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"a":{"x":1,"y":[2]},"b":null}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b":null,"a":{"y":[2],"x":1}}"#).unwrap();
        assert_eq!(of(&one), of(&other));
        assert_eq!(Value::Object(of(&one).to_map()), other);
        assert_ne!(
            of(&one),
            of(&json!({ "a": { "x": 1, "y": [3] }, "b": null }))
        );
    }

    #[test]
    fn members_can_be_changed() {
        let mut properties = of(&json!({ "a": 1 }));
        properties.change(|members| members["a"] = json!("\u{1F600}\""));
        assert_eq!(properties, of(&json!({ "a": "\u{1F600}\"" })));
        properties.change(Map::clear);
        assert!(properties.is_empty() && Properties::default().to_map().is_empty());
    }
}
