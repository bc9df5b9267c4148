//! Checks a request body against the metadata and brings it into the form in which it is kept.
//!
//! Kept is: canonical property names, canonical casing of words and codes, a role group as its id, passwords in clear.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    behavior::{Behavior, Reception},
    flow_type::NAMESPACE,
    problem::Problem,
    role_group::RoleGroup,
    schema::{CONFIGURATIONS, Declared, Presence, Property, READ_ONLY, SECTION_ROLES, Shape, Type},
};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

const BIND: &str = "@odata.bind";
const PASSWORD_SETTINGS: &str = "defaultPasswordSettings";
const ROLE_GROUP: &str = "roleGroup";

/// The properties of a set or a flow, brought into form. Whether they are all there, [`complete`] says.
pub(crate) fn resource(
    schema: &Type,
    given: &Object,
    behavior: &Behavior,
) -> Result<Object, Problem> {
    let mut rest = given.clone();
    rest.remove("@odata.type");
    let read_only = |name: &String| {
        READ_ONLY
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    match behavior.read_only_fields {
        Reception::Refuse => {
            if let Some(name) = rest.keys().find(|name| read_only(name)) {
                return Err(Problem::bad_request(format!("`{name}` is read-only")).about(name));
            }
        }
        Reception::Accept | Reception::Ignore => rest.retain(|name, _| !read_only(name)),
    }
    properties(schema, &rest, behavior)
}

/// Complains about anything that must be there and is not.
pub(crate) fn complete(schema: &Type, kept: &Object) -> Result<(), Problem> {
    for property in schema.properties {
        match kept.get(property.name) {
            Some(value) => complete_value(&property.shape, value)?,
            None if is_required(property) => {
                let message = format!("`{}` of {} is required", property.name, schema.name);
                return Err(Problem::bad_request(message).about(property.name));
            }
            None => {}
        }
    }
    Ok(())
}

fn is_required(property: &Property) -> bool {
    property.presence == Presence::Required || matches!(property.shape, Shape::RoleGroup)
}

fn complete_value(shape: &Shape, value: &Value) -> Result<(), Problem> {
    match (shape, value) {
        (Shape::Complex(schema), Value::Object(kept)) => complete(schema, kept),
        (Shape::List(item), Value::Array(values)) => values
            .iter()
            .try_for_each(|value| complete_value(item, value)),
        _ => Ok(()),
    }
}

/// Lays a partial complex property over the old one. Collections are replaced.
pub(crate) fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                merge(old.entry(name).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

/// Gives every configuration that came without a password the one that its role group had.
pub(crate) fn keep_passwords(old: &Object, new: &mut Object) {
    let known: Vec<(Value, Value)> = configurations(old)
        .iter()
        .filter_map(|one| {
            Some((
                one.get(ROLE_GROUP)?.clone(),
                one.get(PASSWORD_SETTINGS)?.clone(),
            ))
        })
        .collect();
    let Some(Value::Array(list)) = new
        .get_mut("creationOptions")
        .and_then(|options| options.get_mut(CONFIGURATIONS))
    else {
        return;
    };
    for one in list.iter_mut().filter_map(Value::as_object_mut) {
        let group = one.get(ROLE_GROUP).cloned();
        let password = known.iter().find(|(of, _)| Some(of) == group.as_ref());
        if let (None, Some((_, settings))) = (one.get(PASSWORD_SETTINGS), password) {
            one.insert(PASSWORD_SETTINGS.to_owned(), settings.clone());
        }
    }
}

/// The user configurations among a flow's kept properties.
pub(crate) fn configurations(kept: &Object) -> &[Value] {
    let list = kept
        .get("creationOptions")
        .and_then(|options| options.get(CONFIGURATIONS));
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The password that a flow has for a role group.
pub(crate) fn password<'a>(kept: &'a Object, group: &str) -> Option<&'a str> {
    let of_group = |one: &&Value| one.get(ROLE_GROUP).and_then(Value::as_str) == Some(group);
    let one = configurations(kept).iter().find(of_group)?;
    one.pointer("/defaultPasswordSettings/password")?.as_str()
}

fn properties(schema: &Type, given: &Object, behavior: &Behavior) -> Result<Object, Problem> {
    let mut kept = Object::new();
    for (name, value) in given {
        if let Some((name, value)) = one_property(schema, name, value, behavior)? {
            kept.insert(name, value);
        }
    }
    Ok(kept)
}

fn one_property(
    schema: &Type,
    name: &str,
    value: &Value,
    behavior: &Behavior,
) -> Result<Option<(String, Value)>, Problem> {
    if let Some(bound) = name.strip_suffix(BIND) {
        return bind(schema, bound, value).map(Some);
    }
    if name.contains('@') {
        return Ok(None);
    }
    let Some(property) = schema
        .properties
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name))
    else {
        return unknown(schema, name, behavior);
    };
    if property.presence == Presence::Deprecated
        && behavior.mark_all_students_as_minors != Reception::Accept
    {
        return deprecated(name, behavior);
    }
    if value.is_null() {
        return null(property);
    }
    let value = shaped(&property.shape, property.name, value, behavior)?;
    Ok(Some((property.name.to_owned(), value)))
}

