//! Tenants, their applications, and the tokens that have been given out.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{clock::later, ids::opaque};

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
    /// Refresh tokens of users who have consented.
    #[serde(default)]
    pub refresh_tokens: Vec<String>,
    /// Granted permissions, both as application roles and as delegated scopes.
    #[serde(default = "all_permissions")]
    pub permissions: Vec<String>,
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
pub(crate) fn all_permissions() -> Vec<String> {
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
        }
    }
}

/// On whose behalf a token acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Application,
    User,
}

/// What the service remembers of an access token.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) actor: Actor,
    pub(crate) client_id: String,
    pub(crate) permissions: Vec<String>,
    expires: Timestamp,
}

impl Grant {
    /// How the journal names the caller.
    pub(crate) fn subject(&self) -> String {
        match self.actor {
            Actor::Application => format!("application:{}", self.client_id),
            Actor::User => format!("user:{}", self.client_id),
        }
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Directory {
    tenants: Vec<Tenant>,
    grants: BTreeMap<String, Grant>,
}

impl Directory {
    pub(crate) fn new(tenants: Vec<Tenant>) -> Self {
        Self {
            tenants,
            grants: BTreeMap::new(),
        }
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        let same = |known: &String| known.eq_ignore_ascii_case(name);
        self.tenants
            .iter()
            .find(|tenant| same(&tenant.id) || tenant.domains.iter().any(same))
    }

    pub(crate) fn application_mut(&mut self, client_id: &str) -> Option<&mut Application> {
        let all = self
            .tenants
            .iter_mut()
            .flat_map(|tenant| &mut tenant.applications);
        all.into_iter()
            .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
    }

    /// Issues a token. It is random text, so that clients cannot parse it.
    pub(crate) fn issue(
        &mut self,
        application: &Application,
        actor: Actor,
        now: Timestamp,
        life: Duration,
    ) -> String {
        self.grants.retain(|_, grant| grant.expires > now);
        let token = opaque();
        let grant = Grant {
            actor,
            client_id: application.client_id.clone(),
            permissions: application.permissions.clone(),
            expires: later(now, life),
        };
        self.grants.insert(token.clone(), grant);
        token
    }

    /// What a token is good for, unless it has expired.
    pub(crate) fn grant(&self, token: &str, now: Timestamp) -> Option<&Grant> {
        self.grants.get(token).filter(|grant| grant.expires > now)
    }

    pub(crate) fn revoke_all(&mut self) {
        self.grants.clear();
    }

    pub(crate) fn live_tokens(&self, now: Timestamp) -> usize {
        self.grants
            .values()
            .filter(|grant| grant.expires > now)
            .count()
    }
}

impl Tenant {
    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        self.applications
            .iter()
            .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
    }
}
