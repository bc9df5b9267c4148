//! Request bodies: definitions of flows and flow sets as the JSON of the service.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{
    model::{FilterDefinition, FlowDefinition, FlowSetDefinition},
    transport::Endpoint,
};

/// Passwords for new users by the id of their role group, which is compared without regard to ASCII case.
pub type Passwords = BTreeMap<String, SecretString>;

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
    pub(super) fn for_create(&self, passwords: &Passwords, endpoint: &Endpoint) -> Body {
        Body::new(&without_nulls(self.wire(passwords, endpoint)))
    }

    /// Returns the body that updates the flow, in which null clears a member.
    pub(super) fn for_update(&self, passwords: &Passwords, endpoint: &Endpoint) -> Body {
        Body::new(&self.wire(passwords, endpoint))
    }

    fn wire(&self, passwords: &Passwords, endpoint: &Endpoint) -> Value {
        let mut wire = self.properties.clone();
        wire.insert("@odata.type".to_owned(), self.flow_type.odata_type().into());
        for configuration in configurations(&mut wire) {
            bind_role_group(configuration, passwords, endpoint);
        }
        wire.into()
    }
}

/// Replaces the role group with a reference and adds its password.
fn bind_role_group(
    configuration: &mut Map<String, Value>,
    passwords: &Passwords,
    endpoint: &Endpoint,
) {
    let Some(id) = role_group(configuration) else {
        return;
    };
    let url = endpoint.at(["beta", "external", "industryData", "roleGroups", &id]);
    configuration.remove("roleGroup");
    configuration.insert("roleGroup@odata.bind".to_owned(), url.as_str().into());
    let mut passwords = passwords.iter();
    let own = passwords.find(|(role_group, _)| role_group.eq_ignore_ascii_case(&id));
    if let Some((_, password)) = own {
        let settings = json!({
            "@odata.type": "#microsoft.graph.industryData.simplePasswordSettings",
            "password": password.expose_secret(),
        });
        configuration.insert("defaultPasswordSettings".to_owned(), settings);
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
