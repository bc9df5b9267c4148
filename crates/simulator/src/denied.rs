//! Refusals of the authority.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{reply::Reply, world::World};

const AADSTS: &str = "AADSTS";

/// A refusal of the authority, which has an error shape of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) status: StatusCode,
    pub(crate) error: Cow<'static, str>,
    pub(crate) number: Option<u32>,
    pub(crate) text: String,
}

impl Denied {
    pub(crate) fn bad_request(error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: Cow::Borrowed(error),
            number: Some(number),
            text: text.into(),
        }
    }

    pub(crate) fn client(number: u32, text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: Cow::Borrowed("invalid_client"),
            number: Some(number),
            text: text.into(),
        }
    }

    /// A word of the protocol that has no number.
    pub(crate) fn word(error: &'static str, text: &str) -> Self {
        Self {
            number: None,
            ..Self::bad_request(error, 0, text)
        }
    }

    pub(crate) fn unknown_tenant(name: &str) -> Self {
        let text = format!("tenant '{name}' not found");
        Self::bad_request("invalid_request", 90_002, text)
    }

    pub(crate) fn without_consent(scope: &str) -> Self {
        let text = format!(
            "the user or administrator has not consented to use the application; scope '{scope}'"
        );
        Self::bad_request("invalid_grant", 65_001, text)
    }

    /// A failure of the authority itself.
    pub(crate) fn server(text: &str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::word("server_error", text)
        }
    }

    /// What is wrong, with its number.
    pub(crate) fn description(&self) -> String {
        let number = self.number.map(|number| format!("{AADSTS}{number}: "));
        format!("{}{}", number.unwrap_or_default(), self.text)
    }
}

/// A refusal as a rule wants it. `code` holds `error`, or a number such as `AADSTS50196`, or both with a blank between.
pub(crate) fn given(world: &mut World, status: StatusCode, code: Option<&str>) -> Reply {
    let (mut error, mut number) = (None, None);
    for word in code.unwrap_or_default().split_whitespace() {
        match word.strip_prefix(AADSTS).map(str::parse) {
            Some(Ok(known)) => number = Some(known),
            _ => error = Some(Cow::Owned(word.to_owned())),
        }
    }
    let denied = Denied {
        status,
        error: error.unwrap_or_else(|| Cow::Borrowed(usual_error(status, number))),
        number,
        text: "injected by a fault rule".to_owned(),
    };
    reply(world, &denied)
}

/// The `error` that goes with a number or, if the number is unknown, with a status.
fn usual_error(status: StatusCode, number: Option<u32>) -> &'static str {
    match (number, status) {
        (
            Some(
                50_013
                | 50_076
                | 50_079
                | 50_173
                | 53_000..=53_011
                | 54_005
                | 65_001
                | 70_000
                | 70_043
                | 700_082,
            ),
            _,
        ) => "invalid_grant",
        (Some(700_016), _) => "unauthorized_client",
        (_, StatusCode::UNAUTHORIZED) => "invalid_client",
        (_, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
            "temporarily_unavailable"
        }
        (_, status) if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

/// What a refusal means for the user, in the few cases in which the authority reports it.
fn suberror(number: u32) -> Option<&'static str> {
    match number {
        65_001 => Some("consent_required"),
        53_003 => Some("message_only"),
        50_173 | 700_082 => Some("bad_token"),
        _ => None,
    }
}

/// The answer to a request that is refused.
pub(crate) fn reply(world: &mut World, denied: &Denied) -> Reply {
    let now = world.now();
    let (trace, correlation) = (world.ids.guid(), world.ids.guid());
    let stamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description = format!(
        "{}. Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
        denied.description()
    );
    let mut body = json!({
        "error": denied.error,
        "error_description": description,
        "error_codes": denied.number.as_slice(),
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
    });
    if let Some(suberror) = denied.number.and_then(suberror) {
        body["suberror"] = Value::from(suberror);
    }
    uncached(Reply::json(denied.status, body))
}

/// With the headers that keep secrets out of caches.
pub(crate) fn uncached(reply: Reply) -> Reply {
    reply
        .with_header("cache-control", "no-store, no-cache")
        .with_header("pragma", "no-cache")
}
