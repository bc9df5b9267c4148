//! Each fault does what it promises.

use std::time::{Duration, Instant};

use industrydata_simulator::{
    Answer, BodyFault, Effect, FlowType, NextLink, Operation, Quirk, RetryAfter, Rule,
};
use reqwest::Method;
use serde_json::json;

use crate::client::{
    Bench, SETS, administrative_unit, eventually, flows, last, security_group, user,
};

/// With the status, the code and the `Retry-After` of the rule.
#[tokio::test]
async fn a_refusal_does_nothing_and_answers_as_its_rule_says() {
    let bench = Bench::new().await;
    let throttled = Answer::new(429);
    for (answer, header) in [
        (throttled.clone(), None),
        (
            throttled.clone().retry_after(RetryAfter::Seconds(10)),
            Some("10"),
        ),
        (
            throttled.clone().retry_after(RetryAfter::Decimal(2.128)),
            Some("2.128"),
        ),
        (Answer::new(423).code("Locked"), None),
    ] {
        let status = answer.status;
        bench
            .simulator
            .inject(Rule::new(Effect::Refuse(answer)).on(Operation::CreateSet));
        let refused = bench
            .post(SETS, &json!({ "displayName": "x" }))
            .await
            .expect(status);
        assert_eq!(refused.header("retry-after"), header);
        assert!(refused.json()["error"]["code"].is_string());
    }
    bench.simulator.inject(Rule::new(Effect::Refuse(
        throttled.retry_after(RetryAfter::Date(30)),
    )));
    let refused = bench.get(SETS).await.expect(429);
    assert!(refused.header("retry-after").unwrap().ends_with(" GMT"));
    assert_eq!(bench.simulator.snapshot().sets.len(), 0);
}

#[tokio::test]
async fn an_answer_after_commit_lies_about_what_was_done() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::AnswerAfterCommit(Answer::new(504))).on(Operation::CreateSet));
    bench
        .post(SETS, &json!({ "displayName": "x" }))
        .await
        .expect(504);
    assert_eq!(bench.simulator.snapshot().sets.len(), 1);
    assert_eq!(bench.simulator.journal().sets_created(), 1);
}

#[tokio::test]
async fn a_cut_after_commit_breaks_the_connection_of_every_kind_of_write() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let set = bench.set("other").await;
    for (method, path, body) in [
        (Method::POST, flows(&set), Some(administrative_unit())),
        (Method::PATCH, path.clone(), Some(security_group())),
        (Method::POST, format!("{path}/reset"), None),
        (Method::DELETE, path.clone(), None),
    ] {
        bench.simulator.inject(Rule::new(Effect::CutAfterCommit));
        bench
            .attempt(method.clone(), &path, body.as_ref())
            .await
            .expect_err("a broken connection");
        let journal = bench.simulator.journal();
        let entry = journal.entries().last().unwrap();
        assert_eq!(
            (entry.method.as_str(), entry.status, entry.committed),
            (method.as_str(), None, true)
        );
    }
    bench.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_cut_before_does_nothing() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::CutBefore).on(Operation::CreateSet));
    let body = json!({ "displayName": "x" });
    bench
        .attempt(Method::POST, SETS, Some(&body))
        .await
        .expect_err("a broken connection");
    assert_eq!(bench.simulator.snapshot().sets.len(), 0);
    bench.post(SETS, &body).await.expect(201);
}

#[tokio::test]
async fn a_rule_picks_by_type_path_and_number() {
    let bench = Bench::new().await;
    let set = bench.set("picky").await;
    bench
        .simulator
        .inject(Rule::new(Effect::Refuse(Answer::new(500))).flow_type(FlowType::User));
    bench
        .post(&flows(&set), &security_group())
        .await
        .expect(201);
    bench.post(&flows(&set), &user()).await.expect(500);
    bench.simulator.inject(
        Rule::new(Effect::Refuse(Answer::new(503)))
            .path("*/provisioningFlows")
            .after(1)
            .times(2),
    );
    for expected in [200, 503, 503, 200] {
        bench.get(&flows(&set)).await.expect(expected);
    }
    let all = bench.simulator.inject(
        Rule::new(Effect::Refuse(Answer::new(502)))
            .method("GET")
            .always(),
    );
    for _ in 0..3 {
        bench.get(SETS).await.expect(502);
    }
    assert!(bench.simulator.remove_rule(all));
    bench.get(SETS).await.expect(200);
}

#[tokio::test]
async fn a_delayed_request_happens_even_if_nobody_waits_for_it() {
    let bench = Bench::new().await;
    let delay = Duration::from_millis(300);
    bench
        .simulator
        .inject(Rule::new(Effect::DelayBefore(delay)).on(Operation::CreateSet));
    let body = json!({ "displayName": "late" });
    let impatient = bench.attempt(Method::POST, SETS, Some(&body));
    tokio::time::timeout(Duration::from_millis(100), impatient)
        .await
        .expect_err("no answer yet");
    assert_eq!(bench.simulator.snapshot().sets.len(), 0);
    eventually(async || !bench.simulator.snapshot().sets.is_empty()).await;
}

