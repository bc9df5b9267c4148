mod answers;
mod lists;
mod tokens;

use std::{collections::HashSet, error::Error as StdError, iter::successors};

use serde_json::{Value, json};

use super::*;
use crate::graph::{
    Certainty, Disposition, FlowType, Reason,
    operation::{RequestOutcome, unobserved},
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
    }
}

fn passwords() -> Passwords {
    Passwords::from([("students".to_owned(), "canary-password".into())])
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
    let (set, id, priority) = (set_id(), flow_id(), Priority::Change);
    client
        .create_flow_set(Uuid::nil(), &flow_set())
        .await
        .unwrap();
    client.get_flow_set(&set, priority).await.unwrap();
    client.update_flow_set(&set, &flow_set()).await.unwrap();
    client.delete_flow_set(&set).await.unwrap();
    client
        .create_flow(Uuid::nil(), &set, &user_flow(), &passwords())
        .await
        .unwrap();
    client.get_flow(&set, &id, priority).await.unwrap();
    client
        .update_flow(&set, &id, &user_flow(), &passwords())
        .await
        .unwrap();
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
        .create_flow(attempt, &set_id(), &user_flow(), &passwords())
        .await
        .unwrap();
    client.list_flows(&set_id(), Priority::Poll).await.unwrap();
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
            .update_flow(&set_id(), &flow_id(), &user_flow(), &passwords())
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
            .create_flow(Uuid::nil(), &set_id(), &user_flow(), &passwords())
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
            .create_flow(Uuid::nil(), &set_id(), &user_flow(), &passwords())
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
        .list_flows(&set_id(), Priority::Poll)
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
    client.list_flows(&set_id(), Priority::Poll).await.unwrap();
    for _ in 0..3 {
        drop(client.delete_flow(&set_id(), &flow_id()).await);
    }
    let expected = [
        (Operation::FetchToken, RequestOutcome::Success),
        (Operation::ListFlows, RequestOutcome::Success),
        (Operation::ListFlows, RequestOutcome::Success),
        (
            Operation::DeleteFlow,
            RequestOutcome::Failure(Reason::NotFound),
        ),
        (
            Operation::DeleteFlow,
            RequestOutcome::Failure(Reason::Throttled),
        ),
        (
            Operation::DeleteFlow,
            RequestOutcome::Failure(Reason::Throttled),
        ),
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
            .create_flow(Uuid::nil(), &set_id(), &user_flow(), &passwords())
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
