use futures::future::join_all;
use serde_json::json;

use super::*;
use crate::graph::{
    error::Error,
    operation::unobserved,
    testing::{Reply, SECRET, Server, TENANT, account},
};

const HOUR: u64 = 3600;

fn source(server: &Server) -> TokenSource {
    TokenSource::new(
        server.transport(Duration::from_secs(4)),
        account(),
        SECRET.into(),
        unobserved(),
    )
}

fn fetched(text: &'static str, seconds: u64) -> FetchedToken {
    FetchedToken {
        header: HeaderValue::from_static(text),
        lifetime: Duration::from_secs(seconds),
    }
}

fn refused() -> Failure {
    let body = br#"{"error":"invalid_client","error_codes":[7000215]}"#;
    let status = reqwest::StatusCode::UNAUTHORIZED;
    let headers = crate::graph::answer::Headers::default();
    Failure::Refused(crate::graph::Refusal::read(status, headers, body))
}

/// What is known: a token, `failed`, or `ask`.
fn recall(cache: &TokenCache, now: Instant) -> String {
    match cache.recall(now) {
        Some(Ok(token)) => token.header.to_str().unwrap().to_owned(),
        Some(Err(_)) => "failed".to_owned(),
        None => "ask".to_owned(),
    }
}

fn later(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

#[test]
fn a_tenant_is_a_guid_or_a_domain() {
    for text in [
        "11111111-2222-4333-8444-555555555555",
        "contoso.onmicrosoft.com",
        "a-b.example",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(Tenant::new(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        ".",
        "..",
        "common",
        "organizations",
        "a..b",
        "a.b/c",
        "a.b?x",
        "-a.b",
        "a-.b",
        "a b.c",
        "bücher.example",
        "{11111111-2222-4333-8444-555555555555}",
        &format!("{}.b", "a".repeat(64)),
    ] {
        assert_eq!(Tenant::new(text), Err(InvalidTenant), "{text}");
    }
}

#[test]
fn a_token_is_kept_until_shortly_before_it_expires() {
    let now = Instant::now();
    let mut cache = TokenCache::default();
    assert_eq!(recall(&cache, now), "ask");
    cache.record(Ok(fetched("one", HOUR)), now).unwrap();
    assert_eq!(recall(&cache, later(now, HOUR - 301)), "one");
    assert_eq!(recall(&cache, later(now, HOUR - 300)), "ask");
    cache.record(Ok(fetched("short", 100)), now).unwrap();
    assert_eq!(recall(&cache, later(now, 89)), "short");
    assert_eq!(recall(&cache, later(now, 90)), "ask");
    cache.record(Ok(fetched("none", 0)), now).unwrap();
    assert_eq!(recall(&cache, now), "ask");
    cache.record(Ok(fetched("endless", u64::MAX)), now).unwrap();
    assert_eq!(recall(&cache, later(now, 25 * HOUR)), "ask");
}

#[test]
fn a_token_in_hand_is_used_to_its_end_while_no_other_can_be_had() {
    let now = Instant::now();
    let mut cache = TokenCache::default();
    cache.record(Ok(fetched("old", HOUR)), now).unwrap();
    let late = later(now, HOUR - 100);
    assert!(cache.record(Err(refused()), late).is_ok());
    assert_eq!(recall(&cache, late), "old");
    assert_eq!(recall(&cache, later(now, HOUR - 71)), "old");
    assert!(cache.record(Err(refused()), later(now, HOUR - 10)).is_ok());
    assert_eq!(recall(&cache, later(now, HOUR)), "failed");
}

#[test]
fn failures_are_remembered_longer_and_longer() {
    let now = Instant::now();
    let remembered = |failure: fn() -> Failure| {
        let mut cache = TokenCache::default();
        let pauses = [0; 8].map(|_| {
            assert!(cache.record(Err(failure()), now).is_err());
            (0..1000)
                .find(|seconds| recall(&cache, later(now, *seconds)) == "ask")
                .unwrap()
        });
        cache.record(Ok(fetched("good", 1)), now).unwrap();
        assert!(cache.record(Err(failure()), later(now, 1)).is_err());
        assert_eq!(
            recall(&cache, later(now, 1 + pauses[0])),
            "ask",
            "a good answer starts over"
        );
        pauses
    };
    let passing = remembered(|| Failure::TimedOut);
    assert_eq!(passing, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(remembered(refused), [30, 60, 120, 240, 300, 300, 300, 300]);
}

#[test]
fn a_pause_that_the_authority_asks_for_is_bounded() {
    let now = Instant::now();
    let throttled = |seconds| {
        let status = reqwest::StatusCode::TOO_MANY_REQUESTS;
        let headers = crate::graph::answer::Headers {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Default::default()
        };
        Failure::Refused(crate::graph::Refusal::read(status, headers, b""))
    };
    for (asked, kept) in [(600, 600), (HOUR, HOUR), (HOUR + 1, HOUR), (u64::MAX, HOUR)] {
        let mut cache = TokenCache::default();
        assert!(cache.record(Err(throttled(asked)), now).is_err());
        assert_eq!(recall(&cache, later(now, kept - 1)), "failed", "{asked}");
        assert_eq!(recall(&cache, later(now, kept)), "ask", "{asked}");
    }
}

#[test]
fn a_refused_token_is_replaced_once_in_a_while() {
    let now = Instant::now();
    let mut cache = TokenCache::default();
    let first = cache.record(Ok(fetched("one", HOUR)), now).unwrap();
    assert!(cache.refused(first.generation, now));
    assert_eq!(recall(&cache, now), "ask");
    let second = cache.record(Ok(fetched("two", HOUR)), now).unwrap();
    assert!(
        cache.refused(first.generation, now),
        "another request has already replaced it"
    );
    assert_eq!(recall(&cache, now), "two");
    assert!(!cache.refused(second.generation, later(now, 29)));
    assert_eq!(recall(&cache, now), "two");
    assert!(cache.refused(second.generation, later(now, 30)));
}

#[test]
fn a_token_that_was_denied_something_is_replaced_if_it_is_old() {
    let now = Instant::now();
    let mut cache = TokenCache::default();
    let first = cache.record(Ok(fetched("one", HOUR)), now).unwrap();
    assert!(!cache.denied(first.generation, later(now, 49)));
    assert_eq!(recall(&cache, later(now, 49)), "one");
    assert!(cache.denied(first.generation, later(now, 50)));
    assert_eq!(recall(&cache, later(now, 50)), "ask");
    let failed = cache.record(Err(Failure::TimedOut), later(now, 51));
    assert_eq!(failed.unwrap().header, "one", "still good for the rest");
    assert!(
        !cache.denied(first.generation, later(now, 99)),
        "once in a while, also if no other could be had"
    );
    assert!(cache.denied(first.generation, later(now, 100)));
    let second = cache.record(Ok(fetched("two", HOUR)), later(now, 101));
    assert!(
        cache.denied(first.generation, later(now, 101)),
        "another request has already replaced it"
    );
    let second = second.unwrap();
    assert!(!cache.denied(second.generation, later(now, 150)));
    assert!(cache.denied(second.generation, later(now, 151)));
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
    let form: Vec<_> = url::form_urlencoded::parse(request.body.as_bytes())
        .into_owned()
        .collect();
    let scope = format!("{}.default", server.url);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "client"),
        ("scope", &scope),
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
    let gave_up = tokio::time::timeout(Duration::from_millis(50), source.get()).await;
    assert!(gave_up.is_err());
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
    drop(account.cache(&SECRET.into()));
    let shown = format!("{account:?} {token:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn lifetimes_are_numbers_or_text() {
    let read = |json: &str| {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        seconds(Some(&raw))
    };
    let hour = Some(Duration::from_secs(3599));
    assert_eq!((read("3599"), read("\"3599\"")), (hour, hour));
    assert_eq!((read("null"), read("-1"), read("[1]")), (None, None, None));
    assert_eq!(seconds(None), None);
}