#[tokio::test]
async fn a_delay_after_holds_back_the_answer_and_not_the_effect() {
    let bench = Bench::new().await;
    let delay = Duration::from_millis(200);
    bench
        .simulator
        .inject(Rule::new(Effect::DelayAfter(delay)).on(Operation::CreateSet));
    let start = Instant::now();
    let body = json!({ "displayName": "x" });
    let (answer, seen) = tokio::join!(bench.post(SETS, &body), async {
        eventually(async || !bench.simulator.snapshot().sets.is_empty()).await;
        start.elapsed()
    });
    answer.expect(201);
    assert!(start.elapsed() >= delay && seen < start.elapsed());
}

#[tokio::test]
async fn bodies_are_spoilt_in_every_way() {
    let bench = Bench::new().await;
    let body = |fault| bench.simulator.inject(Rule::new(Effect::Body(fault)));
    body(BodyFault::Truncated);
    bench
        .attempt(Method::GET, SETS, None)
        .await
        .expect_err("a body that ends too soon");
    body(BodyFault::Empty);
    assert_eq!(bench.get(SETS).await.expect(200).text, "");
    body(BodyFault::Html);
    let page = bench.get(SETS).await.expect(200);
    assert!(
        page.text.starts_with("<!DOCTYPE html>")
            && page
                .header("content-type")
                .unwrap()
                .starts_with("text/html")
    );
    body(BodyFault::Malformed);
    let half = bench.get(SETS).await.expect(200);
    assert!(serde_json::from_str::<serde_json::Value>(&half.text).is_err());
    body(BodyFault::Huge(1 << 20));
    assert!(bench.get(SETS).await.expect(200).text.len() > 1 << 20);
    body(BodyFault::Dripping(1));
    bench.get(SETS).await.expect(200).json();
    bench
        .simulator
        .inject(Rule::new(Effect::ContentType("image/png".to_owned())));
    assert_eq!(
        bench.get(SETS).await.expect(200).header("content-type"),
        Some("image/png")
    );
}

#[tokio::test]
async fn a_hidden_write_is_seen_by_writes_but_not_by_reads_until_its_time() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let set = path.split('/').nth(5).unwrap();
    let minute = Duration::from_mins(1);
    bench
        .simulator
        .inject(Rule::new(Effect::Hide(minute)).on(Operation::CreateFlow));
    let hidden = bench.flow(set, &administrative_unit()).await;
    bench.get(&hidden).await.expect(404);
    assert_eq!(
        bench.get(&flows(set)).await.json()["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    bench
        .post(&flows(set), &administrative_unit())
        .await
        .expect(409);
    bench.simulator.advance(minute);
    bench.get(&hidden).await.expect(200);
}

#[tokio::test]
async fn false_links_lead_in_a_circle_or_to_a_stranger() {
    let bench = Bench::new().await;
    let link = |link| {
        bench
            .simulator
            .inject(Rule::new(Effect::NextLink(link)).on(Operation::ListSets))
    };
    link(NextLink::Loop);
    let here = format!("{}{SETS}?$count=true", bench.simulator.graph_endpoint());
    assert_eq!(
        bench.get(&format!("{SETS}?$count=true")).await.json()["@odata.nextLink"],
        here
    );
    link(NextLink::Foreign("https://evil.example".to_owned()));
    let next = bench.get(SETS).await.json()["@odata.nextLink"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(next.starts_with("https://evil.example/beta/"));
}

#[tokio::test]
async fn surprises_change_the_look_and_not_the_state() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let quirk = |quirk| bench.simulator.inject(Rule::new(Effect::Quirk(quirk)));
    quirk(Quirk::ExtraFields);
    assert!(bench.get(&path).await.json()["surprise"].is_object());
    quirk(Quirk::LoudIds);
    assert_eq!(
        bench.get(&path).await.json()["id"],
        last(&path).to_uppercase()
    );
    quirk(Quirk::Readiness("unknownFutureValue".to_owned()));
    assert_eq!(
        bench.get(&path).await.json()["readinessStatus"],
        "unknownFutureValue"
    );
    quirk(Quirk::Missing("createdDateTime".to_owned()));
    assert!(
        bench
            .get(&path)
            .await
            .json()
            .get("createdDateTime")
            .is_none()
    );
    bench.set("second").await;
    quirk(Quirk::Reordered);
    assert_eq!(
        bench.get(SETS).await.json()["value"][0]["displayName"],
        "second"
    );
    assert_eq!(
        bench.get(SETS).await.json()["value"][0]["displayName"],
        "lone"
    );
}

#[tokio::test]
async fn pages_can_be_cut_up_for_one_request() {
    let bench = Bench::new().await;
    bench.set("one").await;
    bench.set("two").await;
    bench
        .simulator
        .inject(Rule::new(Effect::PageSize(1)).on(Operation::ListSets));
    let page = bench.get(SETS).await.json();
    assert_eq!(page["value"].as_array().unwrap().len(), 1);
    assert!(page["@odata.nextLink"].is_string());
}

#[tokio::test]
async fn the_token_endpoint_can_be_down() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::Refuse(Answer::new(503))).on(Operation::Token));
    bench.token_request("any", &[]).await.expect(503);
}
