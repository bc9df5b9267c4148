//! The device authorization grant (RFC 8628): what the responses mean, and when to ask again. No IO.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

use crate::error::AuthorityError;
use crate::refusal::Refusal;

/// The value of `grant_type`.
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Time between two requests if the authority names none: RFC 8628, 3.2.
const DEFAULT_INTERVAL: u64 = 5;
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_mins(1);
/// What `slow_down` adds: RFC 8628, 3.5.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// Longest time that a person is waited for. Microsoft Entra's codes are valid for 15 min.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// Longest code that is shown, and longest address.
const MAX_USER_CODE: usize = 32;
const MAX_ADDRESS: usize = 256;

/// The request whose response is malformed, for messages.
const CODE_REQUEST: &str = "the request for a code";

/// A code for the user, checked so that a terminal can show it.
pub(crate) struct DeviceCode {
    pub(crate) user_code: String,
    pub(crate) address: Url,
    /// The code with which the token is requested.
    pub(crate) secret: SecretString,
    pub(crate) pace: Pace,
}

/// When to ask for the token, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    interval: Duration,
    /// Consecutive requests that failed.
    failures: u32,
    /// Time from the code's response to its end.
    pub(crate) lifetime: Duration,
}

/// What the response to a request for the token means.
pub(crate) enum TokenResponse {
    Granted(Box<Tokens>),
    /// The user has not finished.
    Pending,
    SlowDown,
    /// The authority cannot respond at the moment.
    Busy {
        /// How long it asks clients to wait.
        after: Option<Duration>,
    },
    Refused(Refusal),
    Malformed(&'static str),
}

/// The tokens of a user. The access token is not kept.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) token_type: String,
    #[serde(default)]
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) refresh_token: Option<SecretString>,
    #[serde(default)]
    pub(crate) id_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct CodeBody {
    device_code: SecretString,
    user_code: String,
    // Google's name is in use, too.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    #[serde(default = "default_interval", deserialize_with = "seconds")]
    interval: u64,
}

fn default_interval() -> u64 {
    DEFAULT_INTERVAL
}

