//! Flows and sets as they should be, without passwords.

use serde_json::{Map, Value};

use super::FlowType;

/// Desired state of a flow, or, in an update, of some of its properties.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowDefinition {
    /// Type of the flow. It never changes, but the service requires it in each update.
    pub flow_type: FlowType,
    /// Properties, each as a whole. A member that is null is cleared by an update and omitted by a create.
    ///
    /// They have the form in which the service returns them, with two exceptions in each configuration of a user flow:
    /// the role group is `"roleGroup": { "id": "students" }`, and there is no password.
    pub properties: Map<String, Value>,
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
    pub attribute: &'static str,
    /// Values that match.
    pub values: Vec<String>,
}
