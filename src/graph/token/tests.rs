use std::time::Duration;

use futures::future::join_all;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;
use crate::graph::{
    AssertionSource, Malformed, Reason, RefreshTokenStore, SigningKey,
    error::Error,
    operation::unobserved,
    testing::{Reply, SECRET, Server, TENANT, account},
};

const CERTIFICATE: &str =
    include_str!("../../../crates/simulator/tests/it/fixtures/application-certificate.pem");
const KEY: &str = include_str!("../../../crates/simulator/tests/it/fixtures/application-key.pem");

fn source(server: &Server) -> TokenSource {
    source_with(server, SECRET.into())
}

fn source_with(server: &Server, credential: Credential) -> TokenSource {
    let transport = server.transport(Duration::from_secs(4));
    TokenSource::new(transport, account(), credential, unobserved())
}

fn form(request: &crate::graph::testing::Received) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(request.body.as_bytes());
    pairs.into_owned().collect()
}

fn field(request: &crate::graph::testing::Received, name: &str) -> Option<String> {
    let found = form(request).into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

fn certificate() -> Credential {
    let key = SigningKey::from_pem(CERTIFICATE.as_bytes(), KEY.as_bytes()).unwrap();
    Credential::Certificate(Arc::new(key))
}

/// The seconds at which the assertion of a token request begins to be valid.
fn not_before(request: &crate::graph::testing::Received) -> i64 {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let assertion = field(request, "client_assertion").unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["nbf"].as_i64().unwrap()
}

/// A cluster that issues the same token each time, or an error.
struct Issuer(Result<&'static str, CredentialError>);

impl AssertionSource for Issuer {
    fn identity(&self) -> &'static str {
        "schools/sds"
    }

    fn assertion(&self) -> futures::future::BoxFuture<'_, Result<SecretString, CredentialError>> {
        let token = self.0.clone().map(SecretString::from);
        Box::pin(async move { token })
    }
}

/// A place for refresh tokens that records what is written, or refuses it.
#[derive(Default)]
struct Place {
    written: std::sync::Mutex<Vec<(String, String)>>,
    refuses: std::sync::atomic::AtomicBool,
}

impl RefreshTokenStore for Place {
    fn replace<'a>(
        &'a self,
        used: &'a SecretString,
        new: &'a SecretString,
    ) -> futures::future::BoxFuture<'a, Result<(), CredentialError>> {
        let pair = [used, new].map(|token| token.expose_secret().to_owned());
        self.written.lock().unwrap().push(pair.into());
        let refuses = self.refuses.load(std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            if refuses {
                return Err(CredentialError {
                    message: "grant it patch".to_owned(),
                    is_transient: false,
                });
            }
            Ok(())
        })
    }
}

fn refresh_token(place: &Arc<Place>) -> Credential {
    Credential::RefreshToken(RefreshToken {
        token: "canary-refresh-0".into(),
        client_secret: None,
        store: place.clone(),
        detach: Arc::new(|task| drop(tokio::spawn(task))),
    })
}

fn rotated(number: u32) -> Reply {
    let body = json!({
        "access_token": format!("access-{number}"),
        "refresh_token": format!("canary-refresh-{number}"),
        "expires_in": 60,
    });
    Reply::json(200, &body)
}

