//! The three kinds, from the schemas of their definitions.

use industrydata_operator::api::custom_resource_definitions;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::{code, row, table};

pub fn page() -> String {
    let kinds: String = custom_resource_definitions().iter().map(kind).collect();
    let page = format!(
        "# Resources

All fields of the three kinds of `industrydata.dev/v1alpha1`, which `kubectl explain pflow.spec --recursive` also prints.
The API server checks the *Rules* when a manifest is applied.

{kinds}"
    );
    page.trim_end().to_owned() + "\n"
}

fn kind(definition: &CustomResourceDefinition) -> String {
    let names = &definition.spec.names;
    let version = &definition.spec.versions[0];
    let schema = version.schema.as_ref().unwrap();
    let schema = serde_json::to_value(&schema.open_api_v3_schema).unwrap();
    let columns = version.additional_printer_columns.iter().flatten();
    let (wide, always): (Vec<_>, Vec<_>) = columns.partition(|column| column.priority > Some(0));
    let listed = |columns: Vec<_>| {
        let names = columns
            .into_iter()
            .map(|column: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition| column.name.clone());
        names.collect::<Vec<_>>().join(", ")
    };
    let kind = &names.kind;
    let mut text = format!(
        "## {kind}\n\n{}\n\n`kubectl get {}`, short `{}`, displays {}; with `-o wide` also {}.\n\n",
        text_of(&schema["description"]),
        names.plural,
        names.short_names.iter().flatten().next().unwrap(),
        listed(always),
        listed(wide),
    );
    for part in ["spec", "status"] {
        object(kind, part, &schema["properties"][part], &mut text);
    }
    text
}

/// An object and those within it, each under a heading of its own.
fn object(kind: &str, path: &str, schema: &Value, text: &mut String) {
    let required: Vec<&str> = list(&schema["required"])
        .filter_map(Value::as_str)
        .collect();
    let properties: Vec<(&String, &Value)> =
        schema["properties"].as_object().unwrap().iter().collect();
    let rows = properties.iter().map(|(name, property)| {
        let needed = if required.contains(&name.as_str()) {
            ", required"
        } else {
            ""
        };
        let default = property.get("default").map_or_else(String::new, default);
        let field = format!("{}{needed}", code(name));
        let of_type = type_of(kind, &format!("{path}.{name}"), property);
        row([
            field.as_str(),
            &of_type,
            &default,
            text_of(&property["description"]),
        ])
    });
    text.extend(["### ", kind, " ", path, "\n\n"]);
    *text += &table(&["field", "type", "default", "meaning"], rows);
    let own = rules(schema).map(str::to_owned);
    let of_fields = properties
        .iter()
        .filter(|(_, property)| !has_section(property))
        .flat_map(|(name, property)| {
            rules(property)
                .chain(rules(&property["items"]))
                .map(move |message| {
                    if message.contains(name.as_str()) {
                        message.to_owned()
                    } else {
                        format!("{name}: {message}")
                    }
                })
        });
    let rules: Vec<String> = own
        .chain(of_fields)
        .map(|message| format!("* {message}\n"))
        .collect();
    if !rules.is_empty() {
        text.extend(["Rules:\n\n", &rules.concat(), "\n"]);
    }
    for (name, property) in properties {
        match property["type"].as_str() {
            Some("object") if has_section(property) => {
                object(kind, &format!("{path}.{name}"), property, text);
            }
            Some("array") if has_section(property) => {
                object(kind, &format!("{path}.{name}[]"), &property["items"], text);
            }
            _ => {}
        }
    }
}

/// Whether a field has a heading of its own: it has fields, and they are ours.
fn has_section(property: &Value) -> bool {
    let fields = if property["type"] == "array" {
        &property["items"]["properties"]
    } else {
        &property["properties"]
    };
    fields.is_object() && !is_condition(fields)
}

fn is_condition(fields: &Value) -> bool {
    fields["lastTransitionTime"].is_object() && fields["observedGeneration"].is_object()
}

fn type_of(kind: &str, path: &str, property: &Value) -> String {
    let words: Vec<String> = list(&property["enum"])
        .filter_map(Value::as_str)
        .map(code)
        .collect();
    if !words.is_empty() {
        return words.join(" or ");
    }
    let name = match (
        property["type"].as_str().unwrap_or("any"),
        property["format"].as_str(),
    ) {
        ("array", _) if is_condition(&property["items"]["properties"]) => {
            "list of [conditions](conditions.md)".to_owned()
        }
        ("array", _) => format!(
            "list of {}",
            type_of(kind, &format!("{path}[]"), &property["items"])
        ),
        ("object", _) if has_section(property) => {
            format!("[object](#{})", slug(&format!("{kind} {path}")))
        }
        (_, Some("date-time")) => "time".to_owned(),
        (name, _) => name.to_owned(),
    };
    let limits = limits(property);
    if limits.is_empty() {
        name
    } else {
        format!("{name}, {limits}")
    }
}

fn limits(property: &Value) -> String {
    let range = |least: &str, most: &str, what: &str| {
        let number = |key: &str| property[key].as_f64().map(|number| number.to_string());
        match (number(least), number(most)) {
            (None, None) => None,
            (Some(least), None) => Some(format!("at least {least}{what}")),
            (None, Some(most)) => Some(format!("at most {most}{what}")),
            (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
        }
    };
    let pattern = property["pattern"]
        .as_str()
        .map(|pattern| format!("pattern {}", code(pattern)));
    let limits = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " members"),
        pattern,
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn default(value: &Value) -> String {
    match value {
        Value::String(text) => code(text),
        other => code(&other.to_string()),
    }
}

fn rules(schema: &Value) -> impl Iterator<Item = &str> {
    list(&schema["x-kubernetes-validations"]).filter_map(|rule| rule["message"].as_str())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The anchor of a heading.
pub fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
