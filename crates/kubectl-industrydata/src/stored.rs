//! Objects that exist already: what may be changed of them, and how. No IO.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::objects::{ConnectionPlan, MANAGED_BY, MANAGER, Object, Plan};

/// A Secret in the cluster.
#[derive(Deserialize)]
pub(crate) struct StoredSecret {
    metadata: Metadata,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    immutable: bool,
    #[serde(default)]
    data: BTreeMap<String, SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Why an object is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) state: String,
    pub(crate) remedy: &'static str,
}

fn obstacle(state: impl Into<String>, remedy: &'static str) -> Obstacle {
    let state = state.into();
    Obstacle { state, remedy }
}

impl StoredSecret {
    /// Checks whether the refresh token may be stored in this Secret.
    ///
    /// A value is replaced if this command stored it, or if the `GraphConnection` refers to it as a refresh token.
    ///
    /// # Errors
    ///
    /// [`Obstacle`] with the way around it.
    pub(crate) fn check(&self, plan: &Plan, forces: bool) -> Result<(), Obstacle> {
        if !["", "Opaque"].contains(&self.kind.as_str()) {
            let state = format!("has the type {}", self.kind.escape_debug());
            return Err(obstacle(state, "choose another one with --secret"));
        }
        if self.immutable {
            return Err(obstacle(
                "is immutable",
                "delete it, or choose another one with --secret",
            ));
        }
        let is_known = self
            .metadata
            .labels
            .get(MANAGED_BY)
            .is_some_and(|by| by == MANAGER)
            || matches!(plan.connection, ConnectionPlan::Uses(_));
        if self.data.contains_key(&plan.token.key) && !is_known && !forces {
            let state = format!(
                "has a value under {} that this command did not store",
                plan.token.key
            );
            let remedy =
                "choose another one with --secret or --key, or replace the value with --force";
            return Err(obstacle(state, remedy));
        }
        Ok(())
    }

    /// Returns a value as text.
    pub(crate) fn value(&self, key: &str) -> Option<SecretString> {
        let bytes = STANDARD.decode(self.data.get(key)?.expose_secret()).ok()?;
        String::from_utf8(bytes).ok().map(SecretString::from)
    }

    /// Returns the merge patch that stores what is in `secret`, keeps everything else, and fails if the Secret has
    /// changed since it was read. Another manager's label stays.
    pub(crate) fn patch(&self, secret: &Object) -> Value {
        let values = secret.body["stringData"].as_object().into_iter().flatten();
        let data: BTreeMap<_, _> = values
            .map(|(key, value)| (key, STANDARD.encode(value.as_str().unwrap_or_default())))
            .collect();
        let mut metadata = json!({ "resourceVersion": self.metadata.resource_version });
        if !self.metadata.labels.contains_key(MANAGED_BY) {
            metadata["labels"] = json!({ MANAGED_BY: MANAGER });
        }
        json!({ "metadata": metadata, "data": data })
    }
}

/// What is done about an object that exists.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// It is as it should be.
    None,
    /// A merge patch that fails if the object has changed since it was read.
    Patch(Value),
}

/// Returns how an object becomes what it should be.
///
/// # Errors
///
/// [`Obstacle`] if it differs and was not created by this command.
pub(crate) fn change(found: &Value, wanted: &Object) -> Result<Change, Obstacle> {
    let members = wanted.body.as_object().into_iter().flatten();
    let own =
        members.filter(|(key, _)| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
    let mut patch: serde_json::Map<String, Value> = own
        .filter(|(key, value)| found.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if patch.is_empty() {
        return Ok(Change::None);
    }
    if found["metadata"]["labels"][MANAGED_BY] != MANAGER {
        let remedy =
            "delete it, or omit --create-role and grant get and patch on the Secret in another way";
        return Err(obstacle(
            "exists, and was not created by this command",
            remedy,
        ));
    }
    let version = found["metadata"]["resourceVersion"].clone();
    patch.insert("metadata".to_owned(), json!({ "resourceVersion": version }));
    Ok(Change::Patch(patch.into()))
}

#[cfg(test)]
mod tests;
