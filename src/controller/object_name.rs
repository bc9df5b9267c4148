//! Names that users write into specs, checked before they become part of a path.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name of an object in the cluster.
const MAX_LENGTH: usize = 253;

/// Name of an object in the cluster: a DNS subdomain as of RFC 1123.
///
/// kube joins names into paths without escaping them, so that `../../other/secrets/x` would reach another namespace. The
/// rules of the schema refuse such names, but not in objects that were stored before the rules existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName(String);

/// Error for a text that cannot be the name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a name consists of lower-case letters, digits, '-' and '.', and has at most 253 characters"
)]
pub struct InvalidName;

impl ObjectName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_name = text.len() <= MAX_LENGTH && text.split('.').all(is_label);
        is_name.then(|| Self(text.to_owned())).ok_or(InvalidName)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    label
        .bytes()
        .all(|byte| is_alphanumeric(byte) || byte == b'-')
        && label.bytes().next().is_some_and(is_alphanumeric)
        && label.bytes().next_back().is_some_and(is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_accepted() {
        let longest = "a".repeat(MAX_LENGTH);
        for name in ["a", "0", "contoso", "a-b.c-1.d", &longest] {
            assert_eq!(name.parse::<ObjectName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_would_change_the_path_or_cannot_be_a_name_is_refused() {
        let too_long = "a".repeat(MAX_LENGTH + 1);
        for text in [
            "",
            ".",
            "..",
            "../../other/secrets/x",
            "a/b",
            "a\\b",
            "x?",
            "x?watch=true",
            "x#y",
            "%2e%2e",
            "%2F",
            "a b",
            "a\n",
            "\0",
            "A",
            "ä",
            "a_b",
            "a..b",
            "a.",
            ".a",
            "-a",
            "a-",
            "a.-b",
            &too_long,
        ] {
            assert_eq!(text.parse::<ObjectName>(), Err(InvalidName), "{text:?}");
        }
    }
}
