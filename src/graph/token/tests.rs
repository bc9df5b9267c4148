use std::time::Duration;

use futures::future::join_all;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;
use crate::graph::{
    Malformed,
    error::Error,
    operation::unobserved,
    testing::{Reply, SECRET, Server, TENANT, account},
};

fn source(server: &Server) -> TokenSource {
    TokenSource::new(
        server.transport(Duration::from_secs(4)),
        account(),
        SECRET.into(),
        unobserved(),
    )
}

#[tokio::test]
async fn the_request_is_the_client_credentials_grant() {
    let server = Server::start([]).await;
    let token = source(&server).get().await.unwrap();
    assert_eq!(token.header, "Bearer token-1");
    let request = server.token_requests().remove(0);
    assert_eq!(request.line, format!("POST /{TENANT}/oauth2/v2.0/token"));
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form: Vec<_> = url::form_urlencoded::parse(request.body.as_bytes())
        .into_owned()
        .collect();
    let scope = format!("{}.default", server.url);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "client"),
        ("scope", &scope),
        ("client_secret", SECRET),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn many_callers_are_one_request() {
    let server = Server::start([]).await;
    let source = source(&server);
    let tokens = join_all((0..200).map(|_| source.get())).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().header == "Bearer token-1")
    );
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn many_callers_share_one_failure() {
    let body = json!({"error": "invalid_client", "error_codes": [7_000_215],
        "error_description": "canary-description"});
    let server = Server::with_tokens([], [Reply::json(401, &body)]).await;
    let source = source(&server);
    for result in join_all((0..200).map(|_| source.get())).await {
        let error = Error::NoToken {
            operation: Operation::ListFlows,
            source: result.unwrap_err(),
        };
        let verdict = error.verdict();
        assert!(
            verdict
                .message
                .contains("HTTP 401, invalid_client, AADSTS7000215")
        );
        assert!(!format!("{error:?} {verdict:?}").contains("canary"));
    }
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn giving_up_on_a_token_leaves_the_way_free_for_the_next() {
    let server = Server::with_tokens([], [Reply::Hang(Vec::new())]).await;
    let source = source(&server);
    let asked = async {
        while server.token_requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = source.get() => panic!("there is no answer"),
        () = asked => {}
    }
    assert_eq!(source.get().await.unwrap().header, "Bearer token-2");
}

#[tokio::test]
async fn what_is_no_token_is_an_error() {
    for body in [
        "",
        "<html>canary</html>",
        "{}",
        r#"{"access_token":""}"#,
        r#"{"access_token":"can\nary"}"#,
    ] {
        let server = Server::with_tokens([], [Reply::new(200, &[], body)]).await;
        let failure = source(&server).get().await.unwrap_err();
        assert!(
            matches!(*failure, Failure::Malformed(Malformed::Token)),
            "{body}"
        );
        assert!(!format!("{failure:?} {failure}").contains("canary"));
    }
}

#[tokio::test]
async fn a_redirect_does_not_get_the_secret() {
    let elsewhere = Server::start([]).await;
    let location = format!("{}t/oauth2/v2.0/token", elsewhere.url);
    let redirect = Reply::new(308, &[("location", &location)], "");
    let server = Server::with_tokens([], [redirect]).await;
    assert!(source(&server).get().await.is_err());
    assert!(elsewhere.token_requests().is_empty());
}

#[test]
fn neither_credential_nor_token_shows_itself() {
    let mut header = HeaderValue::from_static("Bearer canary-token");
    header.set_sensitive(true);
    let token = AccessToken {
        header,
        generation: 1,
    };
    let account = account();
    drop(account.cache(&SECRET.into()));
    let shown = format!("{account:?} {token:?}");
    assert!(!shown.contains("canary"), "{shown}");
}
