//! Device codes (RFC 8628): a client polls with one code while a person enters the other.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::{clock::later, denied::Denied, ids::opaque, scopes::Scopes};

/// Letters of a user code. Without vowels there are no words, and without digits no `0` beside an `O`.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A poll may come this much early, because requests do not all take the same time.
const TOLERANCE: Duration = Duration::from_millis(500);

/// By how much each `slow_down` raises the interval (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// Ended codes are kept for this long, so that a late poll gets the true answer.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A sign-in that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingDeviceCode {
    /// The code that the person enters.
    pub user_code: String,
    /// GUID of the tenant.
    pub tenant: String,
    /// The application that polls.
    pub client_id: String,
    /// What it asks for.
    pub scope: String,
    /// When the code ends, by the service's clock.
    pub expires: String,
}

/// What a person does with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Deny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pending,
    Approved,
    Denied,
    Redeemed,
}

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Scopes,
    pub(crate) nonce: Option<String>,
}

/// One sign-in.
#[derive(Debug)]
struct SignIn {
    /// The code that the client polls with.
    polling: String,
    /// The code that the person enters.
    user: String,
    asked: Asked,
    expires: Timestamp,
    interval: Duration,
    polled: Option<Timestamp>,
    fate: Fate,
}

/// All sign-ins.
#[derive(Debug, Default)]
pub(crate) struct DeviceCodes(Vec<SignIn>);

impl DeviceCodes {
    /// Starts a sign-in and returns the device code and the user code.
    pub(crate) fn start(
        &mut self,
        asked: Asked,
        now: Timestamp,
        life: Duration,
        interval: Duration,
    ) -> (String, String) {
        self.0
            .retain(|known| now.duration_since(known.expires) < KEPT);
        let (device_code, user_code) = (opaque(), user_code());
        self.0.push(SignIn {
            polling: device_code.clone(),
            user: user_code.clone(),
            asked,
            expires: later(now, life),
            interval,
            polled: None,
            fate: Fate::Pending,
        });
        (device_code, user_code)
    }

    /// Sign-ins that wait for a person, oldest first.
    pub(crate) fn pending(&self, now: Timestamp) -> Vec<PendingDeviceCode> {
        let pending = self.0.iter().filter(|known| known.is_open(now));
        let shown = |known: &SignIn| PendingDeviceCode {
            user_code: known.user.clone(),
            tenant: known.asked.tenant.clone(),
            client_id: known.asked.client_id.clone(),
            scope: known.asked.scopes.requested(),
            expires: known.expires.to_string(),
        };
        pending.map(shown).collect()
    }

    /// Decides about a code that is pending, and returns what was asked for. Case, blanks and hyphens do not matter.
    pub(crate) fn decide(
        &mut self,
        user_code: &str,
        decision: Decision,
        now: Timestamp,
    ) -> Option<&Asked> {
        let wanted = letters(user_code);
        let mut open = self.0.iter_mut().filter(|known| known.is_open(now));
        let code = open.find(|known| letters(&known.user) == wanted)?;
        code.fate = match decision {
            Decision::Approve => Fate::Approved,
            Decision::Deny => Fate::Denied,
        };
        Some(&code.asked)
    }

    /// Answers a poll: what was asked for, if it has been approved.
    pub(crate) fn poll(
        &mut self,
        device_code: &str,
        (tenant, client_id): (&str, &str),
        now: Timestamp,
    ) -> Result<Asked, Denied> {
        let mut known = self.0.iter_mut();
        let code = known.find(|known| {
            known.polling == device_code
                && known.asked.tenant == tenant
                && known.asked.client_id == client_id
        });
        let code = code.ok_or_else(|| {
            let text = "the provided value for the input parameter 'device_code' is not valid";
            Denied::bad_request("bad_verification_code", 70_019, text)
        })?;
        code.poll(now)?;
        Ok(code.asked.clone())
    }

    /// Ends a code whose tokens have been issued.
    pub(crate) fn redeem(&mut self, device_code: &str) {
        for code in &mut self.0 {
            if code.polling == device_code {
                code.fate = Fate::Redeemed;
            }
        }
    }
}

