//! Answers that are not the service's, and reads that are not of this moment.

use std::time::Duration;

use industrydata_simulator::{
    Answer, BodyFault, Effect, NextLink, Operation, Quirk, RetryAfter, Rule,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{
    Bench, SETS, administrative_unit, flows, last, read, secret_form, security_group,
};

/// What a rule can put in the place of an answer, with the content type and the body that a client then gets.
fn strange() -> [(Answer, Option<&'static str>, &'static str); 5] {
    let html = "text/html; charset=utf-8";
    [
        (Answer::new(200).html(), Some(html), "<!DOCTYPE html>"),
        (Answer::new(403).html(), Some(html), "<!DOCTYPE html>"),
        (Answer::new(200).empty(), None, ""),
        (
            Answer::new(200)
                .json(json!({ "a": 1 }))
                .content_type("text/plain"),
            Some("text/plain"),
            r#"{"a":1}"#,
        ),
        (
            Answer::new(200).content_type("application/json"),
            Some("application/json"),
            r#"{"error":"#,
        ),
    ]
}

/// Every kind of write, to a set and a flow that are there.
fn writes(set: &str, flow: &str) -> [(Method, String, Option<Value>); 6] {
    let set_path = format!("{SETS}/{set}");
    let name = Some(json!({ "displayName": "changed" }));
    [
        (Method::POST, flows(set), Some(administrative_unit())),
        (Method::PATCH, flow.to_owned(), Some(security_group())),
        (Method::POST, format!("{flow}/reset"), None),
        (Method::PATCH, set_path.clone(), name),
        (Method::DELETE, flow.to_owned(), None),
        (Method::DELETE, set_path, None),
    ]
}

#[tokio::test]
async fn every_write_can_be_answered_by_anything_done_or_not() {
    for (answer, content_type, start) in strange() {
        let bench = Bench::new().await;
        let flow = bench.lone_flow().await;
        let set = flow.split('/').nth(5).unwrap();
        for (method, path, body) in writes(set, &flow) {
            for (effect, committed) in [
                (Effect::Refuse(answer.clone()), false),
                (Effect::AnswerAfterCommit(answer.clone()), true),
            ] {
                bench.simulator.inject(Rule::new(effect));
                let got = bench.send(method.clone(), &path, body.as_ref()).await;
                let got = got.expect(answer.status);
                assert_eq!(got.header("content-type"), content_type, "{method} {path}");
                assert!(got.text.starts_with(start), "{}", got.text);
                let journal = bench.simulator.journal();
                let entry = journal.entries().last().unwrap();
                assert_eq!(entry.committed, committed, "{method} {path}");
            }
        }
        assert_eq!(bench.simulator.snapshot().sets.len(), 0);
    }
}

#[tokio::test]
async fn reads_can_be_answered_by_anything() {
    let bench = Bench::new().await;
    let flow = bench.lone_flow().await;
    let set = flow.split('/').nth(5).unwrap();
    for path in [SETS.to_owned(), flows(set), flow.clone()] {
        let error = Effect::Refuse(Answer::new(200).code("generalException"));
        bench.simulator.inject(Rule::new(error));
        let got = bench.get(&path).await.expect(200);
        assert_eq!(got.code(), "generalException");
        bench
            .simulator
            .inject(Rule::new(Effect::Refuse(Answer::new(502).html())));
        assert!(bench.get(&path).await.expect(502).text.contains("<html>"));
    }
}

#[tokio::test]
async fn the_authority_refuses_in_its_own_shape() {
    let bench = Bench::new().await;
    for (answer, error, codes) in [
        (
            Answer::new(400).code("AADSTS50196"),
            "invalid_request",
            json!([50196]),
        ),
        (
            Answer::new(401).code("unauthorized_client AADSTS700016"),
            "unauthorized_client",
            json!([700_016]),
        ),
        (Answer::new(503), "temporarily_unavailable", json!([])),
    ] {
        let status = answer.status;
        let answer = answer.retry_after(RetryAfter::Seconds(4));
        bench
            .simulator
            .inject(Rule::new(Effect::Refuse(answer)).on(Operation::Token));
        let refused = bench
            .token_request(crate::client::TENANT, &secret_form())
            .await
            .expect(status);
        assert_eq!(refused.header("retry-after"), Some("4"));
        let body = refused.json();
        assert_eq!(
            (&body["error"], &body["error_codes"]),
            (&json!(error), &codes)
        );
        let text = body["error_description"].as_str().unwrap();
        let number = codes[0].as_u64().map(|number| format!("AADSTS{number}: "));
        assert!(text.starts_with(&number.unwrap_or_default()), "{text}");
    }
    let page = Effect::Refuse(Answer::new(400).html());
    bench.simulator.inject(Rule::new(page).on(Operation::Token));
    let refused = bench
        .token_request(crate::client::TENANT, &secret_form())
        .await;
    assert!(refused.expect(400).text.starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn a_body_can_begin_with_a_byte_order_mark() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::Body(BodyFault::ByteOrderMark)));
    let url = format!("{}{SETS}", bench.simulator.graph_endpoint());
    let request = bench.http.get(url).bearer_auth(&bench.token);
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    let json = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap();
    let body: Value = serde_json::from_slice(json).unwrap();
    assert!(body["value"].is_array());
}

