use reqwest::StatusCode;

use super::*;
use crate::graph::answer::Headers;
use crate::graph::{
    failure::{ErrorCode, LinkError},
    malformed::Malformed,
};

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

/// The error shape of Microsoft Graph, at its shortest.
const GRAPH: &str = r#"{"error":{"code":""}}"#;

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
        (402, User, Unknown, Reason::Forbidden),
        (403, User, Refused, Reason::Forbidden),
        (404, Retry, Refused, Reason::NotFound),
        (405, Bug, Refused, Reason::InvalidRequest),
        (406, Bug, Unknown, Reason::InvalidRequest),
        (407, Retry, Unknown, Reason::UnexpectedAnswer),
        (408, Retry, Unknown, Reason::TimedOut),
        (409, User, Unknown, Reason::Conflict),
        (410, Retry, Unknown, Reason::NotFound),
        (411, Bug, Unknown, Reason::InvalidRequest),
        (412, Retry, Unknown, Reason::Conflict),
        (413, User, Refused, Reason::Rejected),
        (415, Bug, Refused, Reason::InvalidRequest),
        (417, User, Unknown, Reason::Rejected),
        (421, Retry, Unknown, Reason::UnexpectedAnswer),
        (422, User, Refused, Reason::Rejected),
        (423, Retry, Unknown, Reason::Locked),
        (425, Retry, Unknown, Reason::UnexpectedAnswer),
        (426, Retry, Unknown, Reason::UnexpectedAnswer),
        (429, now, Certainty::Throttled, Reason::Throttled),
        (431, Retry, Unknown, Reason::UnexpectedAnswer),
        (440, Retry, Unknown, Reason::UnexpectedAnswer),
        (451, Retry, Unknown, Reason::UnexpectedAnswer),
        (499, Retry, Unknown, Reason::UnexpectedAnswer),
        (500, Retry, Unknown, Reason::ServiceUnavailable),
        (502, Retry, Unknown, Reason::ServiceUnavailable),
        (503, Retry, Unknown, Reason::ServiceUnavailable),
        (504, Retry, Unknown, Reason::ServiceUnavailable),
        (507, Retry, Unknown, Reason::ServiceUnavailable),
        (509, now, Unknown, Reason::Throttled),
        (999, Retry, Unknown, Reason::UnexpectedAnswer),
    ];
    for (status, disposition, certainty, reason) in cases {
        let verdict = service(refusal(status, GRAPH, Headers::default()));
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
fn a_4xx_that_is_not_in_the_services_shape_proves_nothing() {
    for body in [
        "",
        "<html><h1>Forbidden</h1></html>",
        "{}",
        "[]",
        r#"{"error":null}"#,
        r#"{"error":"invalid_client"}"#,
        r#"{"error":{}}"#,
        r#"{"error":{"code":403}}"#,
        r#"{"error":{"message":"m"}}"#,
        r#"{"code":"BadRequest"}"#,
        r#"{"error":{"code":"BadRequest""#,
    ] {
        for status in (400..500).filter(|status| ![408, 429].contains(status)) {
            let verdict = service(refusal(status, body, Headers::default()));
            assert_eq!(
                summary(&verdict),
                (
                    Disposition::Retry,
                    Certainty::Unknown,
                    Reason::UnexpectedAnswer
                ),
                "{status} {body}"
            );
            assert!(!verdict.message.contains("spec"), "{}", verdict.message);
        }
        let throttled = service(refusal(429, body, pausing()));
        let after = Some(PAUSE);
        let expected = (
            Disposition::Throttled { after },
            Certainty::Throttled,
            Reason::Throttled,
        );
        assert_eq!(summary(&throttled), expected);
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
    let passing = r#"{"error":"invalid_request","error_codes":[90033]}"#;
    for (status, body) in [(429, ""), (503, ""), (400, passing)] {
        let verdict = authority(refusal(status, body, pausing()));
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
    let plain = |status, body: &str| authority(refusal(status, body, Headers::default()));
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
    for number in [
        50_087, 50_196, 90_006, 90_012, 90_024, 90_033, 90_055, 90_090, 90_091,
    ] {
        let listed = format!(r#"{{"error":"invalid_grant","error_codes":[{number}]}}"#);
        let told = format!(
            r#"{{"error":"invalid_request","error_description":"AADSTS{number}: It passes."}}"#
        );
        for (status, body) in [(400, &listed), (401, &told)] {
            assert_eq!(summary(&plain(status, body)), down, "{body}");
        }
    }
    for body in ["", "<html>", GRAPH, "{}", r#"{"error":7}"#] {
        let expected = (
            Disposition::Retry,
            Certainty::NotSent,
            Reason::UnexpectedAnswer,
        );
        for status in [400, 401, 403, 404, 407] {
            assert_eq!(summary(&plain(status, body)), expected, "{status} {body}");
        }
    }
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
        Failure::NoRoom,
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
        request_id: ErrorCode::new(&format!("request-{number}")),
        ..Headers::default()
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
fn not_found_is_a_status_and_absence_is_the_services_word() {
    let error = |status, body| {
        let failure = refusal(status, body, Headers::default());
        Error::request(Operation::DeleteFlow, failure)
    };
    let both = |error: &Error| (error.is_not_found(), error.is_absence());
    assert_eq!(both(&error(404, GRAPH)), (true, true));
    assert_eq!(both(&error(404, "<html>")), (true, false));
    assert_eq!(both(&error(410, GRAPH)), (true, false));
    assert_eq!(both(&error(400, GRAPH)), (false, false));
    let no_token = Error::NoToken {
        operation: Operation::DeleteFlow,
        source: Arc::new(refusal(404, GRAPH, Headers::default())),
    };
    assert_eq!(
        both(&no_token),
        (false, false),
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

#[test]
fn each_cause_of_a_refused_credential_has_its_reason_and_remedy() {
    let told = |number: u32| {
        let body = format!(r#"{{"error":"invalid_client","error_codes":[{number}]}}"#);
        authority(refusal(400, &body, Headers::default()))
    };
    for known in AUTHORITY_REFUSALS {
        for number in known.numbers {
            let verdict = told(*number);
            assert_eq!(verdict.reason, known.reason, "{number}");
            assert_eq!(verdict.disposition, Disposition::User, "{number}");
            assert!(verdict.reason.is_of_credential());
            let code = format!("AADSTS{number}");
            assert!(verdict.message.contains(&code) && verdict.message.ends_with(known.remedy));
        }
    }
    assert_eq!(told(1).reason, Reason::CredentialRefused);
    let numbers = AUTHORITY_REFUSALS.iter().flat_map(|known| known.numbers);
    let mut numbers: Vec<_> = numbers.copied().collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "a number has two meanings");
    let documented = [
        (7_000_222, Reason::CredentialExpired),
        (7_000_215, Reason::ClientSecretInvalid),
        (700_016, Reason::ApplicationNotFound),
        (90_002, Reason::TenantNotFound),
        (700_027, Reason::CertificateRefused),
        (700_213, Reason::FederationRefused),
        (700_082, Reason::SignInExpired),
        (50_173, Reason::SignInExpired),
        (65_001, Reason::ConsentRequired),
        (53_003, Reason::ConditionalAccess),
    ];
    for (number, reason) in documented {
        assert_eq!(told(number).reason, reason, "{number}");
    }
}

#[test]
fn a_missing_permission_is_named_with_the_way_to_it() {
    let denied = |operation: Operation, actor: Actor| {
        let status = StatusCode::FORBIDDEN;
        let mut refusal = Refusal::read(status, Headers::default(), GRAPH.as_bytes());
        refusal.actor = actor;
        Error::request(operation, Failure::Refused(refusal))
            .verdict()
            .message
    };
    for operation in [Operation::CreateFlow, Operation::ResetFlow] {
        let application = denied(operation, Actor::Application);
        for part in [
            "IndustryData-OutboundFlow.ReadWrite.All",
            "delegated",
            "kubectl industrydata login",
        ] {
            assert!(application.contains(part), "{application}");
        }
        let person = denied(operation, Actor::User);
        assert!(person.contains("IndustryData-OutboundFlow.ReadWrite.All"));
        assert!(!person.contains("kubectl industrydata login"), "{person}");
    }
    for actor in [Actor::Application, Actor::User] {
        let message = denied(Operation::ListFlows, actor);
        assert!(message.contains("IndustryData-OutboundFlow.Read.All"));
    }
}

#[test]
fn a_claims_challenge_is_a_matter_of_conditional_access() {
    let headers = Headers {
        is_challenge: true,
        ..Headers::default()
    };
    let verdict = service(refusal(401, GRAPH, headers));
    assert_eq!(verdict.reason, Reason::ConditionalAccess);
    assert!(
        verdict.message.contains("Conditional access"),
        "{}",
        verdict.message
    );
}
