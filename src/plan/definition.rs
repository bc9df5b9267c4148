//! Conversion of a spec to the desired properties at the service, with the service's names.
//!
//! A member that the spec omits is `null` here: a create omits it, and an update sends it as `null`, so that removing
//! it from a manifest also removes it at the service. Passwords are never part of a definition.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::{
    ClassGroupConfiguration, FilterAttribute, FlowSetFilter, OutboundProvisioningFlowSetSpec,
    ProvisioningFlowSpec, SecretKeyReference, UserConfiguration, UserFlow, UserManagementOptions,
};
use crate::graph::model::{
    FilterDefinition, FlowDefinition, FlowSetDefinition, FlowType, without_masks,
};

impl FlowDefinition {
    /// Returns the desired flow, or `None` if the spec has no type, which the schema rules out. What a spec that only
    /// observes omits is not in it, so that it is not compared.
    #[must_use]
    pub fn of(spec: &ProvisioningFlowSpec) -> Option<Self> {
        let (flow_type, properties) = if let Some(flow) = &spec.administrative_unit {
            let options = member("creationOptions", flow.creation_options.as_ref());
            (FlowType::AdministrativeUnit, options)
        } else if let Some(flow) = &spec.security_group {
            let options = member("creationOptions", flow.creation_options.as_ref());
            (FlowType::SecurityGroup, options)
        } else if let Some(flow) = &spec.class_group {
            let configuration = flow.configuration.as_ref().map(class_group);
            (FlowType::ClassGroup, member("configuration", configuration))
        } else {
            (FlowType::User, user(spec.user.as_ref()?))
        };
        Some(Self {
            flow_type,
            properties,
        })
    }

    /// Returns the update for the properties that `keep` selects. Each is sent in full and on top of the values that
    /// the service returned: how the service merges partial properties is undocumented, and undeclared members must be
    /// preserved.
    #[must_use]
    pub fn over(&self, shown: &Map<String, Value>, keep: impl Fn(&str) -> bool) -> Self {
        let kept = self.properties.iter().filter(|(name, _)| keep(name));
        let overlaid = |(name, wanted): (&String, &Value)| {
            let shown = shown.get(name).unwrap_or(&Value::Null);
            (name.clone(), overlay(wanted, shown))
        };
        Self {
            flow_type: self.flow_type,
            properties: kept.map(overlaid).collect(),
        }
    }

    /// Returns a fingerprint of the definition. It is persisted in the status, so it must be stable across versions.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let properties = Value::from(self.properties.clone()).to_string();
        super::retry::fingerprint([self.flow_type.as_str(), &properties])
    }
}

/// Merges the declared value with the undeclared members of `shown`.
fn overlay(wanted: &Value, shown: &Value) -> Value {
    match (wanted, shown) {
        (Value::Object(wanted), Value::Object(shown)) => {
            let extra = shown.iter().filter(|(name, _)| is_kept(name));
            let extra =
                extra.filter_map(|(name, value)| Some((name.clone(), without_masks(value)?)));
            let mut all: Map<_, _> = extra.collect();
            for (name, value) in wanted {
                let value = match shown.get(name) {
                    // `roleGroup` is a reference: its other members belong to the role group itself.
                    Some(shown) if name != "roleGroup" => overlay(value, shown),
                    _ => value.clone(),
                };
                all.insert(name.clone(), value);
            }
            all.into()
        }
        (Value::Array(wanted), Value::Array(shown)) => {
            let item = |wanted: &Value| {
                let twin = shown.iter().find(|shown| key(shown) == key(wanted));
                twin.map_or_else(|| wanted.clone(), |twin| overlay(wanted, twin))
            };
            wanted.iter().map(item).collect()
        }
        _ => wanted.clone(),
    }
}

/// Returns what identifies an item in its list: the role group of a configuration, the code of a mapping, or the item
/// itself.
pub(super) fn identity(item: &Value) -> &Value {
    let group = item
        .pointer("/roleGroup/id")
        .or_else(|| item.get("roleGroup"));
    group.or_else(|| item.get("code")).unwrap_or(item)
}

/// Returns the key of an item in its list: what identifies it, in lower case.
pub(super) fn key(item: &Value) -> String {
    let identity = identity(item);
    let text = identity
        .as_str()
        .map_or_else(|| identity.to_string(), str::to_owned);
    text.to_lowercase()
}

/// Returns whether an undeclared member is sent back. Annotations are not, except for the type of polymorphic objects,
/// and neither are passwords. Of what is, other secrets are left out, because they are masked.
fn is_kept(name: &str) -> bool {
    let annotation = name.contains("@odata.") && name != "@odata.type";
    !annotation && !name.eq_ignore_ascii_case("defaultPasswordSettings")
}

