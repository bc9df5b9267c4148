//! Writes rotated refresh tokens back into their Secret.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::api::SecretKeyReference;
use crate::controller::cluster::FIELD_MANAGER;
use crate::controller::error::Unavailable;
use crate::controller::secrets::{Secrets, digest_of};
use crate::failpoint;
use crate::graph::{CredentialError, RefreshTokenStore};

use super::HeldCredential;

/// Number of attempts, as other clients may change the labels of the Secret at the same time.
const MAX_CONFLICTS: usize = 5;

/// The place of a refresh token.
pub struct WriteBack {
    client: kube::Client,
    secrets: Arc<Secrets>,
    namespace: String,
    reference: SecretKeyReference,
    identity: HeldCredential,
}

/// The result of a write.
enum Written {
    Done,
    /// The Secret has changed since it was read.
    Conflict,
}

impl WriteBack {
    pub fn new(
        client: kube::Client,
        secrets: Arc<Secrets>,
        namespace: String,
        reference: SecretKeyReference,
        identity: HeldCredential,
    ) -> Self {
        Self {
            client,
            secrets,
            namespace,
            reference,
            identity,
        }
    }

    /// Replaces `used` by `new`, with the version that was read as the precondition: what a person has put there in the
    /// meantime stays.
    async fn write_back(
        &self,
        used: &SecretString,
        new: &SecretString,
    ) -> Result<(), CredentialError> {
        self.identity.expect(digest_of(new));
        for _ in 0..MAX_CONFLICTS {
            let read = self.secrets.read(&self.namespace, &[&self.reference]).await;
            let read = read.map_err(|unavailable| self.unread(unavailable))?;
            let Some((current, value)) = read.into_iter().next() else {
                return Ok(());
            };
            if current.expose_secret() == new.expose_secret() {
                self.identity.settle(value.digest);
                return Ok(());
            }
            if current.expose_secret() != used.expose_secret() {
                return Ok(());
            }
            let version = &value.version;
            let body = Zeroizing::new(
                json!({
                    "metadata": { "uid": version.uid, "resourceVersion": version.resource_version },
                    "data": { self.reference.key.as_str(): BASE64_STANDARD.encode(new.expose_secret()) },
                })
                .to_string(),
            );
            if matches!(self.patch(&body).await?, Written::Done) {
                // The next read records the new value as known, and not as one that a person has put there.
                let read = self.secrets.read(&self.namespace, &[&self.reference]).await;
                if let Some((_, value)) = read.ok().and_then(|read| read.into_iter().next())
                    && value.digest == digest_of(new)
                {
                    self.identity.settle(value.digest);
                }
                return Ok(());
            }
        }
        Err(self.failed())
    }

    async fn patch(&self, body: &str) -> Result<Written, CredentialError> {
        let name = &self.reference.name;
        let secrets = Secret::url_path(&(), Some(&self.namespace));
        let request = Request::patch(format!("{secrets}/{name}?fieldManager={FIELD_MANAGER}"))
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
            .body(body.as_bytes().to_vec())
            .map_err(|_| self.failed())?;
        let sent = failpoint::around(self.client.request_text(request)).await;
        match sent {
            Ok(response) => {
                drop(Zeroizing::new(response));
                Ok(Written::Done)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Written::Conflict),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Err(CredentialError {
                message: format!(
                    "the operator may not write the rotated refresh token back into the Secret {name}: grant it patch, or add the name to rbac.refreshTokenSecretNames of the chart; a restart would use the token in the Secret, which expires"
                ),
                is_transient: false,
            }),
            Err(_) => Err(self.failed()),
        }
    }

    fn unread(&self, unavailable: Unavailable) -> CredentialError {
        match unavailable {
            Unavailable::Blocked(blocked) => CredentialError {
                message: format!(
                    "the rotated refresh token could not be written back: {}",
                    blocked.cause.message
                ),
                is_transient: false,
            },
            Unavailable::Failed(_) => self.failed(),
        }
    }

    fn failed(&self) -> CredentialError {
        CredentialError {
            message: format!(
                "the rotated refresh token could not be written back into the Secret {}; it is tried again with the next token",
                self.reference.name
            ),
            is_transient: true,
        }
    }
}

impl RefreshTokenStore for WriteBack {
    fn replace<'a>(
        &'a self,
        used: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<(), CredentialError>> {
        self.write_back(used, new).boxed()
    }
}
