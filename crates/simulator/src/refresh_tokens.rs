//! Refresh tokens that have been given out.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{clock::later, denied::Denied, ids::opaque, scopes::Scopes};

/// Why a refresh token is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Revocation {
    /// It was not used for too long: `AADSTS700082`.
    Expired,
    /// An administrator or the user has revoked it: `AADSTS50173`.
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Live,
    Used,
    Void(Revocation),
}

/// Whose token it is, and for what.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Scopes,
}

#[derive(Debug)]
struct RefreshToken {
    text: String,
    consent: Consent,
    expires: Timestamp,
    fate: Fate,
}

/// All refresh tokens, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RefreshTokens(Vec<RefreshToken>);

impl RefreshTokens {
    /// Gives out a new token.
    pub(crate) fn issue(&mut self, consent: Consent, now: Timestamp, life: Duration) -> String {
        let text = opaque();
        self.add(text.clone(), consent, later(now, life));
        text
    }

    /// Adds a token whose text is known beforehand.
    pub(crate) fn add(&mut self, text: String, consent: Consent, expires: Timestamp) {
        self.0.retain(|known| known.text != text);
        self.0.push(RefreshToken {
            text,
            consent,
            expires,
            fate: Fate::Live,
        });
    }

    /// What a token is good for, if it belongs to this tenant and client.
    pub(crate) fn check(
        &self,
        text: &str,
        (tenant, client_id): (&str, &str),
        now: Timestamp,
    ) -> Result<Consent, Denied> {
        let grant = |number, text: &str| Err(Denied::bad_request("invalid_grant", number, text));
        let mut own = self.0.iter();
        let found = own.find(|known| {
            known.text == text
                && known.consent.tenant == tenant
                && known.consent.client_id == client_id
        });
        let Some(token) = found else {
            return grant(70_000, "the provided refresh token is not valid");
        };
        match token.fate {
            Fate::Used => grant(70_000, "the provided refresh token has been used already"),
            Fate::Void(Revocation::Revoked) => grant(
                50_173,
                "the provided grant has expired due to it being revoked, a fresh auth token is needed",
            ),
            Fate::Void(Revocation::Expired) => grant(700_082, INACTIVE),
            Fate::Live if now >= token.expires => grant(700_082, INACTIVE),
            Fate::Live => Ok(token.consent.clone()),
        }
    }

    /// Makes a token useless because it has been exchanged for another.
    pub(crate) fn spend(&mut self, text: &str) {
        for known in self.0.iter_mut().filter(|known| known.text == text) {
            known.fate = Fate::Used;
        }
    }

    /// Makes all live tokens of an application useless, for this reason.
    pub(crate) fn void(&mut self, client_id: &str, why: Revocation) {
        for known in &mut self.0 {
            if known.consent.client_id == client_id && known.fate == Fate::Live {
                known.fate = Fate::Void(why);
            }
        }
    }

    /// Forgets all tokens of an application.
    pub(crate) fn forget(&mut self, client_id: &str) {
        self.0.retain(|known| known.consent.client_id != client_id);
    }

    /// Tokens of an application that can be used, oldest first.
    pub(crate) fn live(&self, client_id: &str, now: Timestamp) -> Vec<String> {
        let live = self.0.iter().filter(|known| {
            known.consent.client_id == client_id && known.fate == Fate::Live && now < known.expires
        });
        live.map(|known| known.text.clone()).collect()
    }
}

const INACTIVE: &str = "the refresh token has expired due to inactivity";
