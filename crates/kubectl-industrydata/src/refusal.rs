//! Error responses of the authority, and the remedy for each.
//!
//! The text of a response is never shown: it may repeat what was sent, and contain anything else. Its codes are enough
//! to find it: the error of RFC 6749 and RFC 8628, the numbers of Microsoft Entra, and the trace id.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

use crate::request::Permission;

/// Most codes that are kept.
const MAX_CODES: usize = 8;

/// An error response of the authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The error, such as `invalid_client`, or nothing if the response has none.
    error: String,
    /// Numbers of Microsoft Entra, such as 7000218 for AADSTS7000218.
    codes: Vec<u32>,
    trace: Option<Uuid>,
}

/// What a remedy depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignIn {
    pub(crate) tenant: String,
    pub(crate) client_id: Uuid,
    pub(crate) permission: Permission,
    pub(crate) has_client_secret: bool,
}

/// A request that the authority refused.
#[derive(Debug, Error)]
#[error("failed to {operation}: the authority returned {refusal}; {}", refusal.remedy(sign_in))]
pub(crate) struct RefusedRequest {
    /// What was attempted.
    pub(crate) operation: String,
    pub(crate) refusal: Refusal,
    pub(crate) sign_in: SignIn,
}

#[derive(Deserialize)]
struct Body {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    trace_id: String,
}

impl Refusal {
    /// Reads an error response, or returns `None` if the body is not one.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(body).ok()?;
        let is_code = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let mut codes = body.error_codes;
        // Some responses have the number in the text only: `AADSTS65001: …`.
        if codes.is_empty() {
            codes.extend(code_in(&body.error_description));
        }
        codes.truncate(MAX_CODES);
        is_code(&body.error).then_some(Self {
            error: body.error,
            codes,
            trace: Uuid::try_parse(&body.trace_id).ok(),
        })
    }

    /// Returns the error of the response.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// Returns what to do about it.
    fn remedy(&self, sign_in: &SignIn) -> String {
        let of_code = self
            .codes
            .iter()
            .find_map(|code| remedy_of_code(*code, sign_in));
        of_code
            .or_else(|| remedy_of_error(&self.error, sign_in))
            .unwrap_or_else(|| match self.codes.first() {
                Some(code) => {
                    format!("look it up at https://login.microsoftonline.com/error?code={code}")
                }
                None => "check --authority-endpoint, --tenant and --client-id".to_owned(),
            })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        for (index, code) in self.codes.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "AADSTS{code}")?;
        }
        match (self.trace, self.codes.is_empty()) {
            (Some(trace), false) => write!(f, ", trace id {trace})"),
            (Some(trace), true) => write!(f, " (trace id {trace})"),
            (None, false) => f.write_str(")"),
            (None, true) => Ok(()),
        }
    }
}

