//! JSON Web Tokens that clients present.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::denied::Denied;

/// Entra allows for clocks that are five minutes apart.
const SKEW: f64 = 300.0;

/// A token whose signature has not been verified yet.
#[derive(Debug)]
pub(crate) struct Jwt {
    header: Value,
    claims: Value,
    /// Header and claims as they came.
    pub(crate) signed: String,
    pub(crate) signature: Vec<u8>,
}

impl Jwt {
    pub(crate) fn parse(text: &str) -> Result<Self, Denied> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(malformed());
        };
        Ok(Self {
            signed: format!("{header}.{claims}"),
            header: decoded(header)?,
            claims: decoded(claims)?,
            signature: bytes(signature)?,
        })
    }

    /// A text in the header; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        text(&self.header, name)
    }

    /// A text among the claims; empty if it is absent.
    pub(crate) fn claim(&self, name: &str) -> &str {
        text(&self.claims, name)
    }

    /// Whether the token has this audience and no other.
    pub(crate) fn is_for(&self, fits: impl Fn(&str) -> bool) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => fits(one),
            Some(Value::Array(many)) => {
                !many.is_empty() && many.iter().all(|one| one.as_str().is_some_and(&fits))
            }
            _ => false,
        }
    }

    /// Refuses a token that is not valid yet, or not any more.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), Denied> {
        let second = |name: &str| self.claims.get(name).and_then(Value::as_f64);
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are far below 2^52"
        )]
        let now = now.as_second() as f64;
        let over = second("exp").is_none_or(|end| end + SKEW <= now);
        let early = second("nbf").is_some_and(|start| start - SKEW > now);
        if over || early {
            return Err(Denied::client(
                700_024,
                "client assertion is not within its valid time range",
            ));
        }
        Ok(())
    }
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
