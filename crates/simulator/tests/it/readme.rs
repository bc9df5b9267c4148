//! The README knows every switch, flag and route.

use industrydata_simulator::Behavior;
use serde_json::Value;

const README: &str = include_str!("../../README.md");

/// The names of switches: top-level ones as they are, others by their last part with a dot before it.
fn names(value: &Value) -> Vec<String> {
    let inner = |value: &Value| match value {
        Value::Object(object) => object.keys().map(|name| format!(".{name}")).collect(),
        _ => Vec::new(),
    };
    let object = value.as_object().unwrap();
    let grouped = |name: &str| ["query", "limits"].contains(&name);
    let flat = object.keys().filter(|name| !grouped(name)).cloned();
    let nested = object
        .iter()
        .filter(|(name, _)| grouped(name))
        .flat_map(|(_, value)| inner(value));
    flat.chain(nested).collect()
}

#[test]
fn every_switch_is_explained() {
    let behavior = serde_json::to_value(Behavior::default()).unwrap();
    for name in names(&behavior) {
        let named = README.contains(&format!("`{name}`")) || README.contains(&format!("{name}`"));
        assert!(named, "{name} is not in the README");
    }
}

#[test]
fn the_defaults_in_the_readme_are_the_defaults() {
    let behavior = serde_json::to_value(Behavior::default()).unwrap();
    for (name, default) in [
        ("applicationWrites", "`false`"),
        (
            "secondFlowOfType",
            r#"`{"status": 409, "code": "Conflict"}`"#,
        ),
        ("deepInsert", "`refuse`"),
        ("patchComplex", "`replace`"),
        ("patchRequiresType", "`true`"),
        ("omittedPasswordKeeps", "`false`"),
        ("emptyFilter", "`accept`"),
        ("nullsShown", "`true`"),
    ] {
        assert!(
            README.contains(&format!("| `{name}` | {default} |")),
            "{name} in the README"
        );
        let text = default.trim_matches('`');
        let said = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        assert_eq!(behavior[name], said, "{name} in the code");
    }
}
