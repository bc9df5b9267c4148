//! `$batch`.

use industrydata_simulator::{Answer as Refusal, Effect, Operation, RetryAfter, Rule};
use serde_json::{Value, json};

use crate::client::{Bench, security_group};

const BATCH: &str = "/beta/$batch";
const RELATIVE: &str = "/external/industryData/outboundProvisioningFlowSets";

fn create(id: &str, name: &str) -> Value {
    json!({ "id": id, "method": "POST", "url": RELATIVE, "headers": { "Content-Type": "application/json" },
        "body": { "displayName": name } })
}

fn list(id: &str) -> Value {
    json!({ "id": id, "method": "GET", "url": format!("{RELATIVE}?$top=1") })
}

async fn run(bench: &Bench, requests: Vec<Value>) -> Vec<Value> {
    let answer = bench
        .post(BATCH, &json!({ "requests": requests }))
        .await
        .expect(200);
    answer.json()["responses"].as_array().unwrap().clone()
}

fn response<'a>(responses: &'a [Value], id: &str) -> &'a Value {
    responses
        .iter()
        .find(|response| response["id"] == id)
        .unwrap()
}

#[tokio::test]
async fn parts_are_answered_each_for_itself() {
    let bench = Bench::new().await;
    let set = bench.set("existing").await;
    let flow = json!({ "id": "c", "method": "POST", "url": format!("{RELATIVE}/{set}/provisioningFlows"),
        "headers": { "content-type": "application/json" }, "body": security_group() });
    let missing = json!({ "id": "d", "method": "DELETE", "url": format!("{RELATIVE}/nowhere") });
    let responses = run(&bench, vec![create("a", "new"), list("b"), flow, missing]).await;
    let statuses: Vec<u64> = ["a", "b", "c", "d"]
        .map(|id| response(&responses, id)["status"].as_u64().unwrap())
        .to_vec();
    assert_eq!(statuses, [201, 200, 201, 404]);
    assert_eq!(response(&responses, "a")["body"]["displayName"], "new");
    assert_eq!(bench.simulator.journal().requests(Operation::ListSets), 1);
}

#[tokio::test]
async fn a_part_whose_prerequisite_fails_is_not_done() {
    let bench = Bench::new().await;
    let mut first = create("1", "first");
    first["body"] = json!({});
    let mut second = create("2", "second");
    second["dependsOn"] = json!(["1"]);
    let mut third = create("3", "third");
    third["dependsOn"] = json!(["2"]);
    let responses = run(&bench, vec![third, second, first]).await;
    let statuses: Vec<u64> = ["1", "2", "3"]
        .map(|id| response(&responses, id)["status"].as_u64().unwrap())
        .to_vec();
    assert_eq!(statuses, [400, 424, 424]);
    assert_eq!(bench.simulator.snapshot().sets.len(), 0);
}

#[tokio::test]
async fn a_throttled_part_has_a_retry_after_of_its_own() {
    let bench = Bench::new().await;
    let throttled = Refusal::new(429).retry_after(RetryAfter::Seconds(7));
    bench.simulator.inject(
        Rule::new(Effect::Refuse(throttled))
            .on(Operation::ListSets)
            .after(1),
    );
    let responses = run(&bench, vec![list("a"), list("b")]).await;
    assert_eq!(response(&responses, "a")["status"], 200);
    assert_eq!(response(&responses, "b")["status"], 429);
    assert_eq!(response(&responses, "b")["headers"]["Retry-After"], "7");
}

#[tokio::test]
async fn a_part_that_is_cut_off_is_a_gateway_timeout() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::CutAfterCommit).on(Operation::CreateSet));
    let responses = run(&bench, vec![create("a", "ambiguous")]).await;
    assert_eq!(responses[0]["status"], 504);
    assert_eq!(bench.simulator.snapshot().sets.len(), 1);
}

#[tokio::test]
async fn a_batch_that_breaks_the_rules_is_refused_as_a_whole() {
    let bench = Bench::new().await;
    let many: Vec<Value> = (0..21).map(|number| list(&number.to_string())).collect();
    let mut circular = list("x");
    circular["dependsOn"] = json!(["y"]);
    for requests in [
        json!(many),
        json!([list("a"), list("A")]),
        json!([{ "id": "1" }]),
        json!([circular]),
        json!(7),
    ] {
        bench
            .post(BATCH, &json!({ "requests": requests }))
            .await
            .expect(400);
    }
    let nested = json!({ "id": "1", "method": "POST", "url": "/$batch", "body": {} });
    assert_eq!(run(&bench, vec![nested]).await[0]["status"], 400);
    assert_eq!(
        run(
            &bench,
            (0..20).map(|number| list(&number.to_string())).collect()
        )
        .await
        .len(),
        20
    );
}
