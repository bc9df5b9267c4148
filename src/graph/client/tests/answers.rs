//! Which answers are believed.

use super::*;

/// Each request that the client makes, by number.
async fn attempt(client: &Client, operation: usize) -> Result<(), Error> {
    let (set, id, priority) = (set_id(), flow_id(), Priority::Change);
    match operation {
        0 => client
            .create_flow_set(Uuid::nil(), &flow_set())
            .await
            .map(drop),
        1 => client
            .create_flow(Uuid::nil(), &set, &user_flow(), &passwords())
            .await
            .map(drop),
        2 => client.list_flow_sets(priority).await.map(drop),
        3 => client.list_flows(&set, priority).await.map(drop),
        4 => client.get_flow_set(&set, priority).await.map(drop),
        5 => client.get_flow(&set, &id, priority).await.map(drop),
        6 => client.update_flow_set(&set, &flow_set()).await,
        7 => client.delete_flow_set(&set).await,
        8 => {
            client
                .update_flow(&set, &id, &user_flow(), &passwords())
                .await
        }
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
    let listing = client.list_flows(&set_id(), Priority::Poll).await.unwrap();
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
            .get_flow(&set_id(), &"F".parse().unwrap(), Priority::User)
            .await;
        let set = client
            .get_flow_set(&"F".parse().unwrap(), Priority::User)
            .await;
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
