//! JSON objects as YAML that every parser reads the same way, whatever the strings contain.

use std::fmt::Write;

use serde_json::Value;

/// Returns a document that begins with `---`.
pub(crate) fn document(value: &Value) -> String {
    let mut text = "---\n".to_owned();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                indent(depth, text);
                text.push_str(&scalar(key));
                text.push(':');
                nested(value, depth + 1, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(depth, text);
                text.push('-');
                if item.as_object().is_some_and(|members| !members.is_empty()) {
                    // The first member follows the dash, as kubectl writes it.
                    let start = text.len();
                    block(item, depth + 1, text);
                    text.replace_range(start..start + 2 * (depth + 1), " ");
                } else {
                    nested(item, depth + 1, text);
                }
            }
        }
        other => {
            text.push_str(&flat(other));
            text.push('\n');
        }
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        text.push('\n');
        block(value, depth, text);
    } else {
        // Writing to a string cannot fail.
        let _ = writeln!(text, " {}", flat(value));
    }
}

fn indent(depth: usize, text: &mut String) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(string) => scalar(string),
        // `{}`, `[]`, numbers, `true` and `null` are the same in JSON.
        other => other.to_string(),
    }
}

/// A string in double quotes is the same in YAML as in JSON, is never folded, and never taken for a number, date or
/// boolean. Only words that cannot be anything else are left plain.
fn scalar(string: &str) -> String {
    const OTHERS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = string.len() <= 64
        && string.starts_with(|first: char| first.is_ascii_alphabetic())
        && string.ends_with(|last: char| last.is_ascii_alphanumeric())
        && string
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "-./".contains(one))
        && !OTHERS.contains(&string.to_ascii_lowercase().as_str());
    if is_plain {
        string.to_owned()
    } else {
        Value::from(string).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_look_as_people_write_them() {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": "writer", "labels": {} },
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch"] }],
        });
        let expected = "\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  labels: {}
  name: writer
rules:
  - apiGroups:
      - \"\"
    resources:
      - secrets
    verbs:
      - get
      - patch
";
        assert_eq!(document(&role), expected);
    }

    #[test]
    fn strings_come_back_as_they_were() {
        let long = "0.AXoA".repeat(400);
        for string in [
            "",
            "a",
            "true",
            "No",
            "null",
            "~",
            "1",
            "1e5",
            "0x1F",
            "1_000",
            "12:30",
            "2026-01-01",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "{a}",
            "[a]",
            "a\nb",
            "a\\b",
            "\"",
            "'",
            "ü",
            " a ",
            &long,
        ] {
            let value = json!({ "kind": "Secret", "stringData": { "key": string, "list": [string, [string]] } });
            let read: Value = serde_saphyr::from_str(&document(&value)).unwrap();
            assert_eq!(read, value, "{string:?}");
        }
    }
}