fn unknown(
    schema: &Type,
    name: &str,
    behavior: &Behavior,
) -> Result<Option<(String, Value)>, Problem> {
    match behavior.unknown_fields {
        Reception::Refuse => {
            let message = format!(
                "the property `{name}` does not exist on type {}",
                schema.name
            );
            Err(Problem::bad_request(message).about(name))
        }
        Reception::Accept | Reception::Ignore => Ok(None),
    }
}

fn deprecated(name: &str, behavior: &Behavior) -> Result<Option<(String, Value)>, Problem> {
    match behavior.mark_all_students_as_minors {
        Reception::Refuse => {
            Err(Problem::bad_request(format!("`{name}` is no longer supported")).about(name))
        }
        Reception::Accept | Reception::Ignore => Ok(None),
    }
}

fn null(property: &Property) -> Result<Option<(String, Value)>, Problem> {
    match property.presence {
        Presence::Nullable | Presence::Deprecated => {
            Ok(Some((property.name.to_owned(), Value::Null)))
        }
        Presence::Required | Presence::Collection | Presence::Navigation => Err(
            Problem::bad_request(format!("`{}` must not be null", property.name))
                .about(property.name),
        ),
    }
}

fn shaped(shape: &Shape, name: &str, value: &Value, behavior: &Behavior) -> Result<Value, Problem> {
    match (shape, value) {
        (Shape::Boolean, Value::Bool(_)) | (Shape::Text | Shape::Password, Value::String(_)) => {
            Ok(value.clone())
        }
        (Shape::Word(words), Value::String(text)) => word(words, name, text, behavior),
        (Shape::Code, Value::String(text)) => Ok(code(text)),
        (Shape::Complex(schema), Value::Object(given)) => complex(schema, name, given, behavior),
        (Shape::List(item), Value::Array(values)) => values
            .iter()
            .map(|value| shaped(item, name, value, behavior))
            .collect::<Result<Vec<Value>, Problem>>()
            .map(Value::Array),
        _ => {
            Err(Problem::bad_request(format!("`{name}` has a value of the wrong type")).about(name))
        }
    }
}

fn complex(
    schema: &Type,
    name: &str,
    given: &Object,
    behavior: &Behavior,
) -> Result<Value, Problem> {
    let wanted = format!("{NAMESPACE}{}", schema.name);
    match given.get("@odata.type").and_then(Value::as_str) {
        Some(said) if said.trim_start_matches('#') == wanted.trim_start_matches('#') => {}
        None if schema.declared == Declared::Concrete => {}
        _ => {
            return Err(
                Problem::bad_request(format!("`{name}` needs @odata.type {wanted}")).about(name),
            );
        }
    }
    properties(schema, given, behavior).map(Value::Object)
}

fn word(words: &[&str], name: &str, text: &str, behavior: &Behavior) -> Result<Value, Problem> {
    let same = |known: &&&str| **known == text;
    let alike = |known: &&&str| known.eq_ignore_ascii_case(text) && !behavior.case_sensitive_words;
    match words.iter().find(|known| same(known) || alike(known)) {
        Some(known) => Ok(Value::from(*known)),
        None => {
            Err(Problem::bad_request(format!("`{text}` is not a value of `{name}`")).about(name))
        }
    }
}

