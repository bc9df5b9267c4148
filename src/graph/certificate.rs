//! Certificates of applications, and the assertions that are signed with them.

use std::{fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use k8s_openapi::jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{KeyPair as _, RSA_PSS_SHA256},
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use secrecy::SecretString;
use serde_json::json;
use thiserror::Error;
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::sha256;

/// Maximum size of a PEM file: far more than a chain of certificates needs.
const MAX_PEM: usize = 64 * 1024;

/// Sizes of RSA keys in bits. The authority accepts no smaller ones, and the library signs with no larger ones.
const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Lifetime of an assertion. It is sent at once; the authority allows for clocks that are 5 min apart.
const LIFETIME: Duration = Duration::from_mins(5);

/// A certificate of an application with its private key.
pub struct SigningKey {
    key: RsaKeyPair,
    thumbprint: [u8; 32],
    expiry: Timestamp,
    random: SystemRandom,
}

/// Reason why a certificate or its key cannot be used. It contains no part of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// A PEM file is too large.
    #[error("a PEM file has more than 64 KiB")]
    Size,
    /// There is no certificate.
    #[error("there is no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// There is no private key.
    #[error("there is no private key in PEM (`-----BEGIN PRIVATE KEY-----`) without a passphrase")]
    NoKey,
    /// The certificate is not X.509.
    #[error("the certificate cannot be parsed")]
    Certificate,
    /// The key is not an RSA key, or too small or too large.
    #[error("the private key is not an RSA key with 2048 to 4096 bits")]
    Key,
    /// The key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Parses a certificate and its private key (PKCS #1 or #8), both in PEM. Of several certificates, the first is used,
    /// as in a chain.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if they cannot be used.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        if certificate.len().max(key.len()) > MAX_PEM {
            return Err(CertificateError::Size);
        }
        let certificate = CertificateDer::from_pem_slice(certificate)
            .map_err(|_: pem::Error| CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(CertificateError::Key),
        };
        let key = key.map_err(|_| CertificateError::Key)?;
        if !KEY_BITS.contains(&(key.public().modulus_len() * 8)) {
            return Err(CertificateError::Key);
        }
        let parsed = X509Certificate::from_der(&certificate);
        let (_, parsed) = parsed.map_err(|_| CertificateError::Certificate)?;
        if *parsed.public_key().subject_public_key.data != *key.public_key().as_ref() {
            return Err(CertificateError::Mismatch);
        }
        let expiry = Timestamp::from_second(parsed.validity().not_after.timestamp());
        Ok(Self {
            key,
            thumbprint: sha256::of_bytes([certificate.as_ref()]),
            expiry: expiry.unwrap_or(Timestamp::MAX),
            random: SystemRandom::new(),
        })
    }

    /// Returns when the certificate expires.
    #[must_use]
    pub const fn expiry(&self) -> Timestamp {
        self.expiry
    }

    /// Returns the SHA-256 digest of the certificate.
    pub(super) const fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Signs an assertion for a token request to `audience`, or returns `None` if the system has no random numbers.
    ///
    /// The format is that of [RFC 7523](https://www.rfc-editor.org/rfc/rfc7523), with the algorithm and key id that
    /// Microsoft Entra documents: PS256 and `x5t#S256`.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
    ) -> Option<SecretString> {
        let header = json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(self.thumbprint),
        });
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4().to_string(),
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": (now + LIFETIME).as_second(),
        });
        let encode = |part: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let sign = self.key.sign(
            &RSA_PSS_SHA256,
            &self.random,
            signed.as_bytes(),
            &mut signature,
        );
        sign.ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Some(format!("{signed}.{signature}").into())
    }
}

#[cfg(test)]
mod tests;
