use serde_json::{Value, json};

use super::*;
use crate::graph::testing::{Reply, Server};

fn sets(count: usize) -> Vec<FlowSetId> {
    let id = |number: usize| format!("set-{number}").parse().unwrap();
    (0..count).map(id).collect()
}

fn part(id: &str, status: u16, body: &Value) -> Value {
    json!({ "id": id, "status": status, "headers": {}, "body": body })
}

fn flows(ids: &[&str]) -> Value {
    let flows: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    json!({ "value": flows })
}

/// Returns the number of flows in the list of each set, or `None` for the sets that are missing.
async fn listed(count: usize, responses: &[Value]) -> Vec<Option<usize>> {
    let reply = Reply::json(200, &json!({ "responses": responses }));
    let server = Server::start([reply]).await;
    let sets = sets(count);
    let lists = server.client().list_flows_of(&sets, Priority::Poll).await;
    let lists = lists.unwrap();
    let counted = |set| lists.get(set).map(|list: &Listing<Flow>| list.items.len());
    sets.iter().map(counted).collect()
}

#[tokio::test]
async fn each_set_is_one_request_of_the_batch() {
    let server = Server::start([Reply::json(200, &json!({ "responses": [] }))]).await;
    let ids = ["a/b".parse().unwrap(), "c".parse().unwrap()];
    let lists = server.client().list_flows_of(&ids, Priority::Poll).await;
    assert!(lists.unwrap().is_empty());
    let requests = server.received();
    assert_eq!(requests.len(), 1);
    let base = "/external/industryData/outboundProvisioningFlowSets";
    let headers = json!({ "Prefer": "include-unknown-enum-members" });
    let get = |id: &str, set: &str| {
        let url = format!("{base}/{set}/provisioningFlows");
        json!({ "id": id, "method": "GET", "url": url, "headers": headers })
    };
    assert_eq!(
        requests[0].json(),
        json!({ "requests": [get("0", "a%2Fb"), get("1", "c")] })
    );
    assert_eq!(requests[0].line, "POST /beta/$batch");
}

#[tokio::test]
async fn responses_are_matched_by_id_in_any_order() {
    let responses = [
        part("2", 200, &flows(&[])),
        part("0", 200, &flows(&["a", "b", "a"])),
        part("1", 200, &flows(&["c"])),
    ];
    assert_eq!(listed(3, &responses).await, [Some(2), Some(1), Some(0)]);
}

#[tokio::test]
async fn what_is_no_complete_list_is_left_out() {
    let more = json!({ "value": [], "@odata.nextLink": "https://x" });
    let responses = [
        part("0", 404, &json!({ "error": { "code": "NotFound" } })),
        part("1", 200, &more),
        part("2", 200, &json!({ "error": { "code": "x" } })),
        part("3", 200, &json!("<html>")),
        part("4", 204, &Value::Null),
        part("9", 200, &flows(&["of another set"])),
        part("x", 200, &flows(&["of another set"])),
        json!(7),
        part("5", 200, &flows(&["a"])),
    ];
    let expected = [None, None, None, None, None, Some(1)];
    assert_eq!(listed(6, &responses).await, expected);
}

#[tokio::test]
async fn a_pause_that_one_response_requests_closes_the_budget() {
    for (name, value) in [("Retry-After", json!("40")), ("retry-after", json!(40))] {
        let throttled = json!({ "id": "0", "status": 429, "headers": { name: value } });
        let body = json!({ "responses": [part("1", 200, &flows(&[])), throttled] });
        let server = Server::start([Reply::json(200, &body)]).await;
        let client = server.client();
        let lists = client.list_flows_of(&sets(2), Priority::Poll).await;
        assert_eq!(lists.unwrap().len(), 1);
        let closed = client.exchange.account.budget().closed_for();
        assert!(closed.as_secs() > 30, "{closed:?}");
    }
}

#[tokio::test]
async fn a_batch_of_more_than_twenty_is_cut() {
    let server = Server::start([Reply::json(200, &json!({ "responses": [] }))]).await;
    let lists = server
        .client()
        .list_flows_of(&sets(25), Priority::Poll)
        .await;
    assert!(lists.unwrap().is_empty());
    assert_eq!(
        server.received()[0].json()["requests"]
            .as_array()
            .unwrap()
            .len(),
        MAX_BATCH
    );
}

#[tokio::test]
async fn a_batch_that_is_no_batch_is_an_error() {
    for body in [
        json!({}),
        json!({ "responses": 7 }),
        json!({ "error": { "code": "x" } }),
    ] {
        let server = Server::start([Reply::json(200, &body)]).await;
        let lists = server
            .client()
            .list_flows_of(&sets(2), Priority::Poll)
            .await;
        assert!(!lists.unwrap_err().is_unsupported(), "{body}");
    }
    let refused = Reply::json(404, &json!({ "error": { "code": "NotFound" } }));
    let server = Server::start([refused]).await;
    let lists = server
        .client()
        .list_flows_of(&sets(2), Priority::Poll)
        .await;
    assert!(lists.unwrap_err().is_unsupported());
}