impl FlowSetDefinition {
    /// Returns the desired set.
    #[must_use]
    pub fn of(spec: &OutboundProvisioningFlowSetSpec) -> Self {
        Self {
            display_name: spec.display_name.clone(),
            filter: spec.filter.as_ref().map(filter),
        }
    }
}

fn filter(filter: &FlowSetFilter) -> FilterDefinition {
    let FilterAttribute::OrgExternalId = filter.attribute;
    FilterDefinition {
        attribute: "orgExternalId",
        values: filter.values.clone(),
    }
}

/// Returns the type of the flow, or `None` if the spec has no type, which the schema rules out.
#[must_use]
pub fn flow_type(spec: &ProvisioningFlowSpec) -> Option<FlowType> {
    let given = [
        (
            spec.administrative_unit.is_some(),
            FlowType::AdministrativeUnit,
        ),
        (spec.security_group.is_some(), FlowType::SecurityGroup),
        (spec.class_group.is_some(), FlowType::ClassGroup),
        (spec.user.is_some(), FlowType::User),
    ];
    given
        .into_iter()
        .find_map(|(given, flow_type)| given.then_some(flow_type))
}

/// Returns the passwords that a spec refers to, each with its role group.
pub fn passwords(spec: &ProvisioningFlowSpec) -> impl Iterator<Item = (&str, &SecretKeyReference)> {
    let options = spec
        .user
        .as_ref()
        .and_then(|user| user.creation_options.as_ref());
    let configurations = options
        .into_iter()
        .flat_map(|options| &options.configurations);
    configurations.filter_map(|configuration| {
        let password = configuration.default_password.as_ref()?;
        Some((configuration.role_group.as_str(), &password.secret_key_ref))
    })
}

/// Returns the object with this member, or without any if there is none.
fn member(name: &str, value: Option<impl Serialize>) -> Map<String, Value> {
    let member = value.map(|value| (name.to_owned(), json!(value)));
    member.into_iter().collect()
}

fn class_group(configuration: &ClassGroupConfiguration) -> Value {
    let mappings = &configuration.enrollment_mappings;
    json!({
        "additionalAttributes": configuration.additional_attributes,
        "additionalOptions": configuration.additional_options,
        "enrollmentMappings": {
            "ownerEnrollmentMappings": mappings.owner_enrollment_mappings,
            "memberEnrollmentMappings": mappings.member_enrollment_mappings,
        },
    })
}

