use super::*;

const HOUR: u64 = 3600;

fn fetched(text: &'static str, seconds: u64) -> FetchedToken {
    FetchedToken {
        header: HeaderValue::from_static(text),
        lifetime: Duration::from_secs(seconds),
        granted: None,
        refresh_token: None,
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
    assert_eq!(recall(&cache, now), "none");
    assert_eq!(recall(&cache, later(now, 1)), "ask");
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
    assert_eq!(recall(&cache, later(now, HOUR - 91)), "old");
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
    assert_eq!(remembered(refused), [10, 20, 30, 30, 30, 30, 30, 30]);
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
