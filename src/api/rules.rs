//! Validation rules that several fields share, each with the message that the API server returns for an invalid value.
//!
//! For a `pattern` in the schema, the API server returns only the regular expression as explanation, so patterns are
//! rules too. It estimates the cost of a rule from `maxLength` and `maxItems`, so a field with a rule needs them.

use kube::core::{Message, Rule};
use schemars::Schema;
use serde_json::Value;

const GUID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const LABEL: &str = "[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?";

/// Requires text without leading or trailing white space, which the service drops and people cannot see.
///
/// U+200B and U+FEFF have no width and appear in text that is copied from web pages or Windows files.
pub(super) fn trimmed(what: &str) -> Rule {
    Rule::new(r"!self.matches(r'^[\s\p{Z}\x{200B}\x{FEFF}]|[\s\p{Z}\x{200B}\x{FEFF}]$')").message(
        sentence(format!("{what} must not begin or end with white space")),
    )
}

/// Requires text on one line. U+2028 and U+2029 are line breaks, too.
pub(super) fn printable(what: &str) -> Rule {
    Rule::new(r"!self.matches(r'[\p{Cc}\p{Zl}\p{Zp}]')").message(sentence(format!(
        "{what} must not contain control characters, such as line breaks and tabs"
    )))
}

/// Requires a GUID.
pub(super) fn guid(what: &str) -> Rule {
    Rule::new(format!("self.matches('^{GUID}$')")).message(sentence(format!(
        "{what} must be a GUID, for instance 66666666-7777-4888-8999-000000000000"
    )))
}

/// Requires a GUID or a domain name of at least two labels.
pub(super) fn tenant() -> Rule {
    Rule::new(format!("self.matches('^({GUID}|({LABEL}[.])+{LABEL})$')"))
        .message("tenantId must be a GUID or a domain name, for instance contoso.edu")
}

/// Requires the name of an object in the cluster.
pub(super) fn object_name() -> Rule {
    named_object().message(
        "name must be the name of an object in the cluster: lower-case letters, digits, '-' and '.'",
    )
}

/// Requires the name of a service account. An empty name would be taken for that of another account by some clients.
pub(super) fn service_account_name() -> Rule {
    named_object().message(
        "serviceAccountName must be the name of a ServiceAccount: lower-case letters, digits, '-' and '.'",
    )
}

fn named_object() -> Rule {
    let label = LABEL.replace("A-Z", "");
    Rule::new(format!("self.matches('^{label}([.]{label})*$')"))
}

/// Requires a date and time with a time zone.
pub(super) fn date_time(what: &str) -> Rule {
    let (date, time) = (
        "[0-9]{4}-[0-1][0-9]-[0-3][0-9]",
        "[0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
    );
    Rule::new(format!(
        "self.matches('^{date}T{time}([.][0-9]{{1,9}})?(Z|[+-][0-2][0-9]:[0-5][0-9])$')"
    ))
    .message(sentence(format!(
        "{what} must be a date and time with a time zone, for instance 2027-06-30T00:00:00Z"
    )))
}

/// Requires a key of a Secret.
pub(super) fn secret_key() -> Rule {
    Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("key must be a key of a Secret: letters, digits, '-', '_' and '.'")
}

/// Requires a duration from one second to `max`.
///
/// The patterns come first: `duration()` fails with an error of its own for an invalid or overflowing duration.
pub(super) fn duration(what: &str, max: &str) -> Rule {
    Rule::new(format!(
        "self.matches('^([0-9]{{1,7}}([.][0-9]{{1,3}})?(ms|s|m|h))+$') && !self.matches('[0-9]{{6}}h') \
         && duration(self) >= duration('1s') && duration(self) <= duration('{max}')"
    ))
    .message(sentence(format!(
        "{what} must be between 1s and {max}, for instance 60s, 5m or 1h30m"
    )))
}

/// Requires a list without two members that are equal or differ only in letter case; `key` is the path from a member to
/// the text that is compared.
pub(super) fn distinct(what: &str, key: &str) -> Rule {
    Rule::new(format!(
        "self.all(one, self.exists_one(other, other{key}.lowerAscii() == one{key}.lowerAscii()))"
    ))
    .message(sentence(format!(
        "{what} must not list the same value twice; letter case has no meaning"
    )))
}

/// Adds rules to each member of a list, so that the error names the member.
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
