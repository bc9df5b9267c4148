//! What is known of a value in a Secret, without the value itself.

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::api::{SecretKeyReference, reason};
use crate::controller::object_name::InvalidName;
use crate::plan::{Blocked, Digest};
use crate::sha256;

/// Which Secret of a name it is, and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretVersion {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// The digest of a key's value, and the version of the Secret that contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Version of the Secret.
    pub version: SecretVersion,
    /// Digest of the value.
    pub digest: Digest,
    /// When the value expires, according to an annotation of the Secret.
    pub expiry: Option<Timestamp>,
}

/// Why a Secret has no usable value under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The Secret does not exist.
    Missing,
    /// The operator may not read the Secret.
    Forbidden,
    /// The Secret does not have the key.
    NoKey,
    /// The value is not text.
    NoText,
    /// The value is empty.
    Empty,
}

impl Flaw {
    /// Returns what blocks the resources that use the value.
    pub fn blocks(self, reference: &SecretKeyReference) -> Blocked {
        let SecretKeyReference { name, key } = reference;
        let message = match self {
            Self::Missing => {
                format!("the Secret {name} does not exist: create it, with the key {key}")
            }
            Self::Forbidden => format!(
                "the operator may not read the Secret {name}: grant it get, or add the name to rbac.secretNames of the chart"
            ),
            Self::NoKey => format!("the Secret {name} has no key {key}: add it"),
            Self::NoText => {
                format!("the Secret {name} does not contain text under the key {key}: correct it")
            }
            Self::Empty => {
                format!("the Secret {name} has an empty value under the key {key}: set a value")
            }
        };
        Blocked::missing(reason::SECRET_NOT_FOUND, message)
    }
}

/// Returns what blocks a resource that refers to a Secret by what cannot be its name.
pub fn misnamed(reference: &SecretKeyReference, error: InvalidName) -> Blocked {
    let name = &reference.name;
    Blocked::person(
        reason::SECRET_NOT_FOUND,
        format!(
            "{name:?} is not the name of a Secret, and no request was sent for it: {error}; correct the reference"
        ),
    )
}

/// Returns the digest of a value.
pub fn digest_of(text: &SecretString) -> Digest {
    Digest::new(sha256::of_bytes([text.expose_secret().as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_is_reported_with_the_names_of_the_secret_and_the_key() {
        let reference = SecretKeyReference {
            name: "passwords".to_owned(),
            key: "students".to_owned(),
        };
        for flaw in [Flaw::Missing, Flaw::NoKey, Flaw::NoText, Flaw::Empty] {
            let message = flaw.blocks(&reference).cause.message;
            assert!(
                message.contains("passwords") && message.contains("students"),
                "{message}"
            );
        }
        let message = Flaw::Forbidden.blocks(&reference).cause.message;
        assert!(message.contains("passwords"), "{message}");
    }

    #[test]
    fn a_digest_tells_values_apart_and_shows_nothing() {
        let digest = |text: &str| digest_of(&SecretString::from(text));
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
        assert_eq!(format!("{:?}", digest("a")), "Digest");
    }
}
