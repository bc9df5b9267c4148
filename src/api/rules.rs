//! Rules that several fields share, each with the sentence by which the API server refuses what breaks it.
//!
//! A `pattern` in the schema would be refused with the regular expression as its only explanation, so patterns are
//! rules too. What a rule may cost is estimated from `maxLength` and `maxItems`: a field with a rule needs them.

use kube::core::{Message, Rule};
use schemars::Schema;
use serde_json::Value;

const GUID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const LABEL: &str = "[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?";

/// Text without white space at its ends, where the service drops it and people cannot see it.
///
/// U+200B and U+FEFF have no width and come with text that is copied from a web page or a file of Windows.
pub(super) fn trimmed(what: &str) -> Rule {
    Rule::new(r"!self.matches(r'^[\s\p{Z}\x{200B}\x{FEFF}]|[\s\p{Z}\x{200B}\x{FEFF}]$')").message(
        sentence(format!("{what} must not begin or end with white space")),
    )
}

/// Text on one line. U+2028 and U+2029 are line breaks, too.
pub(super) fn printable(what: &str) -> Rule {
    Rule::new(r"!self.matches(r'[\p{Cc}\p{Zl}\p{Zp}]')").message(sentence(format!(
        "{what} must not contain control characters, such as line breaks and tabs"
    )))
}

/// A GUID.
pub(super) fn guid(what: &str) -> Rule {
    Rule::new(format!("self.matches('^{GUID}$')")).message(sentence(format!(
        "{what} must be a GUID, for instance 66666666-7777-4888-8999-000000000000"
    )))
}

/// A GUID or a domain name of two labels at least.
pub(super) fn tenant() -> Rule {
    Rule::new(format!("self.matches('^({GUID}|({LABEL}[.])+{LABEL})$')"))
        .message("tenantId must be a GUID or a domain name, for instance contoso.edu")
}

/// The name of an object in the cluster.
pub(super) fn object_name() -> Rule {
    let label = LABEL.replace("A-Z", "");
    Rule::new(format!("self.matches('^{label}([.]{label})*$')")).message(
        "name must be the name of an object in the cluster: lower-case letters, digits, '-' and '.'",
    )
}

/// A key of a Secret.
pub(super) fn secret_key() -> Rule {
    Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("key must be a key of a Secret: letters, digits, '-', '_' and '.'")
}

/// A duration from a second to `longest`.
///
/// The patterns come first: `duration()` fails with words of its own for what is not one, and for what overflows.
pub(super) fn duration(what: &str, longest: &str) -> Rule {
    Rule::new(format!(
        "self.matches('^([0-9]{{1,7}}([.][0-9]{{1,3}})?(ms|s|m|h))+$') && !self.matches('[0-9]{{6}}h') \
         && duration(self) >= duration('1s') && duration(self) <= duration('{longest}')"
    ))
    .message(sentence(format!(
        "{what} must be between 1s and {longest}, for instance 60s, 5m or 1h30m"
    )))
}

/// A list without two members that differ in letter case only; `key` leads from a member to the text that counts.
pub(super) fn distinct(what: &str, key: &str) -> Rule {
    Rule::new(format!(
        "self.all(one, self.exists_one(other, other{key}.lowerAscii() == one{key}.lowerAscii()))"
    ))
    .message(sentence(format!(
        "{what} must not list the same value twice; letter case has no meaning"
    )))
}

/// Rules for each member of a list, so that a refusal names the member.
pub(super) fn of_members(rules: Vec<Rule>) -> impl FnMut(&mut Schema) {
    move |list| {
        let members = list.get_mut("items").and_then(Value::as_object_mut);
        if let Some(members) = members {
            members.insert(
                "x-kubernetes-validations".to_owned(),
                serde_json::json!(rules),
            );
        }
    }
}

fn sentence(text: String) -> Message {
    Message::Message(text)
}
