//! What an access token states about itself. A hint only: the token is for the service, which alone decides.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{credential::Actor, tenant::Tenant};

/// Permission to list and read flow sets and flows.
pub const READ_PERMISSION: &str = "IndustryData-OutboundFlow.Read.All";

/// Permission to change them, too.
pub const WRITE_PERMISSION: &str = "IndustryData-OutboundFlow.ReadWrite.All";

/// The permissions on outbound flows that a token contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Whether the token permits reads.
    pub read: bool,
    /// Whether the token permits changes, or `None` if the service decides otherwise than its documentation: to
    /// applications, it may refuse what their role permits.
    pub write: Option<bool>,
}

/// The claims of a token that are used.
#[derive(Default, Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    tid: Option<String>,
    /// Permissions of an application.
    #[serde(default)]
    roles: Option<Vec<String>>,
    /// Permissions of a person, separated by blanks.
    #[serde(default)]
    scp: Option<String>,
}

impl Claims {
    /// Reads the claims of a token, or returns none if it is not a JSON Web Token.
    pub(super) fn read(token: &str) -> Self {
        let payload = token.split('.').nth(1).unwrap_or_default();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
        let claims = payload.ok().and_then(|it| serde_json::from_slice(&it).ok());
        claims.unwrap_or_default()
    }

    /// Returns whether the token was issued by another tenant than `tenant`. A domain cannot be compared.
    pub(super) fn is_of_another(&self, tenant: &Tenant) -> bool {
        self.tid
            .as_ref()
            .is_some_and(|tid| tenant.is_id() && !tid.eq_ignore_ascii_case(tenant.as_str()))
    }

    /// Returns the permissions in the token, or `None` if it shows none of either kind.
    pub(super) fn granted(&self, actor: Actor) -> Option<Granted> {
        let holds = |permission: &str| match actor {
            Actor::Application => self
                .roles
                .as_ref()
                .map(|roles| roles.iter().any(|role| role == permission)),
            Actor::User => self
                .scp
                .as_ref()
                .map(|scopes| scopes.split(' ').any(|scope| scope == permission)),
        };
        let (read, write) = match (holds(READ_PERMISSION), holds(WRITE_PERMISSION)) {
            (Some(read), Some(write)) => (read, write),
            // An application without any role has a token without the claim; a token that cannot be parsed has none
            // either, so only a tenant proves that there are claims.
            _ if self.tid.is_some() => (false, false),
            _ => return None,
        };
        Some(Granted {
            read: read || write,
            write: match actor {
                Actor::Application if write => None,
                _ => Some(write),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token(claims: &Value) -> String {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("header.{payload}.signature")
    }

    fn granted(claims: &Value, actor: Actor) -> Option<(bool, Option<bool>)> {
        let granted = Claims::read(&token(claims)).granted(actor);
        granted.map(|it| (it.read, it.write))
    }

    #[test]
    fn a_person_may_what_the_scopes_contain() {
        let may = |scp: &str| granted(&json!({ "scp": scp }), Actor::User);
        assert_eq!(may(WRITE_PERMISSION), Some((true, Some(true))));
        assert_eq!(
            may(&format!("openid {READ_PERMISSION}")),
            Some((true, Some(false)))
        );
        assert_eq!(may("openid"), Some((false, Some(false))));
    }

    #[test]
    fn whether_an_application_may_write_is_for_the_service_to_decide() {
        let may = |roles: &[&str]| granted(&json!({ "roles": roles }), Actor::Application);
        assert_eq!(may(&[WRITE_PERMISSION]), Some((true, None)));
        assert_eq!(may(&[READ_PERMISSION]), Some((true, Some(false))));
        let without = json!({ "tid": "t" });
        assert_eq!(
            granted(&without, Actor::Application),
            Some((false, Some(false)))
        );
    }

    #[test]
    fn what_is_not_a_token_shows_nothing() {
        for text in [
            "",
            "opaque",
            "a.b.c",
            "..",
            &token(&json!([])),
            &token(&json!({})),
        ] {
            for actor in [Actor::Application, Actor::User] {
                assert_eq!(Claims::read(text).granted(actor), None, "{text}");
            }
        }
    }

    #[test]
    fn a_token_of_another_tenant_is_recognized() {
        let id = "11111111-2222-4333-8444-55555555555a";
        let claims = Claims::read(&token(&json!({ "tid": id })));
        let differs = |tenant: &str| claims.is_of_another(&Tenant::new(tenant).unwrap());
        assert!(!differs(&id.to_uppercase()));
        assert!(differs("11111111-2222-4333-8444-555555555555"));
        assert!(!differs("contoso.example"));
    }
}
