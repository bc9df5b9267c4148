//! Authorities that misbehave.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::plugin::{CLIENT, Ended, PERMISSION, TENANT, end, login};

/// In everything that must not be shown.
const CANARY: &str = "canary-5e1f";

/// An authority that gives one response to requests for a code, and one to all others.
async fn authority(
    code: impl Fn() -> Response + Clone + Send + Sync + 'static,
    token: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> String {
    let respond = move |path: axum::http::Uri| {
        let response = if path.path().ends_with("/devicecode") {
            code()
        } else {
            token()
        };
        async move { response }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(respond);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn code() -> Value {
    json!({
        "device_code": CANARY, "user_code": "ABCD", "verification_uri": "https://login.example/device",
        "expires_in": 900, "interval": 1, "message": CANARY,
    })
}

fn tokens() -> Value {
    let claims = json!({ "tid": TENANT, "aud": CLIENT, "preferred_username": "a\u{1b}[2J" });
    json!({
        "token_type": "Bearer", "scope": PERMISSION, "refresh_token": CANARY, "access_token": CANARY,
        "id_token": format!("e30.{}.{CANARY}", URL_SAFE_NO_PAD.encode(claims.to_string())),
    })
}

fn answer(body: &Value) -> Response {
    axum::Json(body.clone()).into_response()
}

fn with(mut body: Value, key: &str, value: Value) -> Response {
    body[key] = value;
    answer(&body)
}

/// More than any response may have, without a length.
fn endless() -> Response {
    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65_536]));
    let stream = futures::stream::repeat_with(chunk).take(10_000);
    Body::from_stream(stream).into_response()
}

fn redirect() -> Response {
    let location = [(header::LOCATION, "https://evil.example/token")];
    (StatusCode::TEMPORARY_REDIRECT, location).into_response()
}

async fn sign_in(
    code: impl Fn() -> Response + Clone + Send + Sync + 'static,
    token: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> Ended {
    let ended = end(login(&authority(code, token).await, &[])).await;
    assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
    ended
}

#[tokio::test]
async fn a_well_behaved_authority_of_this_kind_is_accepted() {
    let ended = sign_in(|| answer(&code()), || answer(&tokens())).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.matches(CANARY).count(), 1);
    assert!(
        ended
            .stderr
            .contains(&format!("Signed in to tenant {TENANT}.")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn codes_that_a_terminal_must_not_show_are_refused() {
    for (key, value, problem) in [
        (
            "user_code",
            "A\u{1b}]0;B\u{7}",
            "the code is not one short word",
        ),
        ("user_code", "A\u{202e}B", "the code is not one short word"),
        (
            "verification_uri",
            "http://login.example/device",
            "not a short https URL",
        ),
        (
            "verification_uri",
            "https://microsoft.com@evil.example/",
            "not a short https URL",
        ),
        (
            "verification_uri",
            "https://login.example/\u{1b}[2J",
            "control characters",
        ),
        (
            "verification_uri",
            "javascript:alert(1)",
            "not a short https URL",
        ),
    ] {
        let ended = sign_in(
            move || with(code(), key, value.into()),
            || answer(&tokens()),
        )
        .await;
        ended.failed(1, &["the request for a code is malformed", problem]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[tokio::test]
async fn hostile_intervals_and_lifetimes_are_bounded() {
    let hostile = || {
        let mut code = code();
        code["interval"] = json!(0);
        code["expires_in"] = json!(1_000_000_000_000_u64);
        answer(&code)
    };
    let start = Instant::now();
    let ended = sign_in(hostile, || answer(&tokens())).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "the first request waits"
    );
    assert!(ended.stderr.contains("valid for 30 minutes"), "{ended:?}");

    let expired = sign_in(
        || with(code(), "expires_in", json!(0)),
        || answer(&tokens()),
    )
    .await;
    expired.failed(1, &["the code has expired already"]);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let ended = sign_in(redirect, redirect).await;
    ended.failed(
        1,
        &[
            "failed to request a code",
            "a redirect, which is never followed",
        ],
    );
    let ended = sign_in(|| answer(&code()), redirect).await;
    ended.failed(1, &["a redirect, which is never followed"]);
}

#[tokio::test]
async fn responses_are_read_up_to_a_limit() {
    let start = Instant::now();
    sign_in(endless, endless)
        .await
        .failed(1, &["larger than 65536 bytes"]);
    sign_in(|| answer(&code()), endless)
        .await
        .failed(1, &["larger than 65536 bytes"]);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn tokens_that_are_not_what_was_requested_are_refused() {
    let other = "00000000-0000-4000-8000-000000000000";
    let id_token = |claims: Value| {
        json!(format!(
            "e30.{}.c2ln",
            URL_SAFE_NO_PAD.encode(claims.to_string())
        ))
    };
    for (key, value, problem) in [
        ("token_type", json!("mac"), "the token's type is not Bearer"),
        ("id_token", Value::Null, "it has no id_token"),
        ("id_token", json!(CANARY), "no tenant (tid)"),
        (
            "id_token",
            id_token(json!({ "tid": other, "aud": CLIENT })),
            "a token for tenant 00000000",
        ),
        (
            "id_token",
            id_token(json!({ "tid": TENANT, "aud": other })),
            "a token for application 00000000",
        ),
        (
            "scope",
            json!("openid IndustryData-OutboundFlow.Read.All"),
            PERMISSION,
        ),
        ("scope", Value::Null, "is malformed"),
        (
            "refresh_token",
            Value::Null,
            "the authority returned no refresh token",
        ),
        (
            "refresh_token",
            json!(format!("{CANARY}\n---")),
            "characters that no token has",
        ),
    ] {
        let ended = sign_in(
            || answer(&code()),
            move || with(tokens(), key, value.clone()),
        )
        .await;
        ended.failed(1, &[problem]);
    }
}

#[tokio::test]
async fn the_text_of_an_error_is_not_shown() {
    let refusal = || {
        let body = json!({
            "error": "invalid_grant", "error_codes": [53003], "error_description": format!("{CANARY}\u{1b}[2J"),
            "trace_id": CANARY, "suberror": CANARY,
        });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    };
    let ended = sign_in(|| answer(&code()), refusal).await;
    ended.failed(1, &["invalid_grant (AADSTS53003)", "Conditional Access"]);
    let page = || (StatusCode::FORBIDDEN, format!("<html>{CANARY}")).into_response();
    sign_in(page, page)
        .await
        .failed(1, &["responded with status 403"]);
    sign_in(|| answer(&code()), page)
        .await
        .failed(1, &["a refusal without the error"]);
}
