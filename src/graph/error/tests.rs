use reqwest::StatusCode;

use super::*;
use crate::graph::answer::Headers;

const PAUSE: Duration = Duration::from_secs(10);

fn refusal(status: u16, body: &str, headers: Headers) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    Failure::Refused(Refusal::read(status, headers, body.as_bytes()))
}

fn pausing() -> Headers {
    Headers {
        retry_after: Some(PAUSE),
        ..Headers::default()
    }
}

fn service(failure: Failure) -> Verdict {
    Error::request(Operation::CreateFlow, failure).verdict()
}

fn authority(failure: Failure) -> Verdict {
    let error = Error::NoToken {
        operation: Operation::CreateFlow,
        source: Arc::new(failure),
    };
    error.verdict()
}

fn summary(verdict: &Verdict) -> (Disposition, Certainty, Reason) {
    (verdict.disposition, verdict.certainty, verdict.reason)
}

#[test]
fn every_status_of_the_service_has_a_meaning() {
    use Certainty::{Refused, Unknown};
    use Disposition::{Bug, Retry, Throttled, User};
    let now = Throttled { after: None };
    let cases = [
        (204, Retry, Unknown, Reason::UnexpectedAnswer),
        (302, Retry, Unknown, Reason::UnexpectedAnswer),
        (400, User, Refused, Reason::Rejected),
        (401, User, Refused, Reason::Unauthorized),
        (402, User, Refused, Reason::Forbidden),
        (403, User, Refused, Reason::Forbidden),
        (404, Retry, Refused, Reason::NotFound),
        (405, Bug, Refused, Reason::InvalidRequest),
        (406, Bug, Refused, Reason::InvalidRequest),
        (408, Retry, Unknown, Reason::TimedOut),
        (409, User, Refused, Reason::Conflict),
        (410, Retry, Refused, Reason::NotFound),
        (411, Bug, Refused, Reason::InvalidRequest),
        (412, Retry, Refused, Reason::Conflict),
        (413, User, Refused, Reason::Rejected),
        (415, Bug, Refused, Reason::InvalidRequest),
        (422, User, Refused, Reason::Rejected),
        (423, Retry, Refused, Reason::Locked),
        (429, now, Certainty::Throttled, Reason::Throttled),
        (451, User, Refused, Reason::Rejected),
        (500, Retry, Unknown, Reason::ServiceUnavailable),
        (502, Retry, Unknown, Reason::ServiceUnavailable),
        (503, Retry, Unknown, Reason::ServiceUnavailable),
        (504, Retry, Unknown, Reason::ServiceUnavailable),
        (507, Retry, Unknown, Reason::ServiceUnavailable),
        (509, now, Unknown, Reason::Throttled),
        (999, Retry, Unknown, Reason::UnexpectedAnswer),
    ];
    for (status, disposition, certainty, reason) in cases {
        let verdict = service(refusal(status, "", Headers::default()));
        assert_eq!(
            summary(&verdict),
            (disposition, certainty, reason),
            "{status}"
        );
        assert!(
            verdict.message.contains(&format!("HTTP {status}")),
            "{}",
            verdict.message
        );
    }
}

#[test]
fn a_pause_that_the_service_asks_for_is_passed_on() {
    let after = Some(PAUSE);
    for status in [429, 503, 509] {
        let verdict = service(refusal(status, "", pausing()));
        assert_eq!(
            verdict.disposition,
            Disposition::Throttled { after },
            "{status}"
        );
    }
    for status in [429, 503] {
        let verdict = authority(refusal(status, "", pausing()));
        assert_eq!(
            verdict.disposition,
            Disposition::Throttled { after },
            "{status}"
        );
    }
}

#[test]
fn a_conflict_of_writers_passes_by_itself() {
    let body = r#"{"error":{"code":"x","innerError":{"code":"Directory_ConcurrencyViolation"}}}"#;
    let verdict = service(refusal(409, body, Headers::default()));
    assert_eq!(verdict.disposition, Disposition::Retry);
}

