//! The configuration of a flow as the service returns it, for the status.

use serde_json::{Map, Value};

use crate::api::ObservedConfiguration;
use crate::graph::model::{FlowType, displayable};
use crate::plan::compare::{self, Comparison};

/// Largest text of an observed configuration: more than one with 16 role groups and 64 licences each takes.
const MAX_BYTES: usize = 64 * 1024;

/// Maximum length of a text in it, as in a spec.
const MAX_TEXT_CHARS: usize = 256;

/// The members that a spec can have, at any depth.
const KNOWN: [&str; 20] = [
    "additionalAttributes",
    "additionalOptions",
    "allowStudentContactAssociation",
    "code",
    "configuration",
    "configurations",
    "createBasedOnOrg",
    "createBasedOnOrgPlusRoleGroup",
    "createBasedOnRoleGroup",
    "createTeam",
    "createUnmatchedUsers",
    "creationOptions",
    "enrollmentMappings",
    "licenseSkus",
    "managementOptions",
    "memberEnrollmentMappings",
    "ownerEnrollmentMappings",
    "roleGroup",
    "studentAgeGroup",
    "writeDisplayNameOnCreateOnly",
];

/// Returns what the status reports about the configuration, in the form of a spec, or `None` if it is too large.
///
/// A configuration that means the same as the known one, or of which the service omits role groups, changes nothing: lists
/// have no order, and a response may be abbreviated.
pub(super) fn configuration(
    known: Option<&ObservedConfiguration>,
    flow_type: FlowType,
    shown: &Map<String, Value>,
) -> Option<ObservedConfiguration> {
    let properties = plain_members(shown).into();
    let members = Map::from_iter([(flow_type.as_str().to_owned(), properties)]);
    let observed = ObservedConfiguration::from(&members);
    match known {
        Some(known) if *known == observed || means_the_same(known, &members) => Some(known.clone()),
        _ => (observed.as_str().len() <= MAX_BYTES).then_some(observed),
    }
}

fn means_the_same(known: &ObservedConfiguration, members: &Map<String, Value>) -> bool {
    let known: Map<String, Value> = serde_json::from_str(known.as_str()).unwrap_or_default();
    let Comparison { drift, unseen } = compare::flow(&known, members);
    let is_complete = || compare::flow(members, &known).drift.is_empty();
    drift.is_empty() && (!unseen.is_empty() || is_complete())
}

/// Returns a value without passwords and other members that a spec does not have, and without those that are null; with the
/// ids of role groups in place of what the service adds about them.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => plain_members(members).into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::String(text) => displayable(text, MAX_TEXT_CHARS).into(),
        other => other.clone(),
    }
}

fn plain_members(members: &Map<String, Value>) -> Map<String, Value> {
    let kept = members
        .iter()
        .filter(|(name, value)| !value.is_null() && KNOWN.contains(&name.as_str()));
    let member = |(name, value): (&String, &Value)| match value.get("id") {
        Some(id) if name == "roleGroup" => (name.clone(), plain(id)),
        _ => (name.clone(), plain(value)),
    };
    kept.map(member).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::model::FlowDefinition;
    use crate::graph::model::PASSWORD_MASK;
    use crate::plan::testing::flow;

    fn observed(shown: &Value) -> Option<Value> {
        let shown = shown.as_object().unwrap();
        let observed = configuration(None, FlowType::User, shown)?;
        Some(serde_json::from_str(observed.as_str()).unwrap())
    }

    #[test]
    fn what_is_observed_can_be_a_spec() {
        let shown = json!({
            "createUnmatchedUsers": null,
            "managementOptions": {
                "@odata.type": "#kind", "additionalAttributes": [],
                "additionalOptions": { "studentAgeGroup": "minor", "more": { "of": [1] } },
            },
            "creationOptions": { "configurations": [{
                "licenseSkus": ["00000000-0000-4000-8000-000000000002"],
                "defaultPasswordSettings": { "@odata.type": "#simple", "password": PASSWORD_MASK },
                "roleGroup@odata.context": "somewhere",
                "roleGroup": { "id": "students", "displayName": "Students", "roles": [] },
            }] },
        });
        let expected = json!({ "user": {
            "managementOptions": {
                "additionalAttributes": [],
                "additionalOptions": { "studentAgeGroup": "minor" },
            },
            "creationOptions": { "configurations": [{
                "licenseSkus": ["00000000-0000-4000-8000-000000000002"], "roleGroup": "students",
            }] },
        } });
        assert_eq!(observed(&shown), Some(expected));
    }

    #[test]
    fn it_reveals_no_secret_and_has_a_limit() {
        let secret = json!({ "apiKey": PASSWORD_MASK, "code": "x\u{202E}y" });
        assert_eq!(
            observed(&secret),
            Some(json!({ "user": { "code": "x\u{FFFD}y" } }))
        );
        let large = json!({ "licenseSkus": vec!["x".repeat(256); 256] });
        assert_eq!(observed(&large), None);
    }

    #[test]
    fn what_means_the_same_changes_nothing() {
        let group =
            |id: &str, skus: Value| json!({ "roleGroup": { "id": id }, "licenseSkus": skus });
        let shown = |configurations: Value| json!({ "creationOptions": { "configurations": configurations } });
        let first = shown(json!([
            group("staff", json!(["a", "b"])),
            group("students", json!([]))
        ]));
        let of = |known: Option<&ObservedConfiguration>, shown: &Value| {
            configuration(known, FlowType::User, shown.as_object().unwrap())
        };
        let known = of(None, &first);
        let same = [
            shown(json!([
                group("Students", json!([])),
                group("staff", json!(["B", "a"]))
            ])),
            shown(json!([{ "licenseSkus": [] }, { "licenseSkus": [] }])),
        ];
        for same in same {
            assert_eq!(of(known.as_ref(), &same), known, "{same}");
        }
        let mut other = first.clone();
        other["createUnmatchedUsers"] = json!(true);
        for other in [
            other,
            shown(json!([group("staff", json!(["a"]))])),
            shown(json!([])),
        ] {
            assert_ne!(of(known.as_ref(), &other), known, "{other}");
        }
    }

    /// A member that is missing there would never be shown.
    #[test]
    fn each_member_of_a_spec_is_known() {
        fn names(value: &Value, found: &mut Vec<String>) {
            for (name, value) in value.as_object().into_iter().flatten() {
                found.push(name.clone());
                names(value, found);
            }
            value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| names(item, found));
        }
        let mut found = Vec::new();
        for kind in FlowType::ALL {
            let definition = FlowDefinition::of(&flow(kind).spec).unwrap();
            names(&Value::Object(definition.properties), &mut found);
        }
        found.retain(|name| name != "id");
        found.sort();
        found.dedup();
        assert_eq!(found, KNOWN);
    }
}
