//! Parses the parts of a response that this client uses: status, date, request id, `Retry-After`,
//! error codes.

use std::{collections::BTreeSet, iter::successors, time::Duration};

use k8s_openapi::jiff::Timestamp;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::Value;

use crate::clock;

use super::{
    credential::Actor,
    failure::{ErrorCode, Failure, PropertyPath, Refusal, Shape},
    intake::ReadBody,
    json::{self, FoundMembers},
    malformed::Malformed,
};

/// Maximum number of properties that are kept of an error. A message with more would not be read.
const MAX_PROPERTIES: usize = 4;

/// Response with a 2xx status. [`Self::json`] and [`Self::done`] check whether its body is a success,
/// too.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Headers,
    /// The body, or the failure to read it.
    pub(super) body: Result<ReadBody, Failure>,
}

impl Answer {
    /// Returns the body of a 200 or 201, the response to reads and creates. [`success`] checks what is in it.
    ///
    /// # Errors
    ///
    /// [`Failure`] for anything else, which a gateway may have sent: another status or another content
    /// type.
    pub(super) fn json(self) -> Result<ReadBody, Failure> {
        if ![StatusCode::OK, StatusCode::CREATED].contains(&self.status) {
            return Err(Failure::Malformed(Malformed::Status));
        }
        let body = self.body?;
        if self.headers.other_than_json {
            return Err(Failure::Malformed(Malformed::ContentType));
        }
        Ok(body)
    }

    /// Checks that a change was accepted: with a 202 or 204, or with a 200 or 201 and an object.
    ///
    /// # Errors
    ///
    /// As for [`Self::json`] and [`success`].
    pub(super) fn done(self) -> Result<(), Failure> {
        let may_be_empty = [StatusCode::ACCEPTED, StatusCode::NO_CONTENT].contains(&self.status);
        let body = if may_be_empty {
            self.body?
        } else {
            self.json()?
        };
        if may_be_empty && body.trim_ascii().is_empty() {
            return Ok(());
        }
        success(&body, []).map(drop).map_err(Failure::Malformed)
    }
}

/// Returns the wanted members of the body of a success.
///
/// # Errors
///
/// [`Malformed`] if the body is not a JSON object, or an error in the error shape.
pub(super) fn success<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> Result<FoundMembers<'a, N>, Malformed> {
    let [error] = json::members(body, ["error"])?;
    match json::non_null(error) {
        None => json::members(body, names),
        Some(_) => Err(Malformed::Error),
    }
}

/// Headers of a response, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    /// Time of the service, from `Date`.
    pub(super) date: Option<Timestamp>,
    /// Pause that the service requested.
    pub(super) retry_after: Option<Duration>,
    /// Id that the service gave the request, for support cases.
    pub(super) request_id: Option<ErrorCode>,
    /// Whether the content type is present and is not JSON.
    pub(super) other_than_json: bool,
    /// Whether `WWW-Authenticate` contains a claims challenge.
    pub(super) is_challenge: bool,
}

