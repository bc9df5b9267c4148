//! Makes answers from what is kept: masks, expansions, nulls and the order of things.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    behavior::{Behavior, ConfigurationOrder},
    flow_type::NAMESPACE,
    role_group::RoleGroup,
    schema::{self, CONFIGURATIONS, Declared, Presence, Shape, Type},
    store::{Flow, FlowSet},
    validate::Object,
};

/// What every password is answered as.
const MASK: &str = "***************";

/// Whether the role group of a user configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleGroups {
    Expanded,
    /// As in the answer to a POST.
    Omitted,
}

/// Renders on behalf of one request.
#[derive(Debug)]
pub(crate) struct Renderer<'a> {
    pub(crate) base: &'a str,
    pub(crate) behavior: &'a Behavior,
    pub(crate) now: Timestamp,
    pub(crate) role_groups: RoleGroups,
}

impl Renderer<'_> {
    /// A set without its flows.
    pub(crate) fn set(&self, set: &FlowSet) -> Object {
        let mut object = self.properties(&schema::FLOW_SET, &set.properties, "");
        Self::envelope(&mut object, &set.id, set.created, set.modified);
        object
    }

    /// A flow, without `@odata.context`.
    pub(crate) fn flow(&self, set: &str, flow: &Flow) -> Object {
        let here = format!(
            "{}('{}')/{NAMED}{}",
            flows_context(self.base, set),
            flow.id,
            flow.kind.schema().name
        );
        let mut object = self.properties(flow.kind.schema(), &flow.properties, &here);
        Self::envelope(&mut object, &flow.id, flow.created, flow.modified);
        object.insert(
            "readinessStatus".to_owned(),
            Value::from(flow.readiness.at(self.now)),
        );
        object
    }

    fn envelope(object: &mut Object, id: &str, created: Timestamp, modified: Timestamp) {
        object.insert("id".to_owned(), Value::from(id));
        object.insert(
            "createdDateTime".to_owned(),
            Value::from(created.to_string()),
        );
        object.insert(
            "lastModifiedDateTime".to_owned(),
            Value::from(modified.to_string()),
        );
    }

    fn properties(&self, schema: &Type, kept: &Object, context: &str) -> Object {
        let mut shown = Object::new();
        if schema.declared == Declared::Abstract {
            shown.insert(
                "@odata.type".to_owned(),
                Value::from(format!("{NAMESPACE}{}", schema.name)),
            );
        }
        for property in schema.properties {
            let here = format!("{context}/{}", property.name);
            match (kept.get(property.name), property.presence) {
                (Some(Value::String(group)), Presence::Navigation) => {
                    self.role_group(&mut shown, group, &here);
                }
                (Some(value), _) => {
                    _ = shown.insert(
                        property.name.to_owned(),
                        self.value(&property.shape, value, &here),
                    );
                }
                (None, Presence::Collection) => {
                    _ = shown.insert(property.name.to_owned(), json!([]));
                }
                (None, Presence::Nullable) if self.behavior.nulls_shown => {
                    shown.insert(property.name.to_owned(), Value::Null);
                }
                (None, _) => {}
            }
        }
        self.reorder(&mut shown);
        shown
    }

    fn value(&self, shape: &Shape, value: &Value, context: &str) -> Value {
        match (shape, value) {
            (Shape::Password, Value::String(_)) => Value::from(MASK),
            (Shape::Complex(schema), Value::Object(kept)) => {
                Value::Object(self.properties(schema, kept, context))
            }
            (Shape::List(item), Value::Array(values)) => Value::Array(
                values
                    .iter()
                    .map(|value| self.value(item, value, context))
                    .collect(),
            ),
            _ => value.clone(),
        }
    }

    fn role_group(&self, shown: &mut Object, id: &str, context: &str) {
        if let (RoleGroups::Expanded, Some(group)) = (self.role_groups, RoleGroup::find(id)) {
            shown.insert(
                "roleGroup@odata.context".to_owned(),
                Value::from(format!("{context}/$entity")),
            );
            shown.insert("roleGroup".to_owned(), role_group(group));
        }
    }

    fn reorder(&self, shown: &mut Object) {
        if self.behavior.configuration_order == ConfigurationOrder::AsSent {
            return;
        }
        if let Some(Value::Array(list)) = shown.get_mut(CONFIGURATIONS) {
            list.reverse();
        }
    }
}

const NAMED: &str = "microsoft.graph.industryData.";

/// A role group as an answer shows it.
pub(crate) fn role_group(group: &RoleGroup) -> Value {
    let roles: Vec<Value> = group
        .roles
        .iter()
        .map(|code| json!({ "code": code }))
        .collect();
    json!({ "id": group.id, "displayName": group.display_name, "roles": roles })
}

/// `@odata.context` of a collection directly under `industryData`.
pub(crate) fn context(base: &str, collection: &str) -> String {
    format!("{base}/beta/$metadata#external/industryData/{collection}")
}

/// `@odata.context` of the flows of a set.
pub(crate) fn flows_context(base: &str, set: &str) -> String {
    context(
        base,
        &format!("outboundProvisioningFlowSets('{set}')/provisioningFlows"),
    )
}
