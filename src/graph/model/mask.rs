//! Masks in place of secrets, whatever their members are called.

use serde_json::{Map, Value};

/// Mask in place of a password or another secret.
///
/// The service itself returns fifteen asterisks. Parsing replaces any other value with the same, so that
/// no [`Flow`](super::Flow) ever contains a password, even if the service returned one.
pub const PASSWORD_MASK: &str = "***************";

/// Parts of the names of secrets, in lower case.
const SECRET: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "assertion",
];

/// Returns members in which all texts and numbers of those that look like secrets are masked, at any depth.
pub(super) fn masked(members: Map<String, Value>) -> Map<String, Value> {
    members_masked(members, Exposure::Shown)
}

/// Returns a value in which the same is masked.
pub(super) fn of_value(value: Value) -> Value {
    value_masked(value, Exposure::Shown)
}

/// Returns a value without what was masked in it, or `None` if nothing else was in it. A mask that is sent back to the
/// service would replace the secret.
#[must_use]
pub fn without_masks(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text == PASSWORD_MASK => None,
        Value::Object(members) if !members.is_empty() => {
            let left =
                |(name, value): (&String, &Value)| Some((name.clone(), without_masks(value)?));
            let left: Map<_, _> = members.iter().filter_map(left).collect();
            (!left.is_empty()).then(|| left.into())
        }
        Value::Array(items) if !items.is_empty() => {
            let left: Vec<Value> = items.iter().filter_map(without_masks).collect();
            (!left.is_empty()).then(|| left.into())
        }
        plain => Some(plain.clone()),
    }
}

/// Whether the values below a member are shown.
#[derive(Clone, Copy)]
enum Exposure {
    Shown,
    Masked,
}

fn members_masked(members: Map<String, Value>, exposure: Exposure) -> Map<String, Value> {
    let mask = |(name, value): (String, Value)| {
        let exposure = if looks_secret(&name) {
            Exposure::Masked
        } else {
            exposure
        };
        (name, value_masked(value, exposure))
    };
    members.into_iter().map(mask).collect()
}

fn value_masked(value: Value, exposure: Exposure) -> Value {
    match (value, exposure) {
        (Value::Object(members), _) => members_masked(members, exposure).into(),
        (Value::Array(items), _) => {
            let items = items.into_iter();
            items.map(|item| value_masked(item, exposure)).collect()
        }
        (Value::String(_) | Value::Number(_), Exposure::Masked) => PASSWORD_MASK.into(),
        (plain, _) => plain,
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part)) || name.ends_with("key") || name.ends_with("keys")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: Value) -> String {
        let Value::Object(members) = value else {
            unreachable!()
        };
        Value::from(masked(members)).to_string()
    }

    #[test]
    fn a_secret_is_masked_whatever_it_is_called() {
        for name in [
            "password",
            "Password",
            "DEFAULTPASSWORD",
            "initial_passwd",
            "adminPwd",
            "passphrase",
            "clientSecret",
            "secretText",
            "accessToken",
            "token_2",
            "credentials",
            "clientAssertion",
            "apiKey",
            "privateKeys",
            "KEY",
        ] {
            for value in [
                json!("canary"),
                json!(74_656),
                json!(["x", "canary"]),
                json!({ "value": "canary", "deep": [{ "any": "canary" }] }),
            ] {
                let text = shown(json!({ "a": [{ "b": { name: value } }] }));
                assert!(
                    !text.contains("canary") && !text.contains("74656"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn all_else_is_shown() {
        let plain = json!({
            "additionalAttributes": ["userNumber"],
            "keyboard": "x",
            "monkeys2": 1,
            "password": null,
            "hasPassword": true,
        });
        assert_eq!(shown(plain.clone()), plain.to_string());
    }

    #[test]
    fn no_mask_is_sent_back() {
        let masked = json!({
            "a": 1,
            "password": PASSWORD_MASK,
            "b": [PASSWORD_MASK, 2],
            "c": { "d": [PASSWORD_MASK] },
            "e": [],
        });
        let left = json!({ "a": 1, "b": [2], "e": [] });
        assert_eq!(without_masks(&masked), Some(left));
    }
}
