use std::time::Duration;

use serde_json::json;

use super::*;
use crate::graph::{
    Client, Disposition, Error, FlowSetId, Priority, Reason,
    testing::{Reply, SECRET, Server, account},
    unobserved,
};

fn client(server: &Server, account: &Account, secret: &str) -> Client {
    let transport = server.transport(Duration::from_secs(10));
    Client::new(transport, account.clone(), secret.into(), unobserved())
}

fn set_id() -> FlowSetId {
    "set".parse().unwrap()
}

/// Lists, and returns the token that was sent.
async fn token(server: &Server, client: &Client) -> String {
    server.then(Reply::json(200, &json!({"value": []})));
    client.list_flows(&set_id(), Priority::Poll).await.unwrap();
    let sent = server.received().pop().unwrap();
    sent.header("authorization").unwrap().to_owned()
}

#[tokio::test]
async fn a_token_outlives_its_client_and_belongs_to_its_secret() {
    let (server, account) = (Server::start([]).await, account());
    let first = client(&server, &account, SECRET);
    assert_eq!(token(&server, &first).await, "Bearer token-1");
    drop(first);
    let again = client(&server, &account, SECRET);
    assert_eq!(token(&server, &again).await, "Bearer token-1");
    let other = client(&server, &account, "another");
    assert_eq!(token(&server, &other).await, "Bearer token-2");
    assert_eq!(token(&server, &again).await, "Bearer token-1");
    let back = client(&server, &account, SECRET);
    assert_eq!(token(&server, &back).await, "Bearer token-1");
    let stranger = client(&server, &crate::graph::testing::account(), SECRET);
    assert_eq!(token(&server, &stranger).await, "Bearer token-3");
}

#[tokio::test]
async fn a_refused_secret_is_remembered_and_does_not_stop_another() {
    let refused = json!({"error": "invalid_client", "error_codes": [7_000_215]});
    let refused = Reply::json(401, &refused);
    let (server, account) = (Server::with_tokens([], [refused]).await, account());
    for _ in 0..3 {
        let client = client(&server, &account, "wrong");
        let error = client.obtain_token().await.unwrap_err();
        assert_eq!(error.verdict().reason, Reason::ClientSecretInvalid);
        assert_eq!(
            error.verdict().message,
            "Could not obtain an access token: the authority answered HTTP 401, invalid_client, \
             AADSTS7000215. The Secret must contain the value of the client secret, not its id: \
             correct it."
        );
    }
    assert_eq!(server.token_requests().len(), 1);
    let right = client(&server, &account, SECRET);
    right.obtain_token().await.unwrap();
    right.obtain_token().await.unwrap();
    assert_eq!(server.token_requests().len(), 2);
}

#[tokio::test]
async fn a_pause_that_the_authority_asks_for_is_for_every_secret() {
    let (server, account) = (Server::start([]).await, account());
    let old = client(&server, &account, SECRET);
    old.obtain_token().await.unwrap();
    let pause = Reply::new(429, &[("retry-after", "60")], "");
    server.then_token(pause);
    for secret in ["one", "two"] {
        let client = client(&server, &account, secret);
        let error = client.obtain_token().await.unwrap_err();
        let after = Some(Duration::from_mins(1));
        let verdict = error.verdict();
        assert_eq!(verdict.disposition, Disposition::Throttled { after });
    }
    assert_eq!(server.token_requests().len(), 2);
    assert_eq!(token(&server, &old).await, "Bearer token-1");
}

#[tokio::test]
async fn a_pause_that_the_service_asks_for_outlives_the_client_that_met_it() {
    let pause = Reply::new(429, &[("retry-after", "40")], "");
    let (server, account) = (Server::start([pause]).await, account());
    let first = client(&server, &account, SECRET);
    first
        .list_flows(&set_id(), Priority::Poll)
        .await
        .unwrap_err();
    for secret in [SECRET, "another"] {
        let client = client(&server, &account, secret);
        let error = client
            .list_flows(&set_id(), Priority::User)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::BudgetClosed { .. }), "{error:?}");
    }
    assert_eq!(server.received().len(), 1);
}

#[test]
fn credentials_of_long_ago_are_forgotten() {
    let account = account();
    let known = |text: &str| Arc::as_ptr(&account.known(&text.into()));
    let first = account.known(&"1".into());
    known("2");
    known("3");
    assert_eq!(known("1"), Arc::as_ptr(&first), "used again");
    known("4");
    assert_eq!(known("1"), Arc::as_ptr(&first));
    for text in ["5", "6", "7"] {
        known(text);
    }
    assert_ne!(known("1"), Arc::as_ptr(&first));
    assert_eq!(locked(&account.shared.credentials).len(), MAX_CREDENTIALS);
}

#[test]
fn credentials_can_be_forgotten() {
    let account = account();
    account.known(&"1".into());
    account.forget_credentials();
    assert_eq!(locked(&account.shared.credentials).len(), 0);
}
