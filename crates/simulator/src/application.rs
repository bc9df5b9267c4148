//! Tenants and their applications.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A Microsoft Entra tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// GUID.
    pub id: String,
    /// Verified domains, which work in place of the GUID.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Registered applications.
    pub applications: Vec<Application>,
}

/// An application registration with its credentials and granted permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// GUID.
    pub client_id: String,
    /// Client secrets.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Certificates, PEM. An assertion of the application's own must be signed with one.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Federated identity credentials.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
    /// Refresh tokens of users who have consented to everything.
    #[serde(default)]
    pub refresh_tokens: Vec<String>,
    /// Granted permissions, both as application roles and as delegated scopes.
    #[serde(default = "all_permissions")]
    pub permissions: Vec<String>,
    /// Whether the application may act for a user without a secret or an assertion. Default: yes.
    #[serde(default = "yes")]
    pub public_client: bool,
}

fn yes() -> bool {
    true
}

/// A client secret. In JSON it is its value, or an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenSecret", into = "WrittenSecret")]
pub struct ClientSecret {
    /// What a client sends.
    pub value: String,
    /// How the portal names it. A client that sends this sends the wrong thing.
    pub id: Option<String>,
    /// When it stops working, by the service's clock.
    pub expires: Option<Timestamp>,
}

impl From<&str> for ClientSecret {
    fn from(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            id: None,
            expires: None,
        }
    }
}

/// A secret as it is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenSecret {
    Value(String),
    Object(SecretObject),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretObject {
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl From<WrittenSecret> for ClientSecret {
    fn from(written: WrittenSecret) -> Self {
        match written {
            WrittenSecret::Value(value) => value.as_str().into(),
            WrittenSecret::Object(SecretObject { value, id, expires }) => {
                Self { value, id, expires }
            }
        }
    }
}

impl From<ClientSecret> for WrittenSecret {
    fn from(ClientSecret { value, id, expires }: ClientSecret) -> Self {
        match (&id, &expires) {
            (None, None) => Self::Value(value),
            _ => Self::Object(SecretObject { value, id, expires }),
        }
    }
}

/// Whose tokens an application takes for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss` of the token.
    pub issuer: String,
    /// `sub` of the token.
    pub subject: String,
    /// `aud` of the token, the only one. Default: `api://AzureADTokenExchange`.
    #[serde(default = "token_exchange")]
    pub audience: String,
    /// The issuer's keys, a JSON Web Key Set. Without them no token matches.
    #[serde(default)]
    pub jwks: Option<Value>,
}

fn token_exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

impl FederatedCredential {
    /// The tokens of this subject that are signed with these keys, with the usual audience.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>, jwks: Value) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            audience: token_exchange(),
            jwks: Some(jwks),
        }
    }
}

/// Every permission that an operation may need.
fn all_permissions() -> Vec<String> {
    let names = [
        "IndustryData-OutboundFlow.Read.All",
        "IndustryData-OutboundFlow.ReadWrite.All",
        "IndustryData-Run.Read.All",
        "IndustryData-Run.Start",
        "IndustryData.ReadBasic.All",
        "IndustryData-ReferenceDefinition.Read.All",
    ];
    names.map(str::to_owned).to_vec()
}

impl Default for Tenant {
    /// The tenant that tests and demonstrations use without any configuration.
    fn default() -> Self {
        Self {
            id: "11111111-2222-4333-8444-555555555555".to_owned(),
            domains: vec!["simulator.example".to_owned()],
            applications: vec![Application::default()],
        }
    }
}

impl Default for Application {
    fn default() -> Self {
        Self {
            client_id: "66666666-7777-4888-8999-000000000000".to_owned(),
            secrets: vec!["simulator-secret".into()],
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            refresh_tokens: vec!["simulator-refresh-token".to_owned()],
            permissions: all_permissions(),
            public_client: true,
        }
    }
}

impl Tenant {
    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        self.applications
            .iter()
            .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
    }
}