fn code_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let end = rest
        .find(|one: char| !one.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn remedy_of_code(code: u32, sign_in: &SignIn) -> Option<String> {
    let SignIn {
        tenant,
        client_id,
        permission,
        has_client_secret,
    } = sign_in;
    let permission = permission.name();
    Some(match code {
        65001 | 90094 | 650_057 => format!(
            "add the delegated permission {permission} to the app registration, and grant admin consent (`az ad app \
             permission admin-consent --id {client_id}`)"
        ),
        53003 => "a Conditional Access policy blocks this sign-in: an administrator can see which in the sign-in logs, \
                  and exclude this user or application from it; policies often block the device code flow itself"
            .to_owned(),
        53000..=53002 => "a Conditional Access policy requires a managed device: open the address on one".to_owned(),
        50074 | 50076 | 50079 => {
            "the account needs multifactor authentication: run the command again, and complete it".to_owned()
        }
        50105 => format!(
            "the account is not assigned to the application: assign it under Enterprise applications > {client_id} > \
             Users and groups"
        ),
        50020 | 50034 => format!("the account does not exist in tenant {tenant}: sign in with one that does"),
        700_016 => format!(
            "the tenant has no application with this id: compare --client-id {client_id} and --tenant {tenant} with the \
             overview of the app registration"
        ),
        90002 | 900_023 => {
            format!("the tenant does not exist: compare --tenant {tenant} with the overview of Microsoft Entra")
        }
        7_000_218 if *has_client_secret => {
            "the application does not accept this kind of credential: pass a client secret of this app".to_owned()
        }
        7_000_218 => format!(
            "the app is not a public client: set \"Allow public client flows\" in the app registration (`az ad app \
             update --id {client_id} --is-fallback-public-client true`), or pass --client-secret-file"
        ),
        7_000_215 => "the client secret is wrong: pass the secret's value, not its id".to_owned(),
        7_000_222 => "the client secret has expired: add a new one to the app registration".to_owned(),
        70011 | 650_053 => "a requested scope does not exist: check --scope and --graph-resource".to_owned(),
        _ => return None,
    })
}

fn remedy_of_error(error: &str, sign_in: &SignIn) -> Option<String> {
    let SignIn {
        client_id,
        permission,
        has_client_secret,
        ..
    } = sign_in;
    Some(match error {
        // The first is Microsoft Entra's, the second that of RFC 8628.
        "authorization_declined" | "access_denied" => {
            "the sign-in was declined in the browser: run the command again, and approve it"
                .to_owned()
        }
        "expired_token" | "code_expired" => {
            "the code was not used in time: run the command again".to_owned()
        }
        "bad_verification_code" | "invalid_grant" => {
            "the code is no longer valid: run the command again".to_owned()
        }
        "consent_required" | "interaction_required" => format!(
            "the sign-in needs the consent of an administrator to {}, or another step in the browser: run the command \
             again, and complete it",
            permission.name()
        ),
        "invalid_client" if *has_client_secret => {
            "the client secret was not accepted: check --client-secret-file".to_owned()
        }
        "invalid_client" | "unauthorized_client" => format!(
            "set \"Allow public client flows\" in the app registration (`az ad app update --id {client_id} \
             --is-fallback-public-client true`), or pass --client-secret-file"
        ),
        "unsupported_grant_type" => {
            "the authority does not support the device code flow: check --authority-endpoint"
                .to_owned()
        }
        "invalid_scope" => "check --scope and --graph-resource".to_owned(),
        "invalid_tenant" => "check --tenant".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sign_in() -> SignIn {
        SignIn {
            tenant: "contoso.edu".to_owned(),
            client_id: Uuid::nil(),
            permission: Permission::ReadWrite,
            has_client_secret: false,
        }
    }

    fn remedy(error: &str, code: u32) -> String {
        let body = json!({ "error": error, "error_codes": [code] }).to_string();
        Refusal::read(body.as_bytes()).unwrap().remedy(&sign_in())
    }

    #[test]
    fn each_failure_has_its_own_remedy() {
        let rows = [
            ("access_denied", 0, "declined in the browser"),
            ("authorization_declined", 70018, "declined in the browser"),
            ("expired_token", 70020, "not used in time"),
            ("bad_verification_code", 70019, "no longer valid"),
            ("invalid_grant", 65001, "admin-consent"),
            ("access_denied", 53003, "Conditional Access"),
            ("unauthorized_client", 700_016, "compare --client-id"),
            ("invalid_request", 90002, "compare --tenant"),
            ("invalid_client", 7_000_218, "Allow public client flows"),
            ("invalid_client", 7_000_215, "not its id"),
            ("invalid_scope", 0, "--graph-resource"),
            ("unsupported_grant_type", 0, "--authority-endpoint"),
            ("something_else", 123, "error?code=123"),
        ];
        for (error, code, expected) in rows {
            let remedy = remedy(error, code);
            assert!(remedy.contains(expected), "{error} {code}: {remedy}");
        }
        for (index, (error, code, _)) in rows.iter().enumerate().skip(2) {
            for (other, other_code, _) in &rows[index + 1..] {
                assert_ne!(remedy(error, *code), remedy(other, *other_code));
            }
        }
    }

    #[test]
    fn the_text_of_a_response_is_not_shown() {
        let body = json!({
            "error": "invalid_grant",
            "error_description": "AADSTS65001: canary \u{1b}[2J",
            "trace_id": "00000000-0000-4000-8000-00000000000a",
        });
        let refusal = Refusal::read(body.to_string().as_bytes()).unwrap();
        let error = RefusedRequest {
            operation: "request a code".to_owned(),
            refusal,
            sign_in: sign_in(),
        };
        let text = error.to_string();
        let expected = "failed to request a code: the authority returned invalid_grant (AADSTS65001, trace id \
                        00000000-0000-4000-8000-00000000000a); add the delegated permission ";
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains("canary") && !format!("{error:?}").contains("canary"));
    }

    #[test]
    fn what_is_not_an_error_response_is_not_read_as_one() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"error":{"code":"x"}}"#,
            r#"{"error":"a b"}"#,
            r#"{"error":"\u001b[2J"}"#,
        ] {
            assert_eq!(Refusal::read(body.as_bytes()), None, "{body}");
        }
    }
}
