use std::{
    collections::{BTreeMap, HashSet},
    error::Error as StdError,
    iter::successors,
};

use serde_json::json;

use super::*;
use crate::graph::{
    Certainty, Disposition, FlowType, Reason,
    operation::{Outcome, unobserved},
    testing::{Reply, SECRET, Server, account, fickle, listener, transport},
};

const BASE: &str = "/beta/external/industryData/outboundProvisioningFlowSets";
const SHORT: Duration = Duration::from_millis(300);

fn set_id() -> FlowSetId {
    "set/1".parse().unwrap()
}

fn flow_id() -> FlowId {
    "flow?1".parse().unwrap()
}

fn flow(id: &str) -> Value {
    json!({"@odata.type": FlowType::User.odata_type(), "id": id, "readinessStatus": "ready"})
}

fn user_flow() -> FlowDefinition {
    let properties = json!({"creationOptions": {"configurations": [
        {"roleGroup": {"id": "students"}}
    ]}});
    FlowDefinition {
        flow_type: FlowType::User,
        properties: properties.as_object().unwrap().clone(),
        passwords: BTreeMap::from([("students".to_owned(), "canary-password".into())]),
    }
}

fn flow_set() -> FlowSetDefinition {
    FlowSetDefinition {
        display_name: "north".to_owned(),
        filter: None,
    }
}

fn page(items: &[Value], next: Option<&str>) -> Reply {
    Reply::json(200, &json!({"value": items, "@odata.nextLink": next}))
}

fn ids<T>(listing: &Listing<T>, id: impl Fn(&T) -> String) -> Vec<String> {
    listing.items.iter().map(id).collect()
}

async fn list_flows(replies: impl IntoIterator<Item = Reply>) -> Result<Listing<Flow>, Error> {
    let server = Server::start(replies).await;
    server.client().list_flows(&set_id(), Lane::Poll).await
}

