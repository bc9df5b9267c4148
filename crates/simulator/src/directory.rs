//! The directory: tenants, and the tokens and codes that have been given out.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    application::{Application, Tenant},
    clock::later,
    device_codes::DeviceCodes,
    refresh_tokens::{Consent, RefreshTokens},
    scopes::Scopes,
};

/// For how long the use of an assertion is remembered. Those of clients live for minutes.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

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
    pub(crate) expires: Timestamp,
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

/// An application within its tenant.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// GUID of the tenant.
    pub(crate) tenant: String,
    pub(crate) domains: Vec<String>,
    pub(crate) application: Application,
}

impl Client {
    /// GUIDs of tenant and application.
    pub(crate) fn ids(&self) -> (&str, &str) {
        (&self.tenant, &self.application.client_id)
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Directory {
    tenants: Vec<Tenant>,
    grants: BTreeMap<String, Grant>,
    /// Assertions that have been used, by application and identifier, and when.
    assertions: BTreeMap<(String, String), Timestamp>,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) device_codes: DeviceCodes,
}

impl Directory {
    pub(crate) fn new(tenants: Vec<Tenant>, now: Timestamp, refresh_token_life: Duration) -> Self {
        let mut directory = Self {
            tenants,
            grants: BTreeMap::new(),
            assertions: BTreeMap::new(),
            refresh_tokens: RefreshTokens::default(),
            device_codes: DeviceCodes::default(),
        };
        let expires = later(now, refresh_token_life);
        for tenant in &directory.tenants {
            for application in &tenant.applications {
                for text in &application.refresh_tokens {
                    let consent = everything(&tenant.id, &application.client_id);
                    directory.refresh_tokens.add(text.clone(), consent, expires);
                }
            }
        }
        directory
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        let same = |known: &String| known.eq_ignore_ascii_case(name);
        self.tenants
            .iter()
            .find(|tenant| same(&tenant.id) || tenant.domains.iter().any(same))
    }

    /// The first application of this id, in any tenant.
    pub(crate) fn application_mut(&mut self, client_id: &str) -> Option<&mut Application> {
        let all = self
            .tenants
            .iter_mut()
            .flat_map(|tenant| &mut tenant.applications);
        all.into_iter()
            .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
    }

    /// Consent to everything, for the first application of this id.
    pub(crate) fn consent(&self, client_id: &str) -> Option<Consent> {
        let known = |tenant: &Tenant| {
            let application = tenant.application(client_id)?;
            Some(everything(&tenant.id, &application.client_id))
        };
        self.tenants.iter().find_map(known)
    }

    /// Remembers what a token is good for.
    pub(crate) fn remember(&mut self, token: String, grant: Grant, now: Timestamp) {
        self.grants.retain(|_, grant| grant.expires > now);
        self.grants.insert(token, grant);
    }

    /// What a token is good for, unless it has expired.
    pub(crate) fn grant(&self, token: &str, now: Timestamp) -> Option<&Grant> {
        self.grants.get(token).filter(|grant| grant.expires > now)
    }

    /// Notes the use of an assertion, and returns whether it is the first.
    pub(crate) fn is_first_use(&mut self, client: &Client, id: &str, now: Timestamp) -> bool {
        self.assertions
            .retain(|_, used| now.duration_since(*used) < REMEMBERED);
        let name = (client.application.client_id.clone(), id.to_owned());
        self.assertions.insert(name, now).is_none()
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

fn everything(tenant: &str, client_id: &str) -> Consent {
    Consent {
        tenant: tenant.to_owned(),
        client_id: client_id.to_owned(),
        scopes: Scopes::everything(),
    }
}