impl SignIn {
    fn is_open(&self, now: Timestamp) -> bool {
        self.fate == Fate::Pending && now < self.expires
    }

    fn poll(&mut self, now: Timestamp) -> Result<(), Denied> {
        let last = self.polled.replace(now);
        match self.fate {
            Fate::Redeemed => Err(Denied::bad_request(
                "invalid_grant",
                54_005,
                "the device code was already redeemed",
            )),
            _ if now >= self.expires => Err(Denied::bad_request(
                "expired_token",
                70_020,
                "the provided value for the input parameter 'device_code' is not valid: it has expired",
            )),
            Fate::Approved => Ok(()),
            Fate::Denied => Err(Denied::word(
                "authorization_declined",
                "the user has denied the authorization request",
            )),
            Fate::Pending => Err(self.pending(last, now)),
        }
    }

    fn pending(&mut self, last: Option<Timestamp>, now: Timestamp) -> Denied {
        let due = |last| later(last, self.interval.saturating_sub(TOLERANCE));
        if last.is_some_and(|last| now < due(last)) {
            self.interval += SLOWER;
            return Denied::word("slow_down", "the client polls too often");
        }
        Denied::bad_request(
            "authorization_pending",
            70_016,
            "the user has not yet completed the sign-in",
        )
    }
}

fn letters(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

/// Never made from the seed: a code must not repeat from run to run.
fn user_code() -> String {
    let mut dice = rand::rng();
    let mut code: String = (0..8)
        .map(|_| char::from(LETTERS[dice.random_range(0..LETTERS.len())]))
        .collect();
    code.insert(4, '-');
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: (&str, &str) = ("tenant", "client");

    fn started() -> (DeviceCodes, String, String) {
        let mut codes = DeviceCodes::default();
        let asked = Asked {
            tenant: CALLER.0.to_owned(),
            client_id: CALLER.1.to_owned(),
            scopes: Scopes::everything(),
            nonce: None,
        };
        let (life, interval) = (Duration::from_mins(15), Duration::from_secs(5));
        let (device, user) = codes.start(asked, at(0), life, interval);
        (codes, device, user)
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    fn error(codes: &mut DeviceCodes, device: &str, time: i64) -> String {
        let denied = codes.poll(device, CALLER, at(time)).unwrap_err();
        denied.error.into_owned()
    }

    #[test]
    fn polling_too_often_makes_the_interval_longer() {
        let (mut codes, device, _) = started();
        assert_eq!(error(&mut codes, &device, 0), "authorization_pending");
        assert_eq!(error(&mut codes, &device, 4_600), "authorization_pending");
        assert_eq!(error(&mut codes, &device, 5_000), "slow_down");
        assert_eq!(error(&mut codes, &device, 10_200), "slow_down");
        assert_eq!(error(&mut codes, &device, 25_200), "authorization_pending");
    }

    #[test]
    fn a_code_is_decided_once_in_any_spelling() {
        let (mut codes, device, user) = started();
        assert_eq!((user.len(), &user[4..5]), (9, "-"));
        let spelt = user.replace('-', " ").to_lowercase();
        assert!(codes.decide(&spelt, Decision::Deny, at(0)).is_some());
        assert!(codes.decide(&user, Decision::Approve, at(0)).is_none());
        assert_eq!(error(&mut codes, &device, 0), "authorization_declined");
    }

    #[test]
    fn a_code_ends_with_its_time_or_its_use() {
        let (mut codes, device, user) = started();
        assert_eq!(error(&mut codes, &device, 900_000), "expired_token");
        assert!(
            codes
                .decide(&user, Decision::Approve, at(900_000))
                .is_none()
        );
        assert!(
            codes
                .decide(&user, Decision::Approve, at(899_999))
                .is_some()
        );
        assert!(codes.poll(&device, CALLER, at(899_999)).is_ok());
        codes.redeem(&device);
        assert_eq!(error(&mut codes, &device, 899_999), "invalid_grant");
        assert_eq!(error(&mut codes, "other", 0), "bad_verification_code");
        for stranger in [("other", CALLER.1), (CALLER.0, "other")] {
            let denied = codes.poll(&device, stranger, at(899_999)).unwrap_err();
            assert_eq!(denied.error, "bad_verification_code");
        }
    }
}
