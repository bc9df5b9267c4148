//! Reader of Secrets. Only the value of a key matters, not the version of the Secret that contains it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

use crate::api::{SecretKeyReference, reason};
use crate::plan::{Blocked, Digest};

use super::error::Error;
use super::index::{Index, SecretVersion};

/// Reader of Secrets. It caches the version and the digest of each key in use, never the value.
pub struct Secrets {
    cluster: kube::Client,
    index: Index,
    known: Mutex<HashMap<Key, Value>>,
}

/// Namespace, name and key.
type Key = (String, String, String);

/// The digest of a key's value, and the version of the Secret that contains it.
#[derive(Clone, Debug)]
pub struct Value {
    /// Version of the Secret.
    pub version: SecretVersion,
    /// Digest of the value.
    pub digest: Digest,
}

impl Secrets {
    /// Creates a reader for the Secrets in `index`.
    pub fn new(cluster: kube::Client, index: Index) -> Self {
        Self {
            cluster,
            index,
            known: Mutex::default(),
        }
    }

    /// Returns the digest of a key's current value. The Secret is read only if its version has changed since the last
    /// read.
    ///
    /// # Errors
    ///
    /// If the request to the cluster failed. A problem that a person must fix is a [`Blocked`] instead.
    pub async fn value(
        &self,
        namespace: &str,
        reference: &SecretKeyReference,
    ) -> Result<Result<Value, Blocked>, Error> {
        let key = key(namespace, reference);
        let Some(version) = self.index.secret(namespace, &reference.name) else {
            self.lock().remove(&key);
            return Ok(Err(missing(reference)));
        };
        let known = self.lock().get(&key).cloned();
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(Ok(known));
        }
        let read = self.read(namespace, reference).await?;
        Ok(read.map(|(_, value)| value))
    }

    /// Reads the value of a key.
    ///
    /// # Errors
    ///
    /// If the request to the cluster failed. A problem that a person must fix is a [`Blocked`] instead.
    pub async fn read(
        &self,
        namespace: &str,
        reference: &SecretKeyReference,
    ) -> Result<Result<(SecretString, Value), Blocked>, Error> {
        let secrets: Api<Secret> = Api::namespaced(self.cluster.clone(), namespace);
        let secret = secrets.get_opt(&reference.name).await;
        let secret = secret.map_err(|source| Error::Cluster {
            operation: "read",
            object: format!("Secret {namespace}/{}", reference.name),
            source: Box::new(source),
        })?;
        let Some(secret) = secret else {
            return Ok(Err(missing(reference)));
        };
        let text = match text(&secret, reference) {
            Ok(text) => text,
            Err(blocked) => return Ok(Err(blocked)),
        };
        let value = Value {
            version: SecretVersion {
                uid: secret.uid().unwrap_or_default(),
                resource_version: secret.resource_version().unwrap_or_default(),
            },
            digest: digest_of(&text),
        };
        self.lock().insert(key(namespace, reference), value.clone());
        Ok(Ok((text, value)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Value>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &str, reference: &SecretKeyReference) -> Key {
    let (name, key) = (reference.name.clone(), reference.key.clone());
    (namespace.to_owned(), name, key)
}

fn digest_of(text: &SecretString) -> Digest {
    let hash = digest(&SHA256, text.expose_secret().as_bytes());
    let mut bytes = [0; 32];
    // A SHA-256 digest has 32 bytes, so this cannot panic.
    bytes.copy_from_slice(hash.as_ref());
    Digest::new(bytes)
}

/// Returns the text of a key without trailing line ends, which come from files and `echo` and are not part of a
/// password.
fn text(secret: &Secret, reference: &SecretKeyReference) -> Result<SecretString, Blocked> {
    let data = secret.data.as_ref();
    let Some(value) = data.and_then(|data| data.get(&reference.key)) else {
        return Err(unusable(reference, "has no key", "add it"));
    };
    let Ok(text) = std::str::from_utf8(&value.0) else {
        return Err(unusable(
            reference,
            "does not contain text under the key",
            "correct it",
        ));
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(unusable(
            reference,
            "has an empty value under the key",
            "set a value",
        ));
    }
    Ok(SecretString::from(text))
}

fn missing(reference: &SecretKeyReference) -> Blocked {
    Blocked::missing(
        reason::SECRET_NOT_FOUND,
        format!(
            "the Secret {} does not exist: create it, with the key {}",
            reference.name, reference.key
        ),
    )
}

fn unusable(reference: &SecretKeyReference, how: &str, remedy: &str) -> Blocked {
    let SecretKeyReference { name, key } = reference;
    let message = format!("the Secret {name} {how} {key}: {remedy}");
    Blocked::missing(reason::SECRET_NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn reading(value: &[u8]) -> Result<String, String> {
        let reference = SecretKeyReference {
            name: "passwords".to_owned(),
            key: "students".to_owned(),
        };
        let secret = Secret {
            data: Some([("students".to_owned(), ByteString(value.to_vec()))].into()),
            ..Secret::default()
        };
        let text = text(&secret, &reference).map_err(|blocked| blocked.cause.message);
        text.map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn line_ends_are_cut_and_nothing_else() {
        assert_eq!(reading(b" a b \r\n\n"), Ok(" a b ".to_owned()));
    }

    #[test]
    fn what_is_empty_or_no_text_is_refused_with_the_name_of_the_key() {
        for value in [&b""[..], b"\n", b"\r\n\r\n", b"\xff"] {
            let message = reading(value).unwrap_err();
            assert!(
                message.contains("passwords") && message.contains("students"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_digest_tells_values_apart_and_shows_nothing() {
        let digest = |text: &str| digest_of(&SecretString::from(text));
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
        assert_eq!(format!("{:?}", digest("a")), "Digest");
    }
}