#[tokio::test]
async fn the_request_is_the_client_credentials_grant() {
    let server = Server::start([]).await;
    let token = source(&server).get().await.unwrap();
    assert_eq!(token.header, "Bearer token-1");
    let request = server.token_requests().remove(0);
    assert_eq!(request.line, format!("POST /{TENANT}/oauth2/v2.0/token"));
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form = form(&request);
    let scope = "https://graph.microsoft.com/.default";
    let expected = [
        ("client_id", "client"),
        ("scope", scope),
        ("grant_type", "client_credentials"),
        ("client_secret", SECRET),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn many_callers_are_one_request() {
    let server = Server::start([]).await;
    let source = source(&server);
    let tokens = join_all((0..200).map(|_| source.get())).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().header == "Bearer token-1")
    );
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn many_callers_share_one_failure() {
    let body = json!({"error": "invalid_client", "error_codes": [7_000_215],
        "error_description": "canary-description"});
    let server = Server::with_tokens([], [Reply::json(401, &body)]).await;
    let source = source(&server);
    for result in join_all((0..200).map(|_| source.get())).await {
        let error = Error::NoToken {
            operation: Operation::ListFlows,
            source: result.unwrap_err(),
        };
        let verdict = error.verdict();
        assert!(
            verdict
                .message
                .contains("HTTP 401, invalid_client, AADSTS7000215")
        );
        assert!(!format!("{error:?} {verdict:?}").contains("canary"));
    }
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn giving_up_on_a_token_leaves_the_way_free_for_the_next() {
    let server = Server::with_tokens([], [Reply::Hang(Vec::new())]).await;
    let source = source(&server);
    let asked = async {
        while server.token_requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = source.get() => panic!("there is no answer"),
        () = asked => {}
    }
    assert_eq!(source.get().await.unwrap().header, "Bearer token-2");
}

#[tokio::test]
async fn what_is_no_token_is_an_error() {
    for body in [
        "",
        "<html>canary</html>",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":"can\nary"}"#,
    ] {
        let server = Server::with_tokens([], [Reply::new(200, &[], body)]).await;
        let failure = source(&server).get().await.unwrap_err();
        assert!(
            matches!(*failure, Failure::Malformed(Malformed::Token)),
            "{body}"
        );
        assert!(!format!("{failure:?} {failure}").contains("canary"));
    }
}

#[tokio::test]
async fn a_redirect_does_not_get_the_secret() {
    let elsewhere = Server::start([]).await;
    let location = format!("{}t/oauth2/v2.0/token", elsewhere.url);
    let redirect = Reply::new(308, &[("location", &location)], "");
    let server = Server::with_tokens([], [redirect]).await;
    assert!(source(&server).get().await.is_err());
    assert!(elsewhere.token_requests().is_empty());
}

#[test]
fn neither_credential_nor_token_shows_itself() {
    let mut header = HeaderValue::from_static("Bearer canary-token");
    header.set_sensitive(true);
    let token = AccessToken {
        header,
        generation: 1,
    };
    let account = account();
    drop(account.known(&SECRET.into()));
    let shown = format!("{account:?} {token:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_certificate_signs_for_the_authority_itself() {
    let server = Server::start([]).await;
    source_with(&server, certificate()).get().await.unwrap();
    let request = server.token_requests().remove(0);
    let of = |name: &str| field(&request, name).unwrap();
    assert_eq!(of("grant_type"), "client_credentials");
    assert_eq!(of("client_assertion_type"), ASSERTION_TYPE);
    assert!((not_before(&request) - clock::now().as_second()).abs() < 60);
    assert_eq!(field(&request, "client_secret"), None);
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_time_of_the_authority() {
    let body = json!({"error": "invalid_client", "error_codes": [700_024]});
    let late = |seconds: u64| {
        let date = std::time::SystemTime::now() + Duration::from_secs(seconds);
        let date = httpdate::fmt_http_date(date);
        let headers = [
            ("content-type", "application/json"),
            ("date", date.as_str()),
        ];
        Reply::new(401, &headers, &body.to_string())
    };
    let server = Server::with_tokens([], [late(7200)]).await;
    let source = source_with(&server, certificate());
    assert_eq!(source.get().await.unwrap().header, "Bearer token-2");
    let sent = server.token_requests();
    let [first, second] = [0, 1].map(|at: usize| not_before(&sent[at]));
    assert!((7190..7210).contains(&(second - first)), "{first} {second}");

    // The same difference again is not a reason to repeat it.
    let server = Server::with_tokens([], [late(0)]).await;
    let failure = source_with(&server, certificate()).get().await.unwrap_err();
    assert_eq!(failure.authority_reason(), Reason::ClockWrong);
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn a_token_of_another_issuer_is_passed_on_unchanged() {
    let server = Server::start([]).await;
    let issuer = Issuer(Ok("canary-assertion"));
    let source = source_with(&server, Credential::Federated(Arc::new(issuer)));
    source.get().await.unwrap();
    let request = server.token_requests().remove(0);
    assert_eq!(
        field(&request, "client_assertion").as_deref(),
        Some("canary-assertion")
    );
}

#[tokio::test]
async fn without_a_token_of_the_other_issuer_nothing_is_sent() {
    let server = Server::start([]).await;
    let error = CredentialError {
        message: "the ServiceAccount sds does not exist: create it".to_owned(),
        is_transient: false,
    };
    let source = source_with(&server, Credential::Federated(Arc::new(Issuer(Err(error)))));
    let error = Error::NoToken {
        operation: Operation::ListFlows,
        source: source.get().await.unwrap_err(),
    };
    let verdict = error.verdict();
    assert_eq!(verdict.reason, Reason::CredentialUnavailable);
    assert!(
        verdict
            .message
            .contains("the ServiceAccount sds does not exist: create it")
    );
    assert!(server.token_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rotated_refresh_token_is_kept_and_then_used() {
    let server = Server::with_tokens([], [rotated(1), rotated(2)]).await;
    let place = Arc::new(Place::default());
    let source = source_with(&server, refresh_token(&place));
    assert_eq!(source.get().await.unwrap().header, "Bearer access-1");
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(source.get().await.unwrap().header, "Bearer access-2");
    let sent = server.token_requests();
    let used: Vec<_> = sent
        .iter()
        .filter_map(|it| field(it, "refresh_token"))
        .collect();
    assert_eq!(used, ["canary-refresh-0", "canary-refresh-1"]);
    assert_eq!(
        field(&sent[0], "scope").as_deref(),
        Some("https://graph.microsoft.com/.default offline_access")
    );
    let pair = |used: u32, new: u32| {
        let name = |number: u32| format!("canary-refresh-{number}");
        (name(used), name(new))
    };
    assert_eq!(*place.written.lock().unwrap(), [pair(0, 1), pair(1, 2)]);
    assert_eq!(source.not_stored(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_cannot_be_kept_is_reported_and_kept_with_the_next() {
    let server = Server::with_tokens([], [rotated(1), rotated(2)]).await;
    let place = Arc::new(Place::default());
    place
        .refuses
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let source = source_with(&server, refresh_token(&place));
    assert_eq!(source.get().await.unwrap().header, "Bearer access-1");
    assert_eq!(source.not_stored().unwrap().message, "grant it patch");
    place
        .refuses
        .store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(source.get().await.unwrap().header, "Bearer access-2");
    assert_eq!(source.not_stored(), None);
    let sent = server.token_requests();
    assert_eq!(
        field(&sent[1], "refresh_token").as_deref(),
        Some("canary-refresh-1")
    );
    // What is in its place is still the first one.
    let written = place.written.lock().unwrap();
    assert_eq!(written[1].0, "canary-refresh-0");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_even_if_the_caller_gives_up() {
    let server = Server::with_tokens([], [rotated(1)]).await;
    let place = Arc::new(Place::default());
    let source = source_with(&server, refresh_token(&place));
    let caller = source.get();
    // Polled once, so that the exchange begins, and then dropped.
    assert!(futures::FutureExt::now_or_never(caller).is_none());
    while place.written.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(source.get().await.unwrap().header, "Bearer access-1");
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn a_token_of_another_tenant_is_refused() {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = json!({"tid": "22222222-2222-4333-8444-555555555555"}).to_string();
    let token = format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims));
    let body = json!({"access_token": token, "expires_in": 3599});
    let server = Server::with_tokens([], [Reply::json(200, &body)]).await;
    let limits = crate::graph::RateLimits {
        per_second: 1000.0,
        burst: 1000,
        max_wait: Duration::from_secs(1),
    };
    let tenant = crate::graph::Tenant::new("11111111-2222-4333-8444-555555555555").unwrap();
    let account = Account::new(tenant, "client", limits);
    let transport = server.transport(Duration::from_secs(4));
    let source = TokenSource::new(transport, account, SECRET.into(), unobserved());
    let failure = source.get().await.unwrap_err();
    assert!(matches!(*failure, Failure::Malformed(Malformed::Tenant)));
}

#[tokio::test]
async fn a_huge_answer_is_no_token() {
    let body = json!({"access_token": "x".repeat(100_000), "expires_in": 3599});
    let server = Server::with_tokens([], [Reply::json(200, &body)]).await;
    let failure = source(&server).get().await.unwrap_err();
    assert!(matches!(*failure, Failure::TooLarge));
}
