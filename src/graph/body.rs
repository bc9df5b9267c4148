//! Request bodies: definitions of flows and flow sets as the JSON of the service.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{model::FlowType, transport::Endpoint};

/// Desired state of a flow.
#[derive(Clone, Debug)]
pub struct FlowDefinition {
    /// Type of the flow. It never changes, but the service requires it in each update.
    pub flow_type: FlowType,
    /// Properties to send. An update may contain some of the properties; each is sent as a whole.
    ///
    /// They have the form in which the service returns them, with two exceptions in each configuration
    /// of a user flow: the role group is `"roleGroup": { "id": "students" }`, and there is no password.
    pub properties: Map<String, Value>,
    /// Passwords for new users by the id of their role group, which is compared without regard to ASCII
    /// case.
    pub passwords: BTreeMap<String, SecretString>,
}

/// Desired state of a flow set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSetDefinition {
    /// Display name, which need not be unique.
    pub display_name: String,
    /// Organisations that it covers, or `None` for all.
    pub filter: Option<FilterDefinition>,
}

/// Filter of organisations: those with one of the values in the attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterDefinition {
    /// Name of the attribute, such as `orgExternalId`.
    pub attribute: String,
    /// Values that match.
    pub values: Vec<String>,
}

/// Serialized body. It may contain passwords, so `Debug` prints only its length.
#[derive(Clone)]
pub(super) struct Body(Vec<u8>);

impl Body {
    /// Returns a body with this text.
    pub(super) fn new(value: &Value) -> Self {
        Self(value.to_string().into_bytes())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl FlowDefinition {
    /// Returns the body that creates the flow, without null members, because a new flow has nothing to
    /// clear.
    pub(super) fn for_create(&self, endpoint: &Endpoint) -> Body {
        Body::new(&without_nulls(self.wire(endpoint)))
    }

    /// Returns the body that updates the flow, in which null clears a member.
    pub(super) fn for_update(&self, endpoint: &Endpoint) -> Body {
        Body::new(&self.wire(endpoint))
    }

    fn wire(&self, endpoint: &Endpoint) -> Value {
        let mut wire = self.properties.clone();
        wire.insert("@odata.type".to_owned(), self.flow_type.odata_type().into());
        for configuration in configurations(&mut wire) {
            self.bind_role_group(configuration, endpoint);
        }
        wire.into()
    }

    /// Replaces the role group with a reference and adds its password.
    fn bind_role_group(&self, configuration: &mut Map<String, Value>, endpoint: &Endpoint) {
        let Some(id) = role_group(configuration) else {
            return;
        };
        let url = endpoint.at(["beta", "external", "industryData", "roleGroups", &id]);
        configuration.remove("roleGroup");
        configuration.insert("roleGroup@odata.bind".to_owned(), url.as_str().into());
        if let Some(password) = self.password(&id) {
            let settings = json!({
                "@odata.type": "#microsoft.graph.industryData.simplePasswordSettings",
                "password": password.expose_secret(),
            });
            configuration.insert("defaultPasswordSettings".to_owned(), settings);
        }
    }

    fn password(&self, role_group: &str) -> Option<&SecretString> {
        let mut passwords = self.passwords.iter();
        passwords
            .find(|(id, _)| id.eq_ignore_ascii_case(role_group))
            .map(|(_, password)| password)
    }
}

fn configurations(wire: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let options = wire
        .get_mut("creationOptions")
        .and_then(Value::as_object_mut);
    let list = options.and_then(|options| options.get_mut("configurations"));
    let items = list.and_then(Value::as_array_mut).into_iter().flatten();
    items.filter_map(Value::as_object_mut)
}

fn role_group(configuration: &Map<String, Value>) -> Option<String> {
    let id = configuration.get("roleGroup")?.get("id")?.as_str()?;
    Some(id.to_owned())
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            present
                .map(|(name, value)| (name, without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}

impl FlowSetDefinition {
    /// Returns the body that creates the set, without null members.
    pub(super) fn for_create(&self) -> Body {
        Body::new(&without_nulls(self.wire()))
    }

    /// Returns the body that updates the set. Without a filter it contains an explicit null, which
    /// clears the existing filter.
    pub(super) fn for_update(&self) -> Body {
        Body::new(&self.wire())
    }

    fn wire(&self) -> Value {
        json!({
            "@odata.type": "#microsoft.graph.industryData.outboundProvisioningFlowSet",
            "displayName": self.display_name,
            "filter": self.filter.as_ref().map(FilterDefinition::wire),
        })
    }
}

impl FilterDefinition {
    fn wire(&self) -> Value {
        json!({
            "@odata.type": "#microsoft.graph.industryData.basicFilter",
            "attribute": self.attribute,
            "in": self.values,
        })
    }
}

#[cfg(test)]
mod tests;
