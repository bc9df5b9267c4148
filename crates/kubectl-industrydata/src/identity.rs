//! Which tenant, application and user tokens are for. No IO.
//!
//! The id token comes directly from the authority over TLS, so its signature is not checked: `OpenID` Connect Core,
//! 3.1.3.7, item 6.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::device_code::Tokens;
use crate::error::AuthorityError;
use crate::request::Permission;

/// The request whose response is malformed, for messages.
const TOKEN_REQUEST: &str = "the request for a token";

/// Longest name of a user that is shown.
const MAX_USER: usize = 128;

/// What tokens must be for.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) tenant_id: Uuid,
    pub(crate) client_id: Uuid,
    pub(crate) permission: Permission,
    /// Resource of the permission, without a slash at its end.
    pub(crate) resource: String,
}

/// A refresh token that is for what was expected.
pub(crate) struct SignedIn {
    pub(crate) refresh_token: SecretString,
    /// Name of the user, if a terminal can show it.
    pub(crate) user: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    tid: Uuid,
    aud: Uuid,
    #[serde(default)]
    preferred_username: Option<String>,
}

impl Expected {
    /// Checks what the authority returned.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`] if the tokens are for another tenant or application, or cannot do what they are needed for.
    pub(crate) fn check(&self, tokens: Tokens) -> Result<SignedIn, AuthorityError> {
        let malformed = |problem| AuthorityError::Malformed {
            request: TOKEN_REQUEST,
            problem,
        };
        if !tokens.token_type.eq_ignore_ascii_case("bearer") {
            return Err(malformed("the token's type is not Bearer"));
        }
        let id_token = tokens
            .id_token
            .ok_or_else(|| malformed("it has no id_token"))?;
        let claims = claims(&id_token)
            .ok_or_else(|| malformed("its id_token has no tenant (tid) or application (aud)"))?;
        if claims.tid != self.tenant_id {
            return Err(AuthorityError::OtherTenant {
                expected: self.tenant_id.to_string(),
                found: claims.tid.to_string(),
            });
        }
        if claims.aud != self.client_id {
            return Err(AuthorityError::OtherApplication {
                expected: self.client_id.to_string(),
                found: claims.aud.to_string(),
            });
        }
        let mut scopes = tokens.scope.split_ascii_whitespace();
        if !scopes.any(|scope| self.permission.is_in(scope, &self.resource)) {
            return Err(AuthorityError::MissingPermission {
                permission: self.permission.name(),
                client_id: self.client_id.to_string(),
            });
        }
        let refresh_token = tokens
            .refresh_token
            .filter(|token| !token.expose_secret().is_empty())
            .ok_or_else(|| AuthorityError::NoRefreshToken {
                client_id: self.client_id.to_string(),
            })?;
        // RFC 6749, appendix A.17. Anything else could not be sent as it was received.
        let is_sendable = refresh_token
            .expose_secret()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
        if !is_sendable {
            return Err(malformed(
                "its refresh token contains characters that no token has",
            ));
        }
        let is_shown = |user: &String| {
            user.len() <= MAX_USER && user.bytes().all(|byte| byte.is_ascii_graphic())
        };
        Ok(SignedIn {
            refresh_token,
            user: claims.preferred_username.filter(is_shown),
        })
    }
}

fn claims(id_token: &SecretString) -> Option<Claims> {
    let mut parts = id_token.expose_secret().split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// Returns the id of a tenant from its issuer: `https://login.microsoftonline.com/<id>/v2.0`.
pub(crate) fn tenant_of_issuer(issuer: &str) -> Option<Uuid> {
    let issuer = Url::parse(issuer).ok()?;
    let id = issuer.path_segments()?.next()?;
    (id.len() == 36).then(|| Uuid::try_parse(id).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TENANT: &str = "11111111-2222-4333-8444-555555555555";
    const CLIENT: &str = "66666666-7777-4888-8999-000000000000";
    const OTHER: &str = "00000000-0000-4000-8000-000000000000";

    fn expected(permission: Permission) -> Expected {
        Expected {
            tenant_id: TENANT.parse().unwrap(),
            client_id: CLIENT.parse().unwrap(),
            permission,
            resource: "https://graph.example".to_owned(),
        }
    }

    fn id_token(tenant: &str, client: &str, user: &str) -> String {
        let claims = json!({ "tid": tenant, "aud": client, "preferred_username": user });
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn body() -> Value {
        json!({
            "token_type": "Bearer",
            "scope": "openid https://graph.example/IndustryData-OutboundFlow.ReadWrite.All",
            "refresh_token": "canary-refresh-token",
            "access_token": "canary-access-token",
            "id_token": id_token(TENANT, CLIENT, "admin@contoso.edu"),
        })
    }

    fn with(key: &str, value: Value) -> Result<SignedIn, AuthorityError> {
        let mut body = body();
        body[key] = value;
        expected(Permission::ReadWrite).check(serde_json::from_value(body).unwrap())
    }

    #[test]
    fn a_token_for_this_tenant_and_permission_is_accepted() {
        let signed_in = with("token_type", json!("bearer")).unwrap();
        assert_eq!(
            signed_in.refresh_token.expose_secret(),
            "canary-refresh-token"
        );
        assert_eq!(signed_in.user.as_deref(), Some("admin@contoso.edu"));
    }

    #[test]
    fn a_token_for_something_else_is_refused() {
        let message = |key, value| with(key, value).map(drop).unwrap_err().to_string();
        for (key, value, expected) in [
            ("token_type", json!("mac"), "not Bearer"),
            ("id_token", json!(null), "no id_token"),
            ("id_token", json!("e30.e30.c2ln"), "no tenant"),
            ("id_token", json!("e30.%.c2ln"), "no tenant"),
            (
                "id_token",
                json!(id_token(OTHER, CLIENT, "")),
                "issued a token for tenant 00000000",
            ),
            (
                "id_token",
                json!(id_token(TENANT, OTHER, "")),
                "issued a token for application 00000000",
            ),
            (
                "scope",
                json!("openid offline_access"),
                "IndustryData-OutboundFlow.ReadWrite.All",
            ),
            (
                "scope",
                json!("IndustryData-OutboundFlow.Read.All"),
                "admin-consent --id 66666666",
            ),
            ("refresh_token", json!(null), "offline_access"),
            ("refresh_token", json!(""), "offline_access"),
            (
                "refresh_token",
                json!("a\nb"),
                "characters that no token has",
            ),
        ] {
            let message = message(key, value);
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn a_permission_to_write_is_enough_to_read() {
        let tokens = serde_json::from_value(body()).unwrap();
        assert!(expected(Permission::Read).check(tokens).is_ok());
    }

    #[test]
    fn a_name_that_a_terminal_must_not_show_is_left_out() {
        for user in ["a\u{1b}[2J", "a b", &"a".repeat(129)] {
            let signed_in = with("id_token", json!(id_token(TENANT, CLIENT, user))).unwrap();
            assert_eq!(signed_in.user, None);
        }
    }

    #[test]
    fn an_issuer_names_its_tenant() {
        let id = TENANT.parse().ok();
        assert_eq!(
            tenant_of_issuer(&format!("https://login.example/{TENANT}/v2.0")),
            id
        );
        for issuer in [
            "",
            "https://login.example/",
            "https://login.example/common/v2.0",
            "https://login.example/{tenantid}/v2.0",
        ] {
            assert_eq!(tenant_of_issuer(issuer), None, "{issuer}");
        }
    }
}
