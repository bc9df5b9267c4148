//! Credentials of connections: the objects that their specs name, as they are in the cluster.
//!
//! [`graph`](crate::graph) knows nothing of the cluster. It obtains the tokens of service accounts from
//! [`ServiceAccountTokens`], and writes rotated refresh tokens back through [`WriteBack`].

mod service_account;
mod write_back;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::api::{GraphConnection, SecretKeyReference, reason};
use crate::graph::{Credential, Detach, RefreshToken, SigningKey};
use crate::plan::credential::{CredentialSource, declared_expiry};
use crate::plan::{Blocked, Digest};

use super::error::Unavailable;
use super::index::namespace;
use super::secrets::{Secrets, Value};

use service_account::ServiceAccountTokens;
use write_back::WriteBack;

/// Reader of the credentials of connections.
pub struct Credentials {
    secrets: Arc<Secrets>,
    /// Passes on contents of Secrets and tokens without copying or parsing them.
    client: kube::Client,
    /// For whom tokens of service accounts are issued.
    audience: Arc<str>,
    /// Runs exchanges of refresh tokens to their end.
    detach: Detach,
}

/// What is in the cluster of a credential, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Where it is kept.
    source: CredentialSource,
    /// Digests of its values, in the order of the keys of the source.
    digests: Vec<Digest>,
    /// When it expires, as far as the spec or the Secret states it.
    pub expiry: Option<Timestamp>,
}

/// A credential that was read from the cluster.
pub struct ReadCredential {
    /// The credential.
    pub credential: Credential,
    /// What identifies it.
    pub identity: HeldCredential,
    /// When it expires, if its content shows that.
    pub expiry: Option<Timestamp>,
}

/// Identity of a credential in use. A refresh token that the operator itself replaces stays the same credential.
#[derive(Clone)]
pub struct HeldCredential {
    source: CredentialSource,
    /// For each value, the digests that belong to it: usually one, and two while a refresh token is being replaced.
    digests: Arc<Mutex<Vec<Vec<Digest>>>>,
}

impl Credentials {
    /// Creates a reader.
    pub fn new(
        secrets: Arc<Secrets>,
        client: kube::Client,
        audience: &str,
        detach: Detach,
    ) -> Self {
        Self {
            secrets,
            client,
            audience: audience.into(),
            detach,
        }
    }

    /// Returns what is in the cluster of the credential of a connection, which was read at most `max_age` ago.
    ///
    /// # Errors
    ///
    /// If a request to the cluster failed, or if a person must fix something.
    pub async fn confirm(
        &self,
        connection: &GraphConnection,
        max_age: Duration,
    ) -> Result<Confirmed, Unavailable> {
        let source = CredentialSource::of(connection)?;
        let namespace = namespace(connection);
        let mut values = Vec::new();
        for reference in source.keys() {
            values.push(self.secrets.value(&namespace, reference, max_age).await?);
        }
        let expiry = expiry(connection, &source, &values);
        let digests = values.into_iter().map(|value| value.digest).collect();
        Ok(Confirmed {
            source,
            digests,
            expiry,
        })
    }

    /// Returns when the credential of a connection was last seen in the cluster, or `None` if it cannot be used.
    pub fn confirmed(&self, connection: &ObjectRef<GraphConnection>) -> Option<Instant> {
        self.secrets.confirmed(connection)
    }