/// Reads a number of seconds, which some authorities send as text.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(deserializer)? {
        Seconds::Number(number) => Ok(number),
        Seconds::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl DeviceCode {
    /// Reads the response to the request for a code.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Malformed`] if a part is missing, or must not be shown on a terminal.
    pub(crate) fn read(body: &[u8]) -> Result<Self, AuthorityError> {
        let malformed = |problem| AuthorityError::Malformed {
            request: CODE_REQUEST,
            problem,
        };
        let body: CodeBody = serde_json::from_slice(body)
            .map_err(|_| malformed("it is not the JSON object that RFC 8628 describes"))?;
        // No blank either: a code is one word. More than ASCII could look like something else.
        let is_code = (1..=MAX_USER_CODE).contains(&body.user_code.len())
            && body.user_code.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_code {
            return Err(malformed("the code is not one short word of ASCII letters"));
        }
        if body.verification_uri.contains(char::is_control) {
            return Err(malformed("the address contains control characters"));
        }
        let address = Url::parse(&body.verification_uri).ok();
        let address = address.filter(is_safe).ok_or_else(|| {
            malformed("the address is not a short https URL (http is for loopback addresses only)")
        })?;
        if body.expires_in == 0 {
            return Err(malformed("the code has expired already"));
        }
        Ok(Self {
            user_code: body.user_code,
            address,
            secret: body.device_code,
            pace: Pace::new(body.interval, body.expires_in),
        })
    }
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

/// A user follows the address, so what is true of an endpoint is true of it. A user name in it would hide its host.
fn is_safe(address: &Url) -> bool {
    let is_loopback = match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_encrypted = address.scheme() == "https" && address.has_host();
    (is_encrypted || address.scheme() == "http" && is_loopback)
        && address.username().is_empty()
        && address.password().is_none()
        && address.as_str().len() <= MAX_ADDRESS
}

impl Pace {
    /// Returns the pace that the authority asks for, within limits.
    pub(crate) fn new(interval: u64, expires_in: u64) -> Self {
        Self {
            interval: Duration::from_secs(interval).clamp(MIN_INTERVAL, MAX_INTERVAL),
            failures: 0,
            lifetime: Duration::from_secs(expires_in).min(MAX_LIFETIME),
        }
    }

    /// Returns how long to wait before the next request: twice as long after each one that failed.
    pub(crate) fn wait(&self) -> Duration {
        let factor = 1 << self.failures.min(6);
        self.interval.saturating_mul(factor).min(MAX_INTERVAL)
    }

    /// Takes note of a response that tells to go on.
    pub(crate) fn pending(&mut self) {
        self.failures = 0;
    }

    /// Takes note of the request to slow down, which holds for all later requests.
    pub(crate) fn slow_down(&mut self) {
        self.failures = 0;
        self.interval = self.interval.saturating_add(SLOW_DOWN).min(MAX_INTERVAL);
    }

    /// Takes note of a request without a usable response.
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Returns the lifetime in minutes, at least one.
    pub(crate) fn minutes(&self) -> u64 {
        self.lifetime.as_secs().div_ceil(60)
    }
}

impl TokenResponse {
    /// Reads the response to a request for the token.
    pub(crate) fn read(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        match status {
            200 => match serde_json::from_slice(body) {
                Ok(tokens) => Self::Granted(Box::new(tokens)),
                Err(_) => Self::Malformed("it is not the JSON object that RFC 6749 describes"),
            },
            429 | 500..=599 => Self::Busy {
                after: retry_after.map(|after| after.min(MAX_INTERVAL)),
            },
            300..=399 => Self::Malformed("it is a redirect, which is never followed"),
            400..=499 => match Refusal::read(body) {
                Some(refusal) if refusal.error() == "authorization_pending" => Self::Pending,
                Some(refusal) if refusal.error() == "slow_down" => Self::SlowDown,
                Some(refusal) => Self::Refused(refusal),
                None => {
                    Self::Malformed("it is a refusal without the error that RFC 6749 describes")
                }
            },
            _ => Self::Malformed("its status is unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body() -> Value {
        json!({
            "device_code": "canary-device-code", "user_code": "ABCD-EFGH", "expires_in": 900, "interval": 5,
            "verification_uri": "https://microsoft.com/devicelogin", "message": "canary",
        })
    }

    fn read(body: &Value) -> Result<DeviceCode, AuthorityError> {
        DeviceCode::read(body.to_string().as_bytes())
    }

    fn with(key: &str, value: impl Into<Value>) -> Result<DeviceCode, AuthorityError> {
        let mut body = body();
        body[key] = value.into();
        read(&body)
    }

    #[test]
    fn a_code_is_read() {
        let code = read(&body()).unwrap();
        assert_eq!(code.user_code, "ABCD-EFGH");
        assert_eq!(code.address.as_str(), "https://microsoft.com/devicelogin");
        assert_eq!(code.pace.wait(), Duration::from_secs(5));
        assert_eq!(code.pace.lifetime, Duration::from_mins(15));
        assert!(!format!("{code:?}").contains("canary"));
    }

    #[test]
    fn the_pace_is_bounded_whatever_the_authority_asks_for() {
        let seconds = Duration::from_secs;
        for (interval, expires_in, wait, lifetime) in [
            (json!(0), json!(1), seconds(1), seconds(1)),
            (json!("7"), json!("900"), seconds(7), seconds(900)),
            (
                json!(u64::MAX),
                json!(1_000_000_000_000_u64),
                seconds(60),
                seconds(1800),
            ),
        ] {
            let mut body = body();
            body["interval"] = interval;
            body["expires_in"] = expires_in;
            let pace = read(&body).unwrap().pace;
            assert_eq!((pace.wait(), pace.lifetime), (wait, lifetime));
        }
        let mut without = body();
        without.as_object_mut().unwrap().remove("interval");
        assert_eq!(read(&without).unwrap().pace.wait(), seconds(5));
        for wrong in [json!(0), json!(-1), json!(1.5), json!(null), json!("soon")] {
            assert!(with("expires_in", wrong).is_err());
        }
        assert!(with("interval", -1).is_err());
    }

    #[test]
    fn requests_become_rarer_as_the_authority_asks_and_while_they_fail() {
        let mut pace = Pace::new(5, 900);
        pace.slow_down();
        assert_eq!(pace.wait(), Duration::from_secs(10));
        pace.failed();
        pace.failed();
        assert_eq!(pace.wait(), Duration::from_secs(40));
        for _ in 0..100 {
            pace.failed();
        }
        assert_eq!(pace.wait(), MAX_INTERVAL);
        pace.pending();
        assert_eq!(pace.wait(), Duration::from_secs(10));
        for _ in 0..100 {
            pace.slow_down();
        }
        assert_eq!(pace.wait(), MAX_INTERVAL);
    }

    #[test]
    fn what_a_terminal_must_not_show_is_refused() {
        let long = "A".repeat(MAX_USER_CODE + 1);
        for code in ["", "A\u{1b}[2JB", "A\nB", "A B", "A\u{202e}B", "АВС", &long] {
            assert!(with("user_code", code).is_err(), "{code:?}");
        }
        let long = format!("https://login.example/{}", "a".repeat(MAX_ADDRESS));
        for address in [
            "http://login.example/device",
            "https://microsoft.com@login.example/device",
            "https://login.example/\u{1b}[2J",
            "https://login.example/\n",
            "javascript:alert(1)",
            "ftp://login.example/",
            "login.example",
            "",
            &long,
        ] {
            assert!(with("verification_uri", address).is_err(), "{address:?}");
        }
        for address in [
            "http://127.0.0.1:8090/device",
            "http://localhost/",
            "http://[::1]/",
        ] {
            assert_eq!(
                with("verification_uri", address).unwrap().address.as_str(),
                address
            );
        }
        let shown = with("verification_uri", "https://bücher.example/ü").unwrap();
        assert!(shown.address.as_str().is_ascii());
    }

    #[test]
    fn responses_are_read_by_their_meaning() {
        let read = |status, body: &str| match TokenResponse::read(status, None, body.as_bytes()) {
            TokenResponse::Granted(_) => "granted".to_owned(),
            TokenResponse::Pending => "pending".to_owned(),
            TokenResponse::SlowDown => "slow down".to_owned(),
            TokenResponse::Busy { .. } => "busy".to_owned(),
            TokenResponse::Refused(refusal) => refusal.to_string(),
            TokenResponse::Malformed(_) => "malformed".to_owned(),
        };
        for (status, body, meaning) in [
            (200, r#"{"token_type":"Bearer"}"#, "granted"),
            (200, r#"{"error":"authorization_pending"}"#, "malformed"),
            (200, "<html>", "malformed"),
            (
                400,
                r#"{"error":"authorization_pending","error_codes":[70016]}"#,
                "pending",
            ),
            (400, r#"{"error":"slow_down"}"#, "slow down"),
            (400, r#"{"error":"expired_token"}"#, "expired_token"),
            (
                401,
                r#"{"error":"invalid_client","error_codes":[7000218]}"#,
                "invalid_client (AADSTS7000218)",
            ),
            (400, "<html>", "malformed"),
            (302, "", "malformed"),
            (204, "", "malformed"),
            (429, "", "busy"),
            (503, r#"{"error":"temporarily_unavailable"}"#, "busy"),
        ] {
            assert_eq!(read(status, body), meaning, "{status} {body}");
        }
        let hour = Some(Duration::from_hours(1));
        let TokenResponse::Busy { after } = TokenResponse::read(429, hour, b"") else {
            panic!("429 is a request to wait");
        };
        assert_eq!(after, Some(MAX_INTERVAL));
    }
}
