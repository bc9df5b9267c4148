//! Properties of flows in earlier responses: what has not changed is neither parsed again nor stored twice.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use serde_json::value::RawValue;

use crate::graph::malformed::Malformed;
use crate::sha256;

use super::properties::{Properties, Text};

/// Number of entries from which on those that are not in use are removed.
const MIN_ENTRIES: usize = 64;

/// Properties that are in use, by the digest of the text that the service returned for them. Cheap to clone; clones share
/// them.
///
/// Parsing properties, masking their secrets and writing them in order takes most of the time of a poll, and nearly all
/// flows have those that they had at the last poll. Flows that are alike share one text.
#[derive(Clone, Default)]
pub struct KnownProperties(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    /// An entry does not keep the text.
    texts: HashMap<Key, Weak<Text>>,
    /// Number of entries in use when the others were last removed.
    used: usize,
}

type Key = [u8; 32];

impl KnownProperties {
    /// Returns the properties with this text, which `parse` reads if they are not in use yet.
    pub(super) fn get(
        &self,
        members: [Option<&RawValue>; 4],
        parse: impl FnOnce([Option<&RawValue>; 4]) -> Result<Properties, Malformed>,
    ) -> Result<Properties, Malformed> {
        let key = key(members);
        if let Some(text) = self.with(|entries| entries.texts.get(&key).and_then(Weak::upgrade)) {
            return Ok(text.into());
        }
        let properties = parse(members)?;
        self.with(|entries| entries.insert(key, properties.text()));
        Ok(properties)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Entries) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entries {
    fn insert(&mut self, key: Key, text: &Arc<Text>) {
        // Twice as many as were in use: on average, each new entry then costs one that is looked at here.
        if self.texts.len() >= MIN_ENTRIES.max(2 * self.used) {
            self.texts.retain(|_, text| text.strong_count() > 0);
            self.used = self.texts.len();
        }
        self.texts.insert(key, Arc::downgrade(text));
    }
}

/// Returns the digest of members. The text of one that is present is not empty.
fn key(members: [Option<&RawValue>; 4]) -> Key {
    let texts = members.map(|member| member.map_or("", RawValue::get));
    sha256::of_parts(texts.each_ref().map(|text| text.as_bytes()))
}

impl fmt::Debug for KnownProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownProperties").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::graph::model::Flow;

    fn flow(known: &KnownProperties, members: &Value) -> Flow {
        let mut flow = json!({ "id": "a", "createUnmatchedUsers": true });
        let own = flow.as_object_mut().unwrap();
        own.extend(members.as_object().unwrap().clone());
        Flow::parse(flow.to_string().as_bytes(), known).unwrap()
    }

    fn is_shared(one: &Flow, other: &Flow) -> bool {
        Arc::ptr_eq(one.properties.text(), other.properties.text())
    }

    #[test]
    fn flows_share_properties_with_the_same_text() {
        let known = KnownProperties::default();
        let teams = flow(&known, &json!({ "configuration": { "teams": 1 } }));
        let again = flow(
            &known,
            &json!({ "configuration": { "teams": 1 }, "readinessStatus": "ready" }),
        );
        let changed = flow(&known, &json!({ "configuration": { "teams": 2 } }));
        let moved = flow(&known, &json!({ "creationOptions": { "teams": 1 } }));
        assert!(is_shared(&teams, &again));
        assert_eq!(again.readiness.as_deref(), Some("ready"));
        assert_ne!(teams.properties, changed.properties);
        assert_ne!(teams.properties, moved.properties);
        let elsewhere = flow(
            &KnownProperties::default(),
            &json!({ "configuration": { "teams": 1 } }),
        );
        assert!(!is_shared(&teams, &elsewhere) && teams == elsewhere);
    }

    #[test]
    fn properties_that_cannot_be_used_are_not_kept() {
        let known = KnownProperties::default();
        let large = json!({ "id": "a", "configuration": "x".repeat(200_000) }).to_string();
        for _ in 0..2 {
            assert_eq!(Flow::parse(large.as_bytes(), &known), Err(Malformed::Size));
        }
        assert_eq!(known.with(|entries| entries.texts.len()), 0);
    }

    #[test]
    fn what_is_not_in_use_any_more_is_freed() {
        let known = KnownProperties::default();
        let list = |round: usize| -> Vec<Flow> {
            let numbers = 1_000 * round..1_000 * (round + 1);
            numbers
                .map(|number| flow(&known, &json!({ "configuration": number })))
                .collect()
        };
        let mut latest = list(0);
        for round in 1..10 {
            latest = list(round);
        }
        let entries = known.with(|entries| entries.texts.len());
        assert!((1_000..5_000).contains(&entries), "{entries}");
        drop(latest);
        let used = known.with(|entries| entries.texts.values().filter_map(Weak::upgrade).count());
        assert_eq!(used, 0);
    }
}