impl Headers {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text(DATE.as_str()).and_then(http_date);
        Self {
            date,
            retry_after: text(RETRY_AFTER.as_str()).and_then(|pause| retry_after(pause, date)),
            request_id: text("request-id").and_then(ErrorCode::new),
            other_than_json: text(CONTENT_TYPE.as_str()).is_some_and(|given| !is_json(given)),
            is_challenge: text(WWW_AUTHENTICATE.as_str())
                .is_some_and(|given| given.contains("insufficient_claims")),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
}

impl Refusal {
    pub(super) fn read(status: StatusCode, headers: Headers, body: &[u8]) -> Self {
        let ErrorBody {
            shape,
            code,
            detail,
            properties,
        } = ErrorBody::read(body);
        Self {
            status: status.as_u16(),
            shape,
            code,
            detail,
            properties,
            retry_after: headers.retry_after,
            request_id: headers.request_id,
            date: headers.date,
            is_challenge: headers.is_challenge,
            actor: Actor::default(),
        }
    }
}

/// Error shape and codes of an error body.
#[derive(Default)]
struct ErrorBody {
    shape: Shape,
    code: Option<ErrorCode>,
    detail: Option<ErrorCode>,
    properties: Vec<PropertyPath>,
}

impl ErrorBody {
    fn read(body: &[u8]) -> Self {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        match &body["error"] {
            Value::String(code) => Self {
                shape: Shape::Authority,
                code: ErrorCode::new(code),
                detail: authority_number(&body),
                properties: Vec::new(),
            },
            error if error["code"].is_string() => Self {
                shape: Shape::Graph,
                code: code_of(error),
                detail: innermost_code(error),
                properties: properties_of(error),
            },
            _ => Self::default(),
        }
    }
}

/// Returns the error number of the authority, from the list `error_codes` or from the start of the
/// description.
fn authority_number(body: &Value) -> Option<ErrorCode> {
    let listed = || body["error_codes"][0].as_u64();
    let described = || {
        let text = body["error_description"].as_str()?.strip_prefix("AADSTS")?;
        text.split_once(':')?.0.parse().ok()
    };
    let number = listed().or_else(described)?;
    ErrorCode::new(&format!("AADSTS{number}"))
}

fn innermost_code(error: &Value) -> Option<ErrorCode> {
    successors(inner_error(error), |error| inner_error(error))
        .filter_map(code_of)
        .last()
}

fn inner_error(error: &Value) -> Option<&Value> {
    error.get("innerError").or_else(|| error.get("innererror"))
}

/// Returns the properties that an error or its details name, in alphabetical order, so that the same error always reads
/// the same.
fn properties_of(error: &Value) -> Vec<PropertyPath> {
    let details = error["details"].as_array().into_iter().flatten();
    let targets = details
        .chain([error])
        .filter_map(|one| one["target"].as_str());
    let named: BTreeSet<PropertyPath> = targets.filter_map(PropertyPath::new).collect();
    named.into_iter().take(MAX_PROPERTIES).collect()
}

fn code_of(error: &Value) -> Option<ErrorCode> {
    error["code"].as_str().and_then(ErrorCode::new)
}

/// Parses `Retry-After`: seconds, with or without decimals (Microsoft Graph has been observed to send
/// decimals), or a date, which is compared with the service's own clock if the response contains it.
fn retry_after(text: &str, date: Option<Timestamp>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = http_date(text)?;
    let pause = until.duration_since(date.unwrap_or_else(clock::now));
    Some(Duration::try_from(pause).unwrap_or_default())
}

fn http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    Timestamp::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn pause(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Mon, 23 Nov 2026 08:00:00 GMT"),
        );
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        Headers::read(&headers).retry_after
    }

    fn refusal(body: &str) -> String {
        Refusal::read(StatusCode::FORBIDDEN, Headers::default(), body.as_bytes()).to_string()
    }

    #[test]
    fn a_pause_is_whole_seconds_decimals_or_a_date() {
        assert_eq!(pause("10"), Some(Duration::from_secs(10)));
        assert_eq!(pause(" 2.128 "), Some(Duration::from_millis(2128)));
        assert_eq!(
            pause("Mon, 23 Nov 2026 08:05:15 GMT"),
            Some(Duration::from_secs(315))
        );
        assert_eq!(
            pause("Monday, 23-Nov-26 08:00:01 GMT"),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn a_date_that_has_passed_is_no_pause() {
        assert_eq!(pause("Mon, 23 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn an_unreadable_pause_is_none() {
        for text in ["", "soon", "-1", "NaN", "inf", "1e400", "10 s"] {
            assert_eq!(pause(text), None, "{text}");
        }
    }

    #[test]
    fn the_number_of_the_authority_is_also_read_from_its_text() {
        let body = r#"{"error":"invalid_grant","error_description":"AADSTS50196: A loop."}"#;
        assert_eq!(refusal(body), "HTTP 403, invalid_grant, AADSTS50196");
        for text in ["AADSTSx: y", "AADSTS1", "see AADSTS7: y"] {
            let body = json!({"error": "a", "error_description": text}).to_string();
            assert_eq!(refusal(&body), "HTTP 403, a", "{text}");
        }
    }

    #[test]
    fn the_shape_of_a_body_is_that_of_its_error() {
        for (body, shape) in [
            (r#"{"error":{"code":""}}"#, Shape::Graph),
            (
                r#"{"error":{"code":"x","innerError":{}},"a":1}"#,
                Shape::Graph,
            ),
            (r#"{"error":"invalid_client"}"#, Shape::Authority),
            (r#"{"error":{"code":null}}"#, Shape::Other),
            ("", Shape::Other),
        ] {
            let status = StatusCode::FORBIDDEN;
            let refusal = Refusal::read(status, Headers::default(), body.as_bytes());
            assert_eq!(refusal.shape, shape, "{body}");
        }
    }

    #[test]
    fn the_codes_of_both_error_shapes_are_found() {
        let inner = json!({"code": "a", "innererror": {"code": "b"}});
        let graph = json!({"error": {"code": "Forbidden", "message": "m", "innerError": inner}});
        assert_eq!(refusal(&graph.to_string()), "HTTP 403, Forbidden, b");
        let authority =
            r#"{"error":"invalid_client","error_description":"d","error_codes":[7000215,1]}"#;
        assert_eq!(
            refusal(authority),
            "HTTP 403, invalid_client, AADSTS7000215"
        );
    }

    #[test]
    fn the_properties_that_an_error_names_are_found() {
        let details = json!([
            { "code": "x", "message": "m", "target": "managementOptions/additionalOptions" },
            { "code": "x", "message": "m", "target": "creationOptions.configurations[0].licenseSkus" },
            { "code": "x", "message": "m", "target": "creationOptions.configurations[0].licenseSkus" },
        ]);
        let error = json!({"error": {"code": "BadRequest", "target": "user", "details": details}});
        assert_eq!(
            refusal(&error.to_string()),
            "HTTP 403, BadRequest, because of creationOptions.configurations[0].licenseSkus and \
             managementOptions/additionalOptions and user"
        );
        for target in [
            "",
            "the value hunter2 is too short",
            "a'b",
            "7",
            "é",
            &"x".repeat(129),
        ] {
            let error = json!({"error": {"code": "BadRequest", "target": target}});
            assert_eq!(
                refusal(&error.to_string()),
                "HTTP 403, BadRequest",
                "{target}"
            );
        }
    }

    #[test]
    fn text_that_is_no_code_is_not_repeated() {
        for code in ["", "two words", "https://host/", "é", &"x".repeat(65)] {
            let body = json!({"error": {"code": code}}).to_string();
            assert_eq!(refusal(&body), "HTTP 403");
        }
        for body in ["", "<html>", "[]", "{}", "{\"error\":7}"] {
            assert_eq!(refusal(body), "HTTP 403");
        }
    }

    #[test]
    fn headers_that_are_missing_or_wrong_are_none() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("yesterday"));
        headers.insert("request-id", HeaderValue::from_static("not an id"));
        assert_eq!(Headers::read(&headers), Headers::default());
    }
}
