//! Parser of a Secret that passes over everything but its version and the wanted keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::ByteString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The parts of a Secret that are used. All others are skipped and never copied: annotations, which may contain the
/// values once more, the fields' managers, and the values under other keys.
#[derive(Default)]
pub struct SecretBody {
    /// Identity, version and annotations.
    pub metadata: SecretMetadata,
    /// The values under the wanted keys, as far as there are any.
    pub values: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// Identity, version and annotations of a Secret.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretMetadata {
    /// `metadata.uid`
    #[serde(default)]
    pub uid: String,
    /// `metadata.resourceVersion`
    #[serde(default)]
    pub resource_version: String,
    /// The annotations that are used.
    #[serde(default)]
    pub annotations: Option<SecretAnnotations>,
}

/// The annotations of a Secret that are used.
#[derive(Default, Deserialize)]
pub struct SecretAnnotations {
    /// When the client secret in the Secret expires.
    #[serde(default, rename = "industrydata.dev/expires-at")]
    pub expires_at: Option<String>,
}

impl SecretBody {
    /// Parses a Secret, or returns `None` if `text` is not one. The error of the parser is dropped, because it may
    /// contain a part of a value.
    pub fn parse(text: &[u8], wanted: &BTreeSet<String>) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let body = WholeSecret(wanted).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(body)
    }
}

/// A Secret, of which these keys are wanted.
struct WholeSecret<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for WholeSecret<'_> {
    type Value = SecretBody;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<SecretBody, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for WholeSecret<'_> {
    type Value = SecretBody;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SecretBody, A::Error> {
        let mut body = SecretBody::default();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "metadata" => body.metadata = members.next_value()?,
                "data" => body.values = members.next_value_seed(SecretData(self.0))?,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(body)
    }
}

/// The `data` of a Secret, of which these keys are wanted.
struct SecretData<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for SecretData<'_> {
    type Value = BTreeMap<String, Zeroizing<Vec<u8>>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SecretData<'_> {
    type Value = BTreeMap<String, Zeroizing<Vec<u8>>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("values by key")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = members.next_key::<String>()? {
            if self.0.contains(&key) {
                let ByteString(value) = members.next_value()?;
                values.insert(key, Zeroizing::new(value));
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(secret: &Value) -> Option<SecretBody> {
        let wanted = ["staff", "absent"].map(str::to_owned).into();
        SecretBody::parse(secret.to_string().as_bytes(), &wanted)
    }

    #[test]
    fn only_the_wanted_key_is_parsed() {
        let secret = json!({
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {
                "name": "passwords",
                "uid": "1",
                "resourceVersion": "2",
                "creationTimestamp": "10000-01-01T00:00:00Z",
                "annotations": { "staff": 1 },
                "managedFields": "no list",
            },
            "data": { "students": 1, "staff": "eHl6", "other": { "a": "b" } },
            "type": "Opaque",
        });
        let body = parsed(&secret).unwrap();
        assert_eq!(body.metadata.uid, "1");
        assert_eq!(body.metadata.resource_version, "2");
        let values: Vec<_> = body.values.iter().collect();
        assert_eq!(
            values,
            [(&"staff".to_owned(), &Zeroizing::new(b"xyz".to_vec()))]
        );
    }

    #[test]
    fn a_secret_without_data_has_no_values() {
        for secret in [json!({}), json!({ "data": null }), json!({ "data": {} })] {
            assert!(parsed(&secret).unwrap().values.is_empty());
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "[]", "{", "{}{}", r#"{"data":{"staff":"%"}}"#] {
            let wanted = ["staff".to_owned()].into();
            assert!(
                SecretBody::parse(text.as_bytes(), &wanted).is_none(),
                "{text}"
            );
        }
    }
}