    /// Reads the credential of a connection.
    ///
    /// # Errors
    ///
    /// If a request to the cluster failed, or if a person must fix something.
    pub async fn read(&self, connection: &GraphConnection) -> Result<ReadCredential, Unavailable> {
        let source = CredentialSource::of(connection)?;
        let namespace = namespace(connection);
        let read = self.secrets.read(&namespace, &source.keys()).await?;
        let (texts, values): (Vec<SecretString>, Vec<Value>) = read.into_iter().unzip();
        let identity = HeldCredential::of(source.clone(), &values);
        let mut texts = texts.into_iter();
        let mut expiry = None;
        let credential = match (source, texts.next(), texts.next()) {
            (CredentialSource::ClientSecret { .. }, Some(secret), _) => {
                Credential::ClientSecret(secret)
            }
            (
                CredentialSource::ClientCertificate { certificate, .. },
                Some(pem),
                Some(private_key),
            ) => {
                let key = signing_key(&certificate.name, &pem, &private_key)?;
                expiry = Some(key.expiry());
                Credential::Certificate(Arc::new(key))
            }
            (CredentialSource::WorkloadIdentity { service_account }, ..) => {
                let tokens = self.tokens(connection, &service_account)?;
                Credential::Federated(Arc::new(tokens))
            }
            (CredentialSource::RefreshToken { token, .. }, Some(text), client_secret) => {
                let store = self.write_back(namespace, token, identity.clone());
                Credential::RefreshToken(RefreshToken {
                    token: text,
                    client_secret,
                    store: Arc::new(store),
                    detach: self.detach.clone(),
                })
            }
            // As many values are read as there are keys.
            (source, ..) => return Err(lacking_values(&source).into()),
        };
        Ok(ReadCredential {
            credential,
            identity,
            expiry,
        })
    }

    fn tokens(
        &self,
        connection: &GraphConnection,
        service_account: &str,
    ) -> Result<ServiceAccountTokens, Blocked> {
        ServiceAccountTokens::new(
            self.client.clone(),
            &namespace(connection),
            service_account,
            &connection.spec.client_id,
            self.audience.clone(),
        )
    }

    fn write_back(
        &self,
        namespace: String,
        token: SecretKeyReference,
        held: HeldCredential,
    ) -> WriteBack {
        let (client, secrets) = (self.client.clone(), self.secrets.clone());
        WriteBack::new(client, secrets, namespace, token, held)
    }
}

fn lacking_values(source: &CredentialSource) -> Blocked {
    let keys = source.keys().len();
    Blocked::person(
        reason::SECRET_NOT_FOUND,
        format!("the credential needs {keys} values from Secrets: add them"),
    )
}

impl HeldCredential {
    fn of(source: CredentialSource, values: &[Value]) -> Self {
        let digests = values.iter().map(|value| vec![value.digest]).collect();
        Self {
            source,
            digests: Arc::new(Mutex::new(digests)),
        }
    }

    /// Returns whether what is in the cluster is this credential.
    pub fn is(&self, confirmed: &Confirmed) -> bool {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let belongs = |(own, found): (&Vec<Digest>, &Digest)| own.contains(found);
        self.source == confirmed.source
            && digests.len() == confirmed.digests.len()
            && digests.iter().zip(&confirmed.digests).all(belongs)
    }

    /// Accepts another digest of the first value, which the operator is about to write.
    fn expect(&self, digest: Digest) {
        self.of_first(|first| first.push(digest));
    }

    /// Accepts only this digest of the first value, which has been written and read back.
    fn settle(&self, digest: Digest) {
        self.of_first(|first| *first = vec![digest]);
    }

    fn of_first(&self, change: impl FnOnce(&mut Vec<Digest>)) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = digests.first_mut() {
            change(first);
        }
    }
}

/// Returns when a credential expires, as far as the spec or the Secret states it.
fn expiry(
    connection: &GraphConnection,
    source: &CredentialSource,
    values: &[Value],
) -> Option<Timestamp> {
    match source {
        CredentialSource::ClientSecret { .. } => {
            let annotated = values.first().and_then(|value| value.expiry);
            declared_expiry(connection).or(annotated)
        }
        CredentialSource::ClientCertificate { .. }
        | CredentialSource::WorkloadIdentity { .. }
        | CredentialSource::RefreshToken { .. } => None,
    }
}

fn signing_key(
    secret: &str,
    certificate: &SecretString,
    private_key: &SecretString,
) -> Result<SigningKey, Blocked> {
    let certificate = certificate.expose_secret().as_bytes();
    let key = SigningKey::from_pem(certificate, private_key.expose_secret().as_bytes());
    key.map_err(|error| {
        Blocked::missing(
            reason::INVALID_CERTIFICATE,
            format!("the Secret {secret} has no usable certificate under tls.crt and tls.key: {error}; correct it"),
        )
    })
}

#[cfg(test)]
mod tests;
