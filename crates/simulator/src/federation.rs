//! Tokens of foreign issuers, such as a cluster's service account tokens, that stand for an application.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use crate::{application::FederatedCredential, denied::Denied, jwt::Jwt};

/// Checks that a token matches a credential and is signed by the credential's issuer.
pub(crate) fn check(token: &Jwt, credentials: &[FederatedCredential]) -> Result<(), Denied> {
    let unmatched = |number, part: &str| {
        let text =
            format!("no matching federated identity record found for presented assertion {part}");
        Denied::client(number, text)
    };
    let issued = credentials.iter().filter_map(|credential| {
        let keys = credential.jwks.as_ref()?;
        (credential.issuer == token.claim("iss")).then_some((credential, keys))
    });
    let issued: Vec<_> = issued.collect();
    if issued.is_empty() {
        return Err(unmatched(700_211, "issuer"));
    }
    let meant = issued
        .into_iter()
        .filter(|(credential, _)| token.is_for(|audience| audience == credential.audience));
    let meant: Vec<_> = meant.collect();
    if meant.is_empty() {
        return Err(unmatched(700_212, "audience"));
    }
    let mut matching = meant.into_iter();
    let (_, keys) = matching
        .find(|(credential, _)| credential.subject == token.claim("sub"))
        .ok_or_else(|| unmatched(700_213, "subject"))?;
    check_signature(token, keys)
}

fn check_signature(token: &Jwt, keys: &Value) -> Result<(), Denied> {
    // The only algorithm of a Kubernetes service account issuer with an RSA key.
    if token.header("alg") != "RS256" {
        return Err(Denied::client(
            5_002_738,
            "client assertion is signed by an unsupported algorithm",
        ));
    }
    let wanted = token.header("kid");
    let keys = keys.get("keys").and_then(Value::as_array);
    let named = keys.into_iter().flatten().filter(|key| {
        let known = key.get("kid").and_then(Value::as_str);
        wanted.is_empty() || known == Some(wanted)
    });
    if named.into_iter().any(|key| has_signed(key, token)) {
        return Ok(());
    }
    Err(Denied::client(
        700_027,
        "client assertion is not signed by a key of its issuer",
    ))
}

fn has_signed(key: &Value, token: &Jwt) -> bool {
    let part = |name: &str| {
        let text = key.get(name)?.as_str()?;
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()
    };
    let (Some(n), Some(e)) = (part("n"), part("e")) else {
        return false;
    };
    let key = RsaPublicKeyComponents { n, e };
    let message = token.signed.as_bytes();
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &token.signature)
        .is_ok()
}
