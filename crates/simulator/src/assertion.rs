//! Client assertions: a certificate's self-signed token, or a foreign issuer's.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    application::{Application, FederatedCredential},
    certificate::{self, KeyHint},
    denied::Denied,
};

/// Checks the claims of an assertion that came to the token endpoint at `path`.
///
/// A token whose audience is that endpoint must come from the application itself; any other needs a federated credential.
pub(crate) fn check(
    assertion: &str,
    application: &Application,
    path: &str,
    now: Timestamp,
) -> Result<(), Denied> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(malformed());
    };
    let signed = format!("{header}.{claims}");
    let (header, claims, signature) = (decoded(header)?, decoded(claims)?, bytes(signature)?);
    check_time(&claims, now)?;
    if audiences(&claims)
        .iter()
        .any(|audience| audience.ends_with(path))
    {
        check_own(&claims, application)?;
        return check_signature(&header, &signed, &signature, application);
    }
    check_federated(&claims, &application.federated_credentials)
}

fn malformed() -> Denied {
    Denied::bad_request("invalid_request", 50_027, "the JWT token is malformed")
}

fn decoded(part: &str) -> Result<Value, Denied> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| malformed())
}

fn bytes(part: &str) -> Result<Vec<u8>, Denied> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn audiences(claims: &Value) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    }
}

fn check_time(claims: &Value, now: Timestamp) -> Result<(), Denied> {
    // Entra allows for clocks that are five minutes apart.
    const SKEW: i64 = 300;
    let second = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are far below 2^52"
    )]
    let now = now.as_second() as f64;
    #[expect(clippy::cast_precision_loss, reason = "300")]
    let skew = SKEW as f64;
    let over = second("exp").is_none_or(|end| end + skew <= now);
    let early = second("nbf").is_some_and(|start| start - skew > now);
    if over || early {
        return Err(Denied::client(
            700_024,
            "client assertion is not within its valid time range",
        ));
    }
    Ok(())
}

fn check_own(claims: &Value, application: &Application) -> Result<(), Denied> {
    let own = |claim: &str| text(claims, claim).eq_ignore_ascii_case(&application.client_id);
    if !own("iss") || !own("sub") {
        return Err(Denied::client(
            700_021,
            "client assertion application identifier doesn't match 'client_id'",
        ));
    }
    Ok(())
}

/// An application without certificates is believed, as long as the assertion names an algorithm and a key.
fn check_signature(
    header: &Value,
    signed: &str,
    signature: &[u8],
    application: &Application,
) -> Result<(), Denied> {
    let wrong_key = |why| Err(Denied::client(700_027, why));
    let Some(algorithm) = certificate::algorithm(text(header, "alg")) else {
        return Err(Denied::client(
            5_002_738,
            "client assertion is signed by an unsupported algorithm",
        ));
    };
    let hint = KeyHint {
        sha256: text(header, "x5t#S256"),
        sha1: text(header, "x5t"),
    };
    if hint.sha256.is_empty() && hint.sha1.is_empty() {
        return wrong_key("client assertion names no key");
    }
    if application.certificates.is_empty() {
        return Ok(());
    }
    match certificate::named(&application.certificates, hint) {
        None => wrong_key("the certificate that client assertion names is not registered"),
        Some(certificate)
            if !certificate::has_signed(&certificate, algorithm, signed, signature) =>
        {
            wrong_key("client assertion has an invalid signature")
        }
        Some(_) => Ok(()),
    }
}

fn check_federated(claims: &Value, credentials: &[FederatedCredential]) -> Result<(), Denied> {
    let audiences = audiences(claims);
    let matching = |one: &&FederatedCredential| audiences.contains(&one.audience.as_str());
    if !credentials.iter().any(|one| matching(&one)) {
        return Err(Denied::client(
            700_212,
            "no matching federated identity record found for presented assertion audience",
        ));
    }
    let same = |wanted: &Option<String>, claim: &str| {
        wanted
            .as_deref()
            .is_none_or(|one| one == text(claims, claim))
    };
    let known = |one: &FederatedCredential| same(&one.issuer, "iss") && same(&one.subject, "sub");
    if !credentials.iter().filter(matching).any(known) {
        return Err(Denied::client(
            700_213,
            "no matching federated identity record found for presented assertion subject",
        ));
    }
    Ok(())
}