fn code(text: &str) -> Value {
    let known = SECTION_ROLES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(text));
    Value::from(known.copied().unwrap_or(text))
}

fn bind(schema: &Type, name: &str, value: &Value) -> Result<(String, Value), Problem> {
    let wrong = |what: &str| Problem::bad_request(format!("`{name}{BIND}` {what}")).about(name);
    let property = schema
        .properties
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name));
    let link = value.as_str().ok_or_else(|| wrong("must be a URL"))?;
    let key = bound_key(link);
    match property.map(|property| &property.shape) {
        Some(Shape::RoleGroup) => {
            let group = RoleGroup::find(&key).ok_or_else(|| wrong("names no role group"))?;
            Ok((ROLE_GROUP.to_owned(), Value::from(group.id)))
        }
        Some(Shape::Reference) => {
            let (_, reference) = key
                .split_once('-')
                .ok_or_else(|| wrong("names no reference definition"))?;
            Ok(("code".to_owned(), code(reference)))
        }
        _ => Err(wrong("binds nothing")),
    }
}

/// The key at the end of a link: absolute or relative, as a segment or as `('key')`.
fn bound_key(link: &str) -> String {
    let last = link
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let last = percent_decode_str(last).decode_utf8_lossy().into_owned();
    let quoted = last
        .strip_suffix("')")
        .and_then(|rest| rest.split_once("('"));
    quoted.map_or(last.clone(), |(_, key)| key.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema;

    fn user(body: &Value) -> Result<Object, Problem> {
        let given = body.as_object().unwrap();
        let kept = resource(&schema::USER_FLOW, given, &Behavior::default())?;
        complete(&schema::USER_FLOW, &kept).map(|()| kept)
    }

    #[test]
    fn every_documented_spelling_of_a_binding_names_the_group() {
        for link in [
            "https://graph.microsoft.com/beta/external/industryData/roleGroups/staff",
            "external/industryData/roleGroups/staff",
            "https://graph.microsoft.com/beta/external/industryData/roleGroups('staff')",
        ] {
            assert_eq!(bound_key(link), "staff");
        }
    }

    #[test]
    fn names_are_folded_and_codes_take_their_canonical_casing() {
        let given = json!({ "CONFIGURATION": {
            "additionalOptions": { "createteam": true, "writeDisplayNameOnCreateOnly": false },
            "enrollmentMappings": { "ownerEnrollmentMappings": [{ "code": "paraProfessional" }] } } });
        let kept = resource(
            &schema::CLASS_GROUP_FLOW,
            given.as_object().unwrap(),
            &Behavior::default(),
        )
        .unwrap();
        let kept = Value::Object(kept);
        assert_eq!(
            kept.pointer("/configuration/additionalOptions/createTeam"),
            Some(&json!(true))
        );
        assert_eq!(
            kept.pointer("/configuration/enrollmentMappings/ownerEnrollmentMappings/0/code"),
            Some(&json!("paraprofessional"))
        );
    }

    #[test]
    fn what_the_metadata_requires_is_required() {
        assert!(user(&json!({})).is_err());
        assert!(user(&json!({ "managementOptions": {} })).is_err());
        assert!(user(&json!({ "managementOptions": { "additionalOptions": {} } })).is_ok());
        assert!(user(&json!({ "managementOptions": null })).is_err());
    }

    #[test]
    fn closed_types_and_closed_enums_refuse_strangers() {
        assert!(
            user(&json!({ "managementOptions": { "additionalOptions": { "shoeSize": 43 } } }))
                .is_err()
        );
        let futuristic =
            json!({ "additionalOptions": { "studentAgeGroup": "unknownFutureValue" } });
        assert!(user(&json!({ "managementOptions": futuristic })).is_err());
    }

    #[test]
    fn merging_replaces_collections_and_keeps_what_is_not_named() {
        let mut old = json!({ "a": { "x": 1, "list": [1, 2] }, "b": 2 });
        merge(&mut old, json!({ "a": { "list": [3] } }));
        assert_eq!(old, json!({ "a": { "x": 1, "list": [3] }, "b": 2 }));
    }
}
