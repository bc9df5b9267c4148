use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use serde_json::json;

use super::*;
use crate::refusal::Refusal;
use crate::request::Permission;

fn code(interval: u64, expires_in: u64) -> DeviceCode {
    let body = json!({
        "device_code": "device", "user_code": "CODE", "verification_uri": "https://login.example/device",
        "interval": interval, "expires_in": expires_in,
    });
    DeviceCode::read(body.to_string().as_bytes()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as the authority's")]
fn response(body: &str) -> Result<TokenResponse, ExchangeError> {
    let status = if body.contains("error") { 400 } else { 200 };
    Ok(TokenResponse::read(status, None, body.as_bytes()))
}

const PENDING: &str = r#"{"error":"authorization_pending"}"#;
const SLOW_DOWN: &str = r#"{"error":"slow_down"}"#;
const GRANTED: &str = r#"{"token_type":"Bearer"}"#;

/// Returns the seconds at which there were requests, and how it ended. After the last response all are pending.
async fn asked(
    code: DeviceCode,
    responses: impl IntoIterator<Item = Result<TokenResponse, ExchangeError>>,
) -> (Vec<u64>, Result<(), String>) {
    let start = Instant::now();
    let (times, left) = (
        RefCell::new(Vec::new()),
        RefCell::new(VecDeque::from_iter(responses)),
    );
    let ask = async || {
        times.borrow_mut().push(start.elapsed().as_secs());
        left.borrow_mut()
            .pop_front()
            .unwrap_or_else(|| response(PENDING))
    };
    let sign_in = SignIn {
        tenant: "contoso.edu".to_owned(),
        client_id: Uuid::nil(),
        permission: Permission::ReadWrite,
        has_client_secret: false,
    };
    let ended = wait_for_tokens(&code, &sign_in, ask, &mut Terminal::hidden()).await;
    (
        times.into_inner(),
        ended.map(drop).map_err(|error| error.to_string()),
    )
}

#[tokio::test(start_paused = true)]
async fn the_authority_is_asked_as_often_as_it_allows() {
    let responses = [PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, GRANTED].map(response);
    let (times, ended) = asked(code(5, 900), responses).await;
    assert_eq!(times, [5, 10, 20, 30, 45]);
    assert_eq!(ended, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn hostile_times_are_bounded() {
    let (times, ended) = asked(code(0, 1_000_000_000_000), []).await;
    assert_eq!(times, (1..1800).collect::<Vec<u64>>());
    assert_eq!(Instant::now().elapsed(), Duration::ZERO);
    assert!(ended.unwrap_err().contains("within 30 minutes"));

    let (times, _) = asked(code(u64::MAX, 900), []).await;
    assert_eq!(times.len(), 14);
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_are_repeated_with_a_longer_pause() {
    let failed = || Err(ExchangeError::Status(502));
    let busy = Ok(TokenResponse::read(429, Some(Duration::from_secs(50)), b""));
    let responses = [
        failed(),
        failed(),
        busy,
        response(PENDING),
        response(GRANTED),
    ];
    let (times, ended) = asked(code(5, 900), responses).await;
    // 5 s; 10 and 20 s after failures; 50 s as requested; 5 s again.
    assert_eq!(times, [5, 15, 35, 85, 90]);
    assert_eq!(ended, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_response_ends_with_the_code() {
    let asked = Cell::new(0);
    let ask = async || {
        asked.set(asked.get() + 1);
        std::future::pending().await
    };
    let sign_in = SignIn {
        tenant: "contoso.edu".to_owned(),
        client_id: Uuid::nil(),
        permission: Permission::ReadWrite,
        has_client_secret: false,
    };
    let start = Instant::now();
    let ended = wait_for_tokens(&code(5, 900), &sign_in, ask, &mut Terminal::hidden()).await;
    assert!(ended.is_err());
    assert_eq!((asked.get(), start.elapsed()), (1, Duration::from_mins(15)));
}

#[tokio::test(start_paused = true)]
async fn a_definite_answer_ends_the_wait() {
    let declined = r#"{"error":"authorization_declined","error_codes":[70018]}"#;
    let (times, ended) = asked(code(1, 900), [response(PENDING), response(declined)]).await;
    assert_eq!(times, [1, 2]);
    let message = ended.unwrap_err();
    assert!(
        message.starts_with("failed to sign in to tenant contoso.edu: the authority returned "),
        "{message}"
    );
    assert!(Refusal::read(declined.as_bytes()).is_some());

    for end in [ExchangeError::TooLarge, ExchangeError::Redirect] {
        let (times, ended) = asked(code(1, 900), [Err(end)]).await;
        assert_eq!((times.len(), ended.is_err()), (1, true));
    }
    let (times, ended) = asked(code(1, 900), [Ok(TokenResponse::read(302, None, b""))]).await;
    assert_eq!(times.len(), 1);
    assert!(ended.unwrap_err().contains("redirect"));
}
