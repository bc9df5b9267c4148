//! What is sent: definitions of flows and flow sets, turned into the JSON of the service.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{model::FlowType, transport::Endpoint};

/// What a flow should be.
#[derive(Clone, Debug)]
pub struct FlowDefinition {
    /// Its type. A flow's type never changes, but the service wants to hear it with each update.
    pub flow_type: FlowType,
    /// The properties to send. In an update these may be some of the flow's; each is sent whole.
    ///
    /// Written as the service answers them, but for two things in each configuration of a user
    /// flow: its role group is `"roleGroup": { "id": "students" }`, and it has no password.
    pub properties: Map<String, Value>,
    /// The password for new users of a role group, by the group's id, compared without regard to
    /// ASCII case.
    pub passwords: BTreeMap<String, SecretString>,
}

/// What a flow set should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSetDefinition {
    /// Free text.
    pub display_name: String,
    /// Which organisations it covers. `None`: all.
    pub filter: Option<FilterDefinition>,
}

/// Which organisations a flow set covers: those with one of the values in the attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterDefinition {
    /// The attribute, such as `orgExternalId`.
    pub attribute: String,
    /// The values.
    pub values: Vec<String>,
}

/// A body ready to be sent. It may hold passwords, so it shows only its length.
#[derive(Clone)]
pub(super) struct Body(Vec<u8>);

impl Body {
    fn new(value: &Value) -> Self {
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
    /// The body that creates the flow: members that are null are left out, as a new flow has
    /// nothing to clear.
    pub(super) fn for_create(&self, endpoint: &Endpoint) -> Body {
        Body::new(&without_nulls(self.wire(endpoint)))
    }

    /// The body that updates the flow: null clears a member.
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

    /// Turns the role group into a reference and adds its password.
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
    /// The body that creates the set.
    pub(super) fn for_create(&self) -> Body {
        Body::new(&without_nulls(self.wire()))
    }

    /// The body that updates the set: no filter is an explicit null, which clears the one there is.
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
