//! Credentials of applications, and the places outside of this module where some of them are kept.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::sha256;

use super::certificate::SigningKey;

/// Proof that a request for a token comes from the application, or from a person who uses it.
#[derive(Clone)]
pub enum Credential {
    /// A client secret of the app registration.
    ClientSecret(SecretString),
    /// A certificate of the app registration, with its private key.
    Certificate(Arc<SigningKey>),
    /// A token of another issuer that the app registration trusts, such as a cluster.
    Federated(Arc<dyn AssertionSource>),
    /// The refresh token of a person who has signed in.
    RefreshToken(RefreshToken),
}

/// The refresh token of a person who has signed in.
#[derive(Clone)]
pub struct RefreshToken {
    /// The token.
    pub token: SecretString,
    /// The client secret, or `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// Where the token is kept.
    pub store: Arc<dyn RefreshTokenStore>,
    /// Runs an exchange of the token to its end, even if its caller gives up: the authority replaces the token with each
    /// use, and the new one must not be lost.
    pub detach: Detach,
}

/// Starts a task that ends on its own.
pub type Detach = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// Source of the tokens of another issuer.
pub trait AssertionSource: Send + Sync {
    /// Returns a text that differs from those of all other sources.
    fn identity(&self) -> &str;

    /// Obtains a token for the authority.
    fn assertion(&self) -> BoxFuture<'_, Result<SecretString, CredentialError>>;
}

/// Place where a refresh token is kept.
pub trait RefreshTokenStore: Send + Sync {
    /// Replaces the token that was used by the new one that the authority has issued for it.
    ///
    /// If the token in this place is neither of them, a person has replaced it: then it stays.
    fn replace<'a>(
        &'a self,
        used: &'a SecretString,
        new: &'a SecretString,
    ) -> BoxFuture<'a, Result<(), CredentialError>>;
}

/// Reason why a credential cannot be obtained from, or kept in, its place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CredentialError {
    /// The state and its remedy, for the user: stable, and without any secret.
    pub message: String,
    /// Whether it may pass without action by a person.
    pub is_transient: bool,
}

/// On whose behalf an access token acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Actor {
    /// The application itself.
    #[default]
    Application,
    /// A person who has signed in.
    User,
}

/// Digest of a credential, by which equal ones are recognized. It stays in memory.
pub(super) type CredentialKey = [u8; 32];

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Credential {
    /// Returns on whose behalf its tokens act.
    pub(super) const fn actor(&self) -> Actor {
        match self {
            Self::ClientSecret(_) | Self::Certificate(_) | Self::Federated(_) => Actor::Application,
            Self::RefreshToken(_) => Actor::User,
        }
    }

    /// Returns the digest of its content.
    pub(super) fn key(&self) -> CredentialKey {
        let (content, secret) = match self {
            Self::ClientSecret(secret) => (secret.expose_secret().as_bytes(), None),
            Self::Certificate(key) => (key.thumbprint().as_slice(), None),
            Self::Federated(source) => (source.identity().as_bytes(), None),
            Self::RefreshToken(it) => (
                it.token.expose_secret().as_bytes(),
                it.client_secret.as_ref(),
            ),
        };
        let secret = secret.map_or("", |secret| secret.expose_secret());
        sha256::of_parts([self.kind().as_bytes(), content, secret.as_bytes()])
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::ClientSecret(_) => "ClientSecret",
            Self::Certificate(_) => "Certificate",
            Self::Federated(_) => "Federated",
            Self::RefreshToken(_) => "RefreshToken",
        }
    }
}

impl From<SecretString> for Credential {
    fn from(secret: SecretString) -> Self {
        Self::ClientSecret(secret)
    }
}

impl From<&str> for Credential {
    fn from(secret: &str) -> Self {
        Self::ClientSecret(secret.into())
    }
}
