//! What a refused token is worth.

use super::*;

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
    pass(Duration::from_mins(1)).await;
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
    client.list_flows(&set_id(), Priority::Poll).await.unwrap();
    assert_eq!(server.token_requests().len(), 2, "the old one goes on");
}