#[test]
fn without_a_token_nothing_was_sent() {
    let plain = |status, body| authority(refusal(status, body, Headers::default()));
    let refused = (
        Disposition::User,
        Certainty::NotSent,
        Reason::CredentialRefused,
    );
    for status in [400, 401, 403, 404] {
        assert_eq!(
            summary(&plain(status, r#"{"error":"invalid_client"}"#)),
            refused,
            "{status}"
        );
    }
    let down = (
        Disposition::Retry,
        Certainty::NotSent,
        Reason::ServiceUnavailable,
    );
    assert_eq!(summary(&plain(500, "")), down);
    assert_eq!(
        summary(&plain(400, r#"{"error":"temporarily_unavailable"}"#)),
        down
    );
    for (failure, reason) in [
        (Failure::TimedOut, Reason::TimedOut),
        (Failure::TooLarge, Reason::UnexpectedAnswer),
        (
            refusal(302, "", Headers::default()),
            Reason::UnexpectedAnswer,
        ),
        (refusal(408, "", Headers::default()), Reason::TimedOut),
    ] {
        let verdict = authority(failure);
        assert_eq!(
            summary(&verdict),
            (Disposition::Retry, Certainty::NotSent, reason)
        );
    }
}

#[test]
fn an_answer_that_is_not_understood_says_nothing_about_the_effect() {
    for failure in [
        Failure::TooLarge,
        Failure::Malformed(Malformed::Syntax),
        Failure::Link(LinkError::Foreign),
    ] {
        let expected = (
            Disposition::Retry,
            Certainty::Unknown,
            Reason::UnexpectedAnswer,
        );
        assert_eq!(summary(&service(failure)), expected);
    }
    let expected = (Disposition::Retry, Certainty::Unknown, Reason::TimedOut);
    assert_eq!(summary(&service(Failure::TimedOut)), expected);
}

#[test]
fn a_closed_budget_is_a_pause() {
    let closed = Closed { remaining: PAUSE };
    let verdict = Error::closed(Operation::ListFlows, closed).verdict();
    let throttled = Disposition::Throttled { after: Some(PAUSE) };
    assert_eq!(
        summary(&verdict),
        (throttled, Certainty::NotSent, Reason::Throttled)
    );
}

#[test]
fn the_same_failure_always_reads_the_same() {
    let headers = |number: u64| Headers {
        date: format!("2026-01-05T08:00:0{number}Z").parse().ok(),
        retry_after: Some(Duration::from_secs(number)),
        request_id: super::super::answer::ErrorCode::new(&format!("request-{number}")),
    };
    let body = r#"{"error":{"code":"TooManyRequests","message":"canary 1"}}"#;
    let [one, two] = [1, 2].map(|number| service(refusal(429, body, headers(number))));
    assert_eq!(one.message, two.message);
    assert_eq!(
        one.message,
        "Could not create the flow: the service answered HTTP 429, TooManyRequests. It is tried \
         again automatically."
    );
}

#[test]
fn only_404_is_not_found() {
    let error = |status| {
        let failure = refusal(status, "", Headers::default());
        Error::request(Operation::DeleteFlow, failure)
    };
    assert!(error(404).is_not_found());
    assert!(!error(410).is_not_found());
    let no_token = Error::NoToken {
        operation: Operation::DeleteFlow,
        source: Arc::new(refusal(404, "", Headers::default())),
    };
    assert!(
        !no_token.is_not_found(),
        "a missing tenant is no missing flow"
    );
}

#[test]
fn text_of_an_answer_is_never_repeated() {
    let body = r#"{"error":{"code":"can ary","message":"canary","innerError":{"code":"canary!"}}}"#;
    let error = Error::request(Operation::GetFlow, refusal(400, body, Headers::default()));
    let shown = format!("{error} {error:?} {:?}", error.verdict());
    assert!(!shown.contains("anary"), "{shown}");
}
