//! One Secret from the cluster, by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::GetParams;
use kube::core::Request;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::controller::error::ReconcileError;
use crate::controller::object_name::ObjectName;

use super::body::SecretBody;
use super::value::{Flaw, SecretVersion};

/// Initial size of the buffer of a response: more than most Secrets have, with their metadata.
const BUFFER: usize = 16 * 1024;

/// What a read of a Secret has found.
pub struct Contents {
    /// Version of the Secret, or empty if there is none.
    pub version: SecretVersion,
    /// When the value expires, according to an annotation of the Secret.
    pub expiry: Option<Timestamp>,
    /// The value under each wanted key, or why it cannot be used.
    pub values: BTreeMap<String, Result<SecretString, Flaw>>,
}

impl Contents {
    /// Returns whether the operator may not read the Secret.
    pub fn is_refused(&self) -> bool {
        let mut values = self.values.values();
        values.any(|value| matches!(value, Err(Flaw::Forbidden)))
    }
}

/// Reads the values under these keys of a Secret. No other request is ever sent for Secrets.
///
/// # Errors
///
/// If the request failed. The error contains no part of the response.
pub async fn fetch(
    client: &kube::Client,
    namespace: &str,
    name: &ObjectName,
    keys: BTreeSet<String>,
) -> Result<Contents, ReconcileError> {
    match response(client, namespace, name).await {
        Ok(text) => {
            let body = SecretBody::parse(&text, &keys).ok_or_else(|| {
                let unreadable = "the response is not a Secret".into();
                failure(namespace, name, kube::Error::Service(unreadable))
            })?;
            Ok(contents(&body, keys))
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(without(keys, Flaw::Missing)),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            Ok(without(keys, Flaw::Forbidden))
        }
        Err(error) => Err(failure(namespace, name, error)),
    }
}

async fn response(
    client: &kube::Client,
    namespace: &str,
    name: &ObjectName,
) -> kube::Result<Zeroizing<Vec<u8>>> {
    let path = Secret::url_path(&(), Some(namespace));
    let request = Request::new(path).get(name.as_str(), &GetParams::default());
    let request = request.map_err(kube::Error::BuildRequest)?;
    let stream = client.request_stream(request).await?;
    let read = erased(stream).await;
    read.map_err(|error| kube::Error::Service(error.into()))
}

/// Reads to the end, into a buffer that is erased when it is dropped.
async fn erased(stream: impl AsyncBufRead) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut stream = pin!(stream);
    let mut buffer = Zeroizing::new(Vec::with_capacity(BUFFER));
    loop {
        let more = stream.fill_buf().await?;
        if more.is_empty() {
            return Ok(buffer);
        }
        append(&mut buffer, more);
        let length = more.len();
        stream.as_mut().consume(length);
    }
}

/// Appends without leaving a copy behind: a vector that grows frees its old memory as it is.
fn append(buffer: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let needed = buffer.len() + more.len();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * buffer.capacity())));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(more);
}

fn contents(body: &SecretBody, keys: BTreeSet<String>) -> Contents {
    let value = |key: String| {
        let value = body.values.get(&key).ok_or(Flaw::NoKey);
        let text = value.and_then(|value| text(value));
        (key, text)
    };
    let annotations = body.metadata.annotations.as_ref();
    let expires_at = annotations.and_then(|known| known.expires_at.as_ref());
    Contents {
        version: SecretVersion {
            uid: body.metadata.uid.clone(),
            resource_version: body.metadata.resource_version.clone(),
        },
        expiry: expires_at.and_then(|text| text.parse().ok()),
        values: keys.into_iter().map(value).collect(),
    }
}

fn without(keys: BTreeSet<String>, flaw: Flaw) -> Contents {
    Contents {
        version: SecretVersion::default(),
        expiry: None,
        values: keys.into_iter().map(|key| (key, Err(flaw))).collect(),
    }
}

/// Returns a value without trailing line ends, which come from files and `echo` and are not part of a password.
fn text(value: &[u8]) -> Result<SecretString, Flaw> {
    let text = std::str::from_utf8(value).map_err(|_| Flaw::NoText)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    Ok(SecretString::from(text))
}

fn failure(namespace: &str, name: &ObjectName, source: kube::Error) -> ReconcileError {
    ReconcileError::Cluster {
        operation: "read",
        object: format!("Secret {namespace}/{name}"),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn reading(value: &[u8]) -> Result<String, Flaw> {
        text(value).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn line_ends_are_cut_and_nothing_else() {
        assert_eq!(reading(b" a b \r\n\n"), Ok(" a b ".to_owned()));
    }

    #[test]
    fn what_is_empty_or_no_text_is_refused() {
        for value in [&b""[..], b"\n", b"\r\n\r\n"] {
            assert_eq!(reading(value), Err(Flaw::Empty));
        }
        assert_eq!(reading(b"\xff"), Err(Flaw::NoText));
    }

    #[tokio::test]
    async fn a_response_in_parts_is_read_whole() {
        let whole: Vec<u8> = (0..=255).cycle().take(3 * BUFFER + 7).collect();
        let parts = whole.chunks(1_000).map(|part| Ok(part.to_vec()));
        let stream = futures::stream::iter(parts.collect::<Vec<std::io::Result<_>>>());
        let stream = futures::TryStreamExt::into_async_read(stream);
        assert_eq!(*erased(stream).await.unwrap(), whole);
    }
}
