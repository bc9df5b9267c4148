//! Tokens that the authority signs: JSON Web Tokens, with a key that is made at the start.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use crate::{denied::Denied, error::Error};

/// Length of a coordinate of a P-256 key.
const COORDINATE: usize = 32;

/// The authority's key.
#[derive(Debug)]
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    id: String,
}

impl Signer {
    /// Makes a key. It is ECDSA, because `ring` cannot make RSA keys and a key in the source would be no secret.
    pub(crate) fn new() -> Result<Self, Error> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| Error::SigningKey)?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|_| Error::SigningKey)?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, key.public_key().as_ref()));
        Ok(Self { key, random, id })
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, Denied> {
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": self.id });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .key
            .sign(&self.random, message.as_bytes())
            .map_err(|_| Denied::server("failed to sign the token"))?;
        Ok(format!(
            "{message}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// The public key, as a JSON Web Key Set.
    pub(crate) fn keys(&self) -> Value {
        // An uncompressed point: a byte 4, x, y.
        let point = self.key.public_key().as_ref();
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(COORDINATE).unwrap_or_default();
        json!({ "keys": [{
            "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": self.id,
            "x": BASE64_URL_SAFE_NO_PAD.encode(x),
            "y": BASE64_URL_SAFE_NO_PAD.encode(y),
        }] })
    }
}