#[tokio::test]
async fn an_empty_link_is_on_the_last_page_only() {
    let bench = Bench::new().await;
    bench.set("one").await;
    bench.set("two").await;
    for effect in [Effect::NextLink(NextLink::Empty), Effect::PageSize(1)] {
        bench
            .simulator
            .inject(Rule::new(effect).on(Operation::ListSets).always());
    }
    let first = bench.get(SETS).await.json();
    let link = first["@odata.nextLink"].as_str().unwrap();
    let request = bench.http.get(link).bearer_auth(&bench.token);
    let second = read(request).await.unwrap().json();
    assert_eq!(second["value"][0]["displayName"], "two");
    assert_eq!(second["@odata.nextLink"], "");
}

#[tokio::test]
async fn a_list_can_be_emptied_or_littered() {
    let bench = Bench::new().await;
    let flow = bench.lone_flow().await;
    let set = flow.split('/').nth(5).unwrap();
    bench.set("other").await;
    let expanded = format!("{SETS}?$expand=provisioningFlows");
    let quirk = |quirk| {
        bench.simulator.inject(Rule::new(Effect::Quirk(quirk)));
    };
    for path in [SETS.to_owned(), flows(set), expanded.clone()] {
        bench.simulator.inject(Rule::new(Effect::PageSize(1)));
        quirk(Quirk::Emptied);
        let body = bench.get(&path).await.expect(200).json();
        assert_eq!(body["value"], json!([]));
        assert_eq!(body.get("@odata.nextLink"), None);
        let items = |body: &Value| body["value"].as_array().unwrap().len();
        let plain = items(&bench.get(&path).await.json());
        quirk(Quirk::Garbage);
        assert_eq!(items(&bench.get(&path).await.json()), plain + 4);
    }
    quirk(Quirk::Garbage);
    let body = bench.get(&expanded).await.json();
    let set = &body["value"][2];
    assert_eq!(set["displayName"], "lone");
    assert_eq!(set["provisioningFlows"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn items_of_a_list_can_be_multiplied_and_their_members_replaced() {
    let bench = Bench::new().await;
    bench.set("one").await;
    let read = async |quirk| {
        bench.simulator.inject(Rule::new(Effect::Quirk(quirk)));
        bench.get(SETS).await.json()["value"].clone()
    };
    let ids = |list: &Value| {
        let items = list.as_array().unwrap().iter();
        let ids: std::collections::HashSet<&str> =
            items.map(|item| item["id"].as_str().unwrap()).collect();
        (list.as_array().unwrap().len(), ids.len())
    };
    assert_eq!(ids(&read(Quirk::Repeated(3)).await), (3, 1));
    let copied = read(Quirk::Copied(3)).await;
    assert_eq!(ids(&copied), (3, 3));
    assert_eq!(
        copied[0]["id"].as_str().unwrap().len(),
        copied[2]["id"].as_str().unwrap().len()
    );
    let word = Quirk::Member("displayName".to_owned(), json!(["odd"]));
    assert_eq!(read(word).await[0]["displayName"], json!(["odd"]));
}

#[tokio::test]
async fn two_replicas_can_disagree_about_a_change() {
    let bench = Bench::new().await;
    let flow = bench.lone_flow().await;
    let set = flow.split('/').nth(5).unwrap();
    let before = bench.simulator.snapshot().writes;
    bench.simulator.inject(
        Rule::new(Effect::AsOf(before))
            .method("GET")
            .every(2)
            .always(),
    );
    let set_path = format!("{SETS}/{set}");
    let renamed = json!({ "displayName": "renamed" });
    bench.patch(&set_path, &renamed).await.expect(204);
    let mut changed = security_group();
    changed["creationOptions"]["createBasedOnOrgPlusRoleGroup"] = json!(true);
    bench.patch(&flow, &changed).await.expect(204);
    let created = bench.flow(set, &administrative_unit()).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let body = bench
            .get(&format!("{SETS}?$expand=provisioningFlows"))
            .await
            .json();
        let set = &body["value"][0];
        let flows = set["provisioningFlows"].as_array().unwrap();
        let option = &flows[0]["creationOptions"]["createBasedOnOrgPlusRoleGroup"];
        seen.push((set["displayName"].clone(), option.clone(), flows.len()));
    }
    let (old, new) = (
        (json!("lone"), json!(false), 1),
        (json!("renamed"), json!(true), 2),
    );
    assert_eq!(seen, [old.clone(), new.clone(), old, new]);
    bench.get(&created).await.expect(404);
    bench.get(&created).await.expect(200);
}

#[tokio::test]
async fn a_replica_can_lag_behind_by_some_time() {
    let bench = Bench::new().await;
    let flow = bench.lone_flow().await;
    let set = flow.split('/').nth(5).unwrap();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    bench.simulator.advance(minutes(20));
    let stale = Effect::Stale(minutes(10));
    bench
        .simulator
        .inject(Rule::new(stale).on(Operation::ListFlows).always());
    bench.delete(&flow).await.expect(204);
    let ids = async || {
        let body = bench.get(&flows(set)).await.expect(200).json();
        let flows = body["value"].as_array().unwrap();
        flows
            .iter()
            .map(|flow| flow["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [json!(last(&flow))]);
    bench.get(&flow).await.expect(404);
    bench.simulator.advance(minutes(11));
    assert_eq!(ids().await, [json!(null); 0]);
}

#[tokio::test]
async fn dates_and_clocks_can_be_wrong_by_hours() {
    let bench = Bench::new().await;
    let flow = bench.lone_flow().await;
    let right = bench.get(&flow).await;
    let hours = 3 * 3600;
    for name in ["createdDateTime", "lastModifiedDateTime"] {
        let dates = Effect::Quirk(Quirk::Dates(-hours));
        bench.simulator.inject(Rule::new(dates));
        let wrong = bench.get(&flow).await.json();
        let moment = |body: &Value| body[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(
            moment(&right.json()).duration_since(moment(&wrong)),
            SignedDuration::from_secs(hours)
        );
    }
    bench.simulator.inject(Rule::new(Effect::Date(hours)));
    let date = async || {
        let answer = bench.get(&flow).await;
        let text = answer.header("date").unwrap().to_owned();
        let moment = jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000"));
        moment.unwrap().timestamp()
    };
    let (wrong, right) = (date().await, date().await);
    let ahead = wrong.duration_since(right).as_secs();
    assert!((hours - 60..=hours).contains(&ahead), "{ahead}");
}