fn user(flow: &UserFlow) -> Map<String, Value> {
    let creation = flow.creation_options.as_ref().map(|creation| {
        let configurations: Vec<Value> = creation
            .configurations
            .iter()
            .map(user_configuration)
            .collect();
        json!({ "configurations": configurations })
    });
    let properties = [
        ("createUnmatchedUsers", json!(flow.create_unmatched_users)),
        (
            "managementOptions",
            json!(flow.management_options.as_ref().map(user_management)),
        ),
        ("creationOptions", json!(creation)),
    ];
    // Without the required member, the spec only observes, and what it omits is not declared to be nothing.
    let is_partial = flow.management_options.is_none();
    let given = properties
        .into_iter()
        .filter(|(_, value)| !(is_partial && value.is_null()));
    given
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn user_management(options: &UserManagementOptions) -> Value {
    json!({
        "additionalAttributes": options.additional_attributes,
        "additionalOptions": {
            "studentAgeGroup": options.additional_options.student_age_group,
            "allowStudentContactAssociation": options.additional_options.allow_student_contact_association,
        },
    })
}

fn user_configuration(configuration: &UserConfiguration) -> Value {
    json!({
        "roleGroup": { "id": configuration.role_group },
        "licenseSkus": configuration.license_skus,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::model::PASSWORD_MASK;
    use crate::plan::testing::{flow, flow_of};

    #[test]
    fn each_type_has_its_properties() {
        let cases: [(FlowType, &[&str]); 4] = [
            (FlowType::AdministrativeUnit, &["creationOptions"]),
            (FlowType::ClassGroup, &["configuration"]),
            (FlowType::SecurityGroup, &["creationOptions"]),
            (
                FlowType::User,
                &[
                    "createUnmatchedUsers",
                    "creationOptions",
                    "managementOptions",
                ],
            ),
        ];
        for (kind, names) in cases {
            let spec = flow(kind).spec;
            let body = FlowDefinition::of(&spec).unwrap();
            assert_eq!((body.flow_type, flow_type(&spec)), (kind, Some(kind)));
            assert!(
                body.properties
                    .keys()
                    .map(String::as_str)
                    .eq(names.iter().copied())
            );
        }
    }

    #[test]
    fn what_is_left_out_is_null_or_empty() {
        let spec =
            flow_of(&json!({ "user": { "managementOptions": { "additionalOptions": {} } } }));
        let expected = json!({
            "createUnmatchedUsers": null,
            "creationOptions": null,
            "managementOptions": {
                "additionalAttributes": [],
                "additionalOptions": { "studentAgeGroup": null, "allowStudentContactAssociation": null },
            },
        });
        assert_eq!(
            Value::from(FlowDefinition::of(&spec.spec).unwrap().properties),
            expected
        );
        let mappings = json!({ "classGroup": { "configuration": {
            "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": true },
            "enrollmentMappings": {} } } });
        let body = FlowDefinition::of(&flow_of(&mappings).spec).unwrap();
        let configuration = &body.properties["configuration"];
        assert_eq!(
            configuration["enrollmentMappings"]["ownerEnrollmentMappings"],
            json!([])
        );
        assert_eq!(configuration["additionalAttributes"], json!([]));
    }

    #[test]
    fn what_an_observed_flow_omits_is_not_declared() {
        for member in ["administrativeUnit", "classGroup", "securityGroup", "user"] {
            let spec = flow_of(&json!({ "managementPolicy": "Observe", member: {} })).spec;
            let body = FlowDefinition::of(&spec).unwrap();
            assert_eq!(body.flow_type.as_str(), member);
            assert!(body.properties.is_empty(), "{body:?}");
        }
        let partial = flow_of(&json!({ "user": { "createUnmatchedUsers": true } })).spec;
        let properties = FlowDefinition::of(&partial).unwrap().properties;
        assert_eq!(
            Value::from(properties),
            json!({ "createUnmatchedUsers": true })
        );
    }

    #[test]
    fn passwords_are_named_and_never_part_of_a_definition() {
        let spec = flow(FlowType::User).spec;
        let named: Vec<(&str, &str)> = passwords(&spec)
            .map(|(group, reference)| (group, reference.key.as_str()))
            .collect();
        assert_eq!(named, [("staff", "staff"), ("students", "students")]);
        let text = Value::from(FlowDefinition::of(&spec).unwrap().properties).to_string();
        assert!(!text.to_lowercase().contains("password"));
        assert_eq!(passwords(&flow(FlowType::ClassGroup).spec).count(), 0);
    }

    #[test]
    fn a_spec_without_a_type_defines_nothing() {
        let spec = flow_of(&json!({})).spec;
        assert_eq!((FlowDefinition::of(&spec), flow_type(&spec)), (None, None));
    }

    #[test]
    fn what_is_sent_keeps_what_the_service_holds_beside_what_is_declared() {
        let body = FlowDefinition::of(&flow(FlowType::User).spec).unwrap();
        let shown = json!({
            "managementOptions": {
                "@odata.context": "somewhere", "@odata.type": "#kind", "unheardOf": [1],
                "additionalAttributes": ["userNumber"],
                "additionalOptions": { "studentAgeGroup": "adult", "more": true, "apiKey": PASSWORD_MASK },
            },
            "creationOptions": { "configurations": [
                { "roleGroup": { "id": "STUDENTS", "displayName": "Students" }, "extra": 1,
                  "defaultPasswordSettings": { "password": "***************" } },
                { "roleGroup": { "id": "others" }, "extra": 2 },
            ] },
        });
        let sent = body.over(shown.as_object().unwrap(), |name| {
            name != "createUnmatchedUsers"
        });
        let sent = Value::from(sent.properties);
        let options = json!({ "studentAgeGroup": "minor", "allowStudentContactAssociation": false, "more": true });
        assert_eq!(sent["managementOptions"]["additionalOptions"], options);
        assert_eq!(sent["managementOptions"]["unheardOf"], json!([1]));
        assert_eq!(sent["managementOptions"]["@odata.type"], "#kind");
        assert_eq!(sent["managementOptions"].get("@odata.context"), None);
        let configurations = sent["creationOptions"]["configurations"]
            .as_array()
            .unwrap();
        assert_eq!(configurations.len(), 2);
        let students = &configurations[1];
        assert_eq!(students["roleGroup"], json!({ "id": "students" }));
        assert_eq!(students["extra"], json!(1));
        assert!(!sent.to_string().to_lowercase().contains("password"));
        assert_eq!(sent.get("createUnmatchedUsers"), None);
    }

    #[test]
    fn a_fingerprint_tells_definitions_apart() {
        let prints: std::collections::BTreeSet<String> = FlowType::ALL
            .into_iter()
            .map(|kind| FlowDefinition::of(&flow(kind).spec).unwrap().fingerprint())
            .collect();
        assert_eq!(prints.len(), 4);
    }
}
