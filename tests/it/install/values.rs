//! The values of the chart: explained once, in `values.yaml`, from where the schema and the README have it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::generated::assert_generated;
use crate::role::CHART;

const HEADING: &str = "\n## Values\n\n";

#[test]
fn every_value_is_explained_and_schema_and_readme_say_the_same() {
    let values = values();
    let mut schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    assert_has_all(&schema, &values, "");
    let comments = comments(&schema);
    for (path, comment) in &comments {
        let property = schema.pointer_mut(&place(path));
        let property = property.unwrap_or_else(|| panic!("the schema lacks {path}"));
        property["description"] = comment.as_str().into();
        if is_value(property) {
            property["default"] = default(&values, path).clone();
        }
    }
    for path in values_of(&schema, "") {
        assert!(
            comments.iter().any(|(told, _)| *told == path) || path == "global",
            "{path} is in the schema, but not in values.yaml with a comment"
        );
    }
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    is_kept("values.schema.json", &text);

    let readme = read("README.md");
    let mut table = "| value | default | what it is |\n|---|---|---|\n".to_owned();
    for (path, comment) in comments {
        if is_value(schema.pointer(&place(&path)).unwrap()) {
            let (default, comment) = (default(&values, &path), comment.replace('|', "\\|"));
            writeln!(table, "| `{path}` | `{default}` | {comment} |").unwrap();
        }
    }
    let (head, _) = readme.split_once(HEADING).expect("a place for the table");
    is_kept("README.md", &format!("{head}{HEADING}{table}"));
}

/// The comment above each value or group of values, on one line, with the path of what is below it.
fn comments(schema: &Value) -> Vec<(String, String)> {
    let (mut found, mut comment, mut path) = (Vec::new(), Vec::new(), Vec::new());
    for line in read("values.yaml").lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        if let Some(words) = line.trim().strip_prefix("# ") {
            comment.push(words.to_owned());
            continue;
        }
        let told = std::mem::take(&mut comment).join(" ");
        let Some((name, _)) = line.trim().split_once(':') else {
            continue;
        };
        path.truncate(depth);
        path.push(name.trim_matches('"').to_owned());
        // What stands deeper than a value is a part of its default.
        let within = schema.pointer(&place(&path[..path.len() - 1].join(".")));
        if !told.is_empty() && within.is_some_and(|group| !is_value(group)) {
            found.push((path.join("."), told));
        }
    }
    found
}

/// Each value is in the schema, with or without a comment.
fn assert_has_all(schema: &Value, values: &Value, path: &str) {
    for (name, value) in values.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let property = schema["properties"].get(name);
        let property = property.unwrap_or_else(|| panic!("the schema lacks {path}"));
        if !is_value(property) {
            assert_has_all(property, value, &path);
        }
    }
}

/// The paths of all values in a schema.
fn values_of(schema: &Value, path: &str) -> Vec<String> {
    let Some(properties) = schema["properties"].as_object() else {
        return vec![path.to_owned()];
    };
    let inner = properties.iter().flat_map(|(name, property)| {
        let path = format!("{path}.{name}");
        values_of(property, path.trim_start_matches('.'))
    });
    inner.collect()
}

fn is_value(schema: &Value) -> bool {
    schema.get("properties").is_none()
}

/// Where the schema of a value is in the whole schema.
fn place(path: &str) -> String {
    let names = path.split('.').filter(|name| !name.is_empty());
    names.flat_map(|name| ["/properties/", name]).collect()
}

fn default<'a>(values: &'a Value, path: &str) -> &'a Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    values.pointer(&pointer).expect("what has a comment is set")
}

fn values() -> Value {
    serde_saphyr::from_str(&read("values.yaml")).unwrap()
}

pub fn read(file: &str) -> String {
    fs::read_to_string(Path::new(CHART).join(file)).unwrap()
}

pub fn is_kept(file: &str, text: &str) {
    assert_generated(&format!("charts/industrydata-operator/{file}"), text);
}