#[tokio::test]
async fn each_method_is_one_request_with_the_right_line() {
    let shown = |status, id| Reply::json(status, &json!({"id": id, "displayName": "north"}));
    let done = Reply::status(204);
    let accepted = Reply::status(202);
    let server = Server::start([
        shown(201, "s"),
        shown(200, set_id().as_str()),
        done.clone(),
        done.clone(),
        shown(201, "f"),
        shown(200, flow_id().as_str()),
        done.clone(),
        done,
        accepted,
    ])
    .await;
    let client = server.client();
    let (set, id, lane) = (set_id(), flow_id(), Lane::Change);
    client
        .create_flow_set(Uuid::nil(), &flow_set())
        .await
        .unwrap();
    client.get_flow_set(&set, lane).await.unwrap();
    client.update_flow_set(&set, &flow_set()).await.unwrap();
    client.delete_flow_set(&set).await.unwrap();
    client
        .create_flow(Uuid::nil(), &set, &user_flow())
        .await
        .unwrap();
    client.get_flow(&set, &id, lane).await.unwrap();
    client.update_flow(&set, &id, &user_flow()).await.unwrap();
    client.delete_flow(&set, &id).await.unwrap();
    client.reset_flow(&set, &id).await.unwrap();
    let lines: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect();
    let expected = [
        format!("POST {BASE}"),
        format!("GET {BASE}/set%2F1"),
        format!("PATCH {BASE}/set%2F1"),
        format!("DELETE {BASE}/set%2F1"),
        format!("POST {BASE}/set%2F1/provisioningFlows"),
        format!("GET {BASE}/set%2F1/provisioningFlows/flow%3F1"),
        format!("PATCH {BASE}/set%2F1/provisioningFlows/flow%3F1"),
        format!("DELETE {BASE}/set%2F1/provisioningFlows/flow%3F1"),
        format!("POST {BASE}/set%2F1/provisioningFlows/flow%3F1/reset"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn requests_say_who_sends_them() {
    let server = Server::start([Reply::json(201, &flow("f")), page(&[], None)]).await;
    let client = server.client();
    let attempt = Uuid::new_v4();
    client
        .create_flow(attempt, &set_id(), &user_flow())
        .await
        .unwrap();
    client.list_flows(&set_id(), Lane::Poll).await.unwrap();
    let [create, list] = server.received().try_into().unwrap();
    assert_eq!(create.header("authorization"), Some("Bearer token-1"));
    assert_eq!(
        create.header("user-agent"),
        Some("industrydata-operator/test")
    );
    assert_eq!(create.header("content-type"), Some("application/json"));
    assert_eq!(
        create.header("client-request-id"),
        Some(attempt.to_string().as_str())
    );
    let configuration = &create.json()["creationOptions"]["configurations"][0];
    assert_eq!(
        configuration["defaultPasswordSettings"]["password"],
        "canary-password"
    );
    let random: Uuid = list.header("client-request-id").unwrap().parse().unwrap();
    assert_ne!(random, attempt);
    assert_eq!(
        (list.header("content-type"), list.body.as_str()),
        (None, "")
    );
}

#[tokio::test]
async fn a_list_is_all_its_pages() {
    let server = Server::start([]).await;
    let link = format!(
        "{}{BASE}?$skiptoken=a",
        server.url.as_str().trim_end_matches('/')
    );
    let set = |id: &str| json!({"id": id, "displayName": "n", "provisioningFlows": [flow("f")]});
    server.then(page(&[set("1"), set("2")], Some(&link)));
    server.then(page(&[], Some("?$skiptoken=b")));
    server.then(page(&[set("3")], None));
    let listing = server
        .client()
        .list_flow_sets(true, Lane::Poll)
        .await
        .unwrap();
    assert_eq!(ids(&listing, |set| set.id.to_string()), ["1", "2", "3"]);
    assert_eq!(listing.items[2].flows.as_ref().unwrap().len(), 1);
    let lines: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect();
    let queries = [
        "?$expand=provisioningFlows",
        "?$skiptoken=a",
        "?$skiptoken=b",
    ];
    assert_eq!(lines, queries.map(|query| format!("GET {BASE}{query}")));
}

#[tokio::test]
async fn an_object_that_moves_between_pages_is_listed_once() {
    let mut newer = flow("A");
    newer["readinessStatus"] = "failed".into();
    let listing = list_flows([
        page(&[flow("a"), flow("b")], Some("?p")),
        page(&[newer], None),
    ])
    .await;
    let listing = listing.unwrap();
    assert_eq!(ids(&listing, |flow| flow.id.to_string()), ["A", "b"]);
    assert_eq!(listing.items[0].readiness.as_deref(), Some("failed"));
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_an_error() {
    let first = page(&[flow("a")], Some("?p"));
    for second in [
        Reply::status(500),
        Reply::Cut,
        Reply::new(200, &[], "<html>"),
        Reply::json(200, &json!({"value": {"id": "a"}})),
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"value\":[]".to_vec()),
    ] {
        let error = list_flows([first.clone(), second.clone()])
            .await
            .unwrap_err();
        assert_ne!(error.verdict().reason, Reason::TimedOut, "{second:?}");
    }
}

#[tokio::test]
async fn a_link_elsewhere_is_refused_before_anything_is_sent_there() {
    let elsewhere = Server::start([page(&[], None)]).await;
    let link = format!("{}{}?p", elsewhere.url.as_str().trim_end_matches('/'), BASE);
    let error = list_flows([page(&[], Some(&link))]).await.unwrap_err();
    assert_eq!(error.verdict().reason, Reason::UnexpectedAnswer);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_list_tells_the_time_of_its_first_page() {
    let dated = |date: &str, next: Option<&str>| {
        let body = json!({"value": [], "@odata.nextLink": next}).to_string();
        Reply::new(200, &[("date", date)], &body)
    };
    let listing = list_flows([
        dated("Mon, 23 Nov 2026 08:00:00 GMT", Some("?p")),
        dated("Mon, 23 Nov 2026 09:00:00 GMT", None),
    ])
    .await;
    assert_eq!(
        listing.unwrap().date,
        "2026-11-23T08:00:00Z".parse().unwrap()
    );
    let before = clock::now();
    let listing = list_flows([page(&[], None)]).await.unwrap();
    assert!(before <= listing.date && listing.date <= clock::now());
}

#[tokio::test]
async fn an_update_may_be_answered_in_any_good_way() {
    let body = flow("f");
    for reply in [
        Reply::status(204),
        Reply::status(202),
        Reply::new(202, &[], "\r\n"),
        Reply::json(202, &body),
        Reply::json(200, &body),
        Reply::new(200, &[], &body.to_string()),
        Reply::new(200, &[("content-type", "application/problem+json")], "{}"),
        Reply::new(201, &[("content-type", "Application/JSON;odata=x")], "{}"),
    ] {
        let server = Server::start([reply]).await;
        server
            .client()
            .update_flow(&set_id(), &flow_id(), &user_flow())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_request_repeated_once() {
    let denied = Reply::refused(401);
    let server = Server::start([denied.clone(), Reply::status(202), denied]).await;
    let client = server.client();
    client.reset_flow(&set_id(), &flow_id()).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].header("authorization"), Some("Bearer token-1"));
    assert_eq!(received[1].header("authorization"), Some("Bearer token-2"));
    let ids = received
        .iter()
        .map(|request| request.header("client-request-id"));
    assert_eq!(ids.collect::<HashSet<_>>().len(), 1);

    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    assert_eq!(error.verdict().reason, Reason::Unauthorized);
    assert_eq!(
        (server.received().len(), server.token_requests().len()),
        (3, 2)
    );
}

#[tokio::test]
async fn a_401_of_somebody_else_repeats_only_what_may_be_done_twice() {
    let page = Reply::new(401, &[("content-type", "text/html")], "<html>");
    let server = Server::start([page.clone(), page.clone(), Reply::status(204)]).await;
    let client = server.client();
    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    assert_eq!(error.verdict().certainty, Certainty::Unknown);
    assert_eq!(server.received().len(), 1);
    let server = Server::start([page, Reply::status(204)]).await;
    let client = server.client();
    client.delete_flow(&set_id(), &flow_id()).await.unwrap();
    assert_eq!(server.received().len(), 2);
}

/// Lets the program's time pass.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn what_an_old_token_is_denied_is_asked_once_more_with_a_new_one() {
    let denied = Reply::refused(403);
    let granted = Reply::status(202);
    let server = Server::start([denied.clone(), denied.clone(), granted, denied]).await;
    let client = server.client();
    let reset = async || client.reset_flow(&set_id(), &flow_id()).await;
    let verdict = reset().await.unwrap_err().verdict();
    assert_eq!(
        (verdict.certainty, verdict.reason),
        (Certainty::Refused, Reason::Forbidden)
    );
    assert_eq!(server.received().len(), 1, "the token is young");
    pass(Duration::from_secs(50)).await;
    reset().await.unwrap();
    let tokens = server.received();
    let tokens = tokens.iter().map(|request| request.header("authorization"));
    let expected = ["Bearer token-1", "Bearer token-1", "Bearer token-2"].map(Some);
    assert_eq!(tokens.collect::<Vec<_>>(), expected);
    reset().await.unwrap_err();
    assert_eq!(
        (server.received().len(), server.token_requests().len()),
        (4, 2),
        "the next is young again"
    );
}

#[tokio::test]
async fn a_gateway_that_denies_does_not_cost_the_token() {
    let page = Reply::new(403, &[("content-type", "text/html")], "<html>");
    let server = Server::start([page.clone(), page]).await;
    let client = server.client();
    client.obtain_token().await.unwrap();
    pass(Duration::from_secs(60)).await;
    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    assert_eq!(error.verdict().certainty, Certainty::Unknown);
    assert_eq!(
        (server.received().len(), server.token_requests().len()),
        (1, 1)
    );
}

#[tokio::test]
async fn where_no_new_token_is_to_be_had_the_denial_stands() {
    let first = Reply::json(200, &json!({"access_token": "token-1", "expires_in": 3599}));
    let tokens = [first, Reply::status(503)];
    let server = Server::with_tokens([Reply::refused(403), page(&[], None)], tokens).await;
    let client = server.client();
    client.obtain_token().await.unwrap();
    pass(Duration::from_secs(50)).await;
    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    assert_eq!(error.verdict().reason, Reason::Forbidden);
    client.list_flows(&set_id(), Lane::Poll).await.unwrap();
    assert_eq!(server.token_requests().len(), 2, "the old one goes on");
}

/// Each request that the client makes, by number.
async fn attempt(client: &Client, operation: usize) -> Result<(), Error> {
    let (set, id, lane) = (set_id(), flow_id(), Lane::Change);
    match operation {
        0 => client
            .create_flow_set(Uuid::nil(), &flow_set())
            .await
            .map(drop),
        1 => client
            .create_flow(Uuid::nil(), &set, &user_flow())
            .await
            .map(drop),
        2 => client.list_flow_sets(false, lane).await.map(drop),
        3 => client.list_flows(&set, lane).await.map(drop),
        4 => client.get_flow_set(&set, lane).await.map(drop),
        5 => client.get_flow(&set, &id, lane).await.map(drop),
        6 => client.update_flow_set(&set, &flow_set()).await,
        7 => client.delete_flow_set(&set).await,
        8 => client.update_flow(&set, &id, &user_flow()).await,
        9 => client.delete_flow(&set, &id).await,
        _ => client.reset_flow(&set, &id).await,
    }
}

const OPERATIONS: usize = 11;
/// Those before it are answered with something to read.
const FIRST_CHANGE: usize = 6;

async fn assert_unexpected(operation: usize, reply: Reply) {
    let server = Server::start([reply.clone()]).await;
    let verdict = attempt(&server.client(), operation)
        .await
        .unwrap_err()
        .verdict();
    assert_eq!(
        (verdict.disposition, verdict.certainty, verdict.reason),
        (
            Disposition::Retry,
            Certainty::Unknown,
            Reason::UnexpectedAnswer
        ),
        "{operation}: {reply:?}"
    );
    assert_eq!(server.received().len(), 1, "{operation}: {reply:?}");
}

#[tokio::test]
async fn a_2xx_that_is_not_the_services_is_no_success_of_anything() {
    let html = [("content-type", "text/html; charset=utf-8")];
    let error = json!({"error": {"code": "generalException", "message": "m"}});
    let good = json!({"id": "x", "value": []});
    let replies = [
        Reply::new(200, &html, "<html>Maintenance</html>"),
        Reply::new(200, &html, &good.to_string()),
        Reply::new(200, &[("content-type", "text/plain")], &good.to_string()),
        Reply::new(201, &[], "<html>"),
        Reply::new(202, &html, "<html>"),
        Reply::json(200, &error),
        Reply::json(201, &error),
        Reply::json(202, &error),
        Reply::json(200, &json!({"error": "invalid_grant"})),
        Reply::json(200, &json!(["a"])),
        Reply::json(203, &good),
        Reply::json(206, &good),
        Reply::status(200),
        Reply::status(201),
        Reply::status(205),
        Reply::status(299),
    ];
    for operation in 0..OPERATIONS {
        for reply in &replies {
            assert_unexpected(operation, reply.clone()).await;
        }
    }
    for operation in 0..FIRST_CHANGE {
        assert_unexpected(operation, Reply::status(204)).await;
        assert_unexpected(operation, Reply::json(202, &good)).await;
    }
}

#[tokio::test]
async fn a_success_whose_body_breaks_off_is_unknown() {
    for head in ["200 OK", "202 Accepted"] {
        let bytes = format!("HTTP/1.1 {head}\r\ncontent-length: 99\r\n\r\n{{");
        let server = Server::start([Reply::Bytes(bytes.into_bytes())]).await;
        let error = attempt(&server.client(), FIRST_CHANGE).await.unwrap_err();
        assert_eq!(error.verdict().certainty, Certainty::Unknown);
    }
}

#[tokio::test]
async fn json_may_begin_with_a_byte_order_mark() {
    let marked = |status, body: &Value| Reply::new(status, &[], &format!("\u{feff}{body}"));
    let token = marked(200, &json!({"access_token": "marked", "expires_in": 3599}));
    let replies = [
        marked(200, &json!({"value": [flow("a")]})),
        marked(202, &json!({})),
        marked(400, &json!({"error": {"code": "BadRequest"}})),
    ];
    let server = Server::with_tokens(replies, [token]).await;
    let client = server.client();
    let listing = client.list_flows(&set_id(), Lane::Poll).await.unwrap();
    assert_eq!(listing.items.len(), 1);
    client.reset_flow(&set_id(), &flow_id()).await.unwrap();
    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    let verdict = error.verdict();
    assert_eq!(verdict.certainty, Certainty::Refused);
    assert!(verdict.message.contains("HTTP 400, BadRequest"));
    let sent = server.received().remove(0);
    assert_eq!(sent.header("authorization"), Some("Bearer marked"));
}

#[tokio::test]
async fn reads_ask_for_words_that_are_newer_than_the_interface() {
    for operation in 0..OPERATIONS {
        let server = Server::start([]).await;
        attempt(&server.client(), operation).await.unwrap_err();
        let request = server.received().remove(0);
        let wanted = request
            .line
            .starts_with("GET ")
            .then_some("include-unknown-enum-members");
        assert_eq!(request.header("prefer"), wanted, "{}", request.line);
    }
}

#[tokio::test]
async fn only_the_service_says_that_an_object_is_not_there() {
    let get = async |reply: Reply| {
        let server = Server::start([reply.clone(), reply]).await;
        let client = server.client();
        let flow = client
            .get_flow(&set_id(), &"F".parse().unwrap(), Lane::User)
            .await;
        let set = client.get_flow_set(&"F".parse().unwrap(), Lane::User).await;
        assert_eq!(
            (flow.is_ok(), set.is_ok()),
            (set.is_ok(), flow.is_ok()),
            "both the same"
        );
        flow.map(|flow| flow.map(|flow| flow.id.to_string()))
    };
    let there = get(Reply::json(200, &flow("f"))).await.unwrap();
    assert_eq!(there.as_deref(), Some("f"));
    assert_eq!(get(Reply::refused(404)).await.unwrap(), None);
    for reply in [
        Reply::status(404),
        Reply::new(404, &[("content-type", "text/html")], "<html>"),
        Reply::json(404, &json!({"error": "not_found"})),
        Reply::json(404, &json!({"error": {"code": 404}})),
        Reply::refused(410),
        Reply::refused(403),
        Reply::json(200, &flow("another")),
        Reply::status(500),
    ] {
        get(reply).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_list_ends_with_an_empty_link_and_with_one_that_repeats() {
    for last in ["", " \t", "?p", ""] {
        let first = page(&[flow("a")], Some("?p"));
        let listing = list_flows([first, page(&[flow("b")], Some(last))]).await;
        let listing = listing.unwrap();
        assert_eq!(ids(&listing, |flow| flow.id.to_string()), ["a", "b"]);
        assert_eq!(listing.unread, 0);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_understood_costs_itself_only() {
    let odd = [json!(7), json!(null), json!({"no": "id"}), json!({"id": 7})];
    let items = [&[flow("a")], &odd[..], &[flow("b")]].concat();
    let replies = [
        page(&items, Some("?p")),
        page(&[json!("x"), flow("c")], None),
    ];
    let server = Server::start([replies.clone(), replies].concat()).await;
    let client = server.client();
    let flows = client.list_flows(&set_id(), Lane::Poll).await.unwrap();
    assert_eq!(ids(&flows, |flow| flow.id.to_string()), ["a", "b", "c"]);
    let sets = client.list_flow_sets(true, Lane::Poll).await.unwrap();
    assert_eq!(ids(&sets, |set| set.id.to_string()), ["a", "b", "c"]);
    assert_eq!((flows.unread, sets.unread), (5, 5));
    assert_eq!(sets.items[0].display_name, "");
}

#[tokio::test]
async fn a_reset_never_goes_out_on_a_connection_that_was_idle() {
    let client = async || {
        let (url, answered) = fickle().await;
        let transport = transport(&url, Duration::from_secs(5));
        let client = Client::new(transport, account(), SECRET.into(), unobserved());
        client.obtain_token().await.unwrap();
        (client, answered)
    };
    let (pooled, answered) = client().await;
    let lost = pooled.delete_flow(&set_id(), &flow_id()).await;
    assert_eq!(
        lost.unwrap_err().verdict().certainty,
        Certainty::Unknown,
        "this is how a request is lost"
    );
    assert_eq!(answered.load(std::sync::atomic::Ordering::SeqCst), 1);

    let (alone, answered) = client().await;
    for _ in 0..3 {
        alone.reset_flow(&set_id(), &flow_id()).await.unwrap();
    }
    assert_eq!(answered.load(std::sync::atomic::Ordering::SeqCst), 4);
}

#[tokio::test]
async fn nothing_else_is_ever_repeated() {
    for reply in [
        Reply::Cut,
        Reply::status(400),
        Reply::status(401),
        Reply::refused(403),
        Reply::status(408),
        Reply::status(429),
        Reply::status(500),
        Reply::status(503),
        Reply::new(201, &[], "not json"),
    ] {
        let server = Server::start([reply.clone(), Reply::json(201, &flow("f"))]).await;
        let result = server
            .client()
            .create_flow(Uuid::nil(), &set_id(), &user_flow())
            .await;
        let error = result.unwrap_err();
        assert!(
            !matches!(error, Error::Request { source, .. } if matches!(*source, Failure::TimedOut))
        );
        assert_eq!(server.received().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_time_out_leaves_the_effect_unknown_and_a_missing_token_does_not() {
    let server = Server::start([Reply::Hang(Vec::new())]).await;
    let (client, _) = server.client_with(SHORT, unobserved());
    let create = async || {
        let error = client
            .create_flow(Uuid::nil(), &set_id(), &user_flow())
            .await
            .unwrap_err();
        error.verdict()
    };
    let start = std::time::Instant::now();
    let verdict = create().await;
    assert!(start.elapsed() < client.longest_call());
    assert_eq!(
        (verdict.certainty, verdict.reason),
        (Certainty::Unknown, Reason::TimedOut)
    );

    let server = Server::with_tokens([], [Reply::Hang(Vec::new())]).await;
    let (client, _) = server.client_with(SHORT, unobserved());
    let error = client.reset_flow(&set_id(), &flow_id()).await.unwrap_err();
    let verdict = error.verdict();
    assert_eq!(
        (verdict.certainty, verdict.reason),
        (Certainty::NotSent, Reason::TimedOut)
    );
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_throttled_answer_closes_the_budget_for_the_other_requests() {
    let reply = Reply::new(429, &[("retry-after", "2.5")], "");
    let server = Server::start([reply, page(&[], None)]).await;
    let client = server.client();
    let first = client
        .list_flows(&set_id(), Lane::Poll)
        .await
        .unwrap_err()
        .verdict();
    let after = Some(Duration::from_millis(2500));
    assert_eq!(first.disposition, Disposition::Throttled { after });
    assert_eq!(first.certainty, Certainty::Throttled);
    let second = client.delete_flow(&set_id(), &flow_id()).await.unwrap_err();
    assert!(matches!(second, Error::BudgetClosed { .. }));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn other_failures_leave_the_budget_open() {
    let server = Server::start([Reply::status(500), Reply::status(404), Reply::Cut]).await;
    let (client, account) = server.client_with(SHORT, unobserved());
    let budget = account.budget();
    for _ in 0..3 {
        client.delete_flow(&set_id(), &flow_id()).await.unwrap_err();
    }
    assert_eq!(budget.closed_for(), Duration::ZERO);
    assert!((budget.rate() - 1000.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn the_observer_is_told_of_everything() {
    let (observer, told) = listener();
    let throttled = Reply::new(429, &[("retry-after", "60")], "");
    let replies = [
        page(&[], Some("?p")),
        page(&[], None),
        Reply::refused(404),
        throttled,
    ];
    let server = Server::start(replies).await;
    let (client, _) = server.client_with(SHORT, observer);
    client.list_flows(&set_id(), Lane::Poll).await.unwrap();
    for _ in 0..3 {
        drop(client.delete_flow(&set_id(), &flow_id()).await);
    }
    let expected = [
        (Operation::FetchToken, Outcome::Success),
        (Operation::ListFlows, Outcome::Success),
        (Operation::ListFlows, Outcome::Success),
        (Operation::DeleteFlow, Outcome::Failure(Reason::NotFound)),
        (Operation::DeleteFlow, Outcome::Failure(Reason::Throttled)),
        (Operation::DeleteFlow, Outcome::Failure(Reason::Throttled)),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn errors_hold_nothing_that_was_sent_or_received() {
    let echo = json!({"error": {"code": "canary code", "message": SECRET, "innerError": {
        "canary-password": "canary-password"}}});
    for reply in [
        Reply::json(400, &echo),
        Reply::json(201, &echo),
        Reply::new(201, &[], "canary"),
        Reply::Cut,
        Reply::Hang(Vec::new()),
        Reply::Bytes(b"HTTP/9 canary\r\n\r\n".to_vec()),
        Reply::new(201, &[("canary", "canary\u{1}")], ""),
    ] {
        let server = Server::start([reply]).await;
        let (client, _) = server.client_with(SHORT, unobserved());
        let result = client
            .create_flow(Uuid::nil(), &set_id(), &user_flow())
            .await;
        let error = result.unwrap_err();
        let chain = successors(Some(&error as &dyn StdError), |error| (*error).source());
        let chain: Vec<_> = chain.map(ToString::to_string).collect();
        let shown = format!("{error:?} {:?} {client:?} {chain:?}", error.verdict());
        for hidden in ["canary", "token-1", "127.0.0.1"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}
