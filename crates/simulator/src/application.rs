//! Tenants and their applications.

use serde::{Deserialize, Serialize};

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
    pub secrets: Vec<String>,
    /// Certificates, PEM. None: any self-signed assertion is accepted without looking at its signature.
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

/// Whose tokens an application takes for its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss` of the token. None: any.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `sub` of the token. None: any.
    #[serde(default)]
    pub subject: Option<String>,
    /// `aud` of the token.
    pub audience: String,
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
            secrets: vec!["simulator-secret".to_owned()],
            certificates: Vec::new(),
            federated_credentials: vec![FederatedCredential {
                issuer: None,
                subject: None,
                audience: "api://AzureADTokenExchange".to_owned(),
            }],
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
