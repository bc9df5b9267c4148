use super::*;
use crate::graph::testing::{Reply, Server};

const TIMEOUT: Duration = Duration::from_millis(300);

fn check(url: &str) -> Result<(), EndpointError> {
    check_endpoint(&url.parse().unwrap())
}

async fn send(reply: Reply) -> Result<Answer, Failure> {
    send_within(TIMEOUT, reply).await
}

async fn send_within(limit: Duration, reply: Reply) -> Result<Answer, Failure> {
    let server = Server::start([reply]).await;
    let transport = server.transport(limit);
    let request = transport.http().get(transport.graph().at(["x"]));
    let account = Intake::of_account();
    transport
        .send(request, Instant::now() + limit, &account)
        .await
}

#[test]
fn tokens_go_over_https_or_not_off_the_machine() {
    for url in [
        "https://graph.microsoft.com",
        "https://graph.microsoft.com:8443/",
        "http://localhost:1",
        "http://127.8.9.1:1/",
        "http://[::1]:1",
    ] {
        assert_eq!(check(url), Ok(()), "{url}");
    }
    for url in [
        "http://graph.microsoft.com",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "ftp://localhost",
        "mailto:a@b",
        "unix:/run/socket",
    ] {
        assert_eq!(check(url), Err(EndpointError::Insecure), "{url}");
    }
}

#[test]
fn an_endpoint_is_an_origin_and_no_more() {
    assert_eq!(
        check("https://u@graph.example"),
        Err(EndpointError::Credentials)
    );
    assert_eq!(
        check("https://:p@graph.example"),
        Err(EndpointError::Credentials)
    );
    for url in [
        "https://graph.example/beta",
        "https://g.example/?q",
        "https://g.example/#f",
    ] {
        assert_eq!(check(url), Err(EndpointError::NotAnOrigin), "{url}");
    }
}

#[test]
fn a_path_segment_cannot_leave_its_place() {
    let endpoint = Endpoint::new("https://graph.example".parse().unwrap()).unwrap();
    let url = endpoint.at(["beta", "a/../b?c#d%2e", "é"]);
    assert_eq!(
        url.as_str(),
        "https://graph.example/beta/a%2F..%2Fb%3Fc%23d%252e/%C3%A9"
    );
}

#[test]
fn unreadable_certificates_are_told_at_once() {
    let settings = TransportSettings {
        graph_endpoint: "https://graph.example".parse().unwrap(),
        authority_endpoint: "https://login.example".parse().unwrap(),
        token_scope: "https://graph.example/.default".to_owned(),
        assertion_audience: "https://login.example".parse().unwrap(),
        ca_certificates: Some(
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".to_vec(),
        ),
        request_timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        user_agent: "test".to_owned(),
    };
    let error = Transport::new(settings).unwrap_err();
    assert!(matches!(
        error,
        TransportError::Certificates(_) | TransportError::Setup(_)
    ));
}

#[test]
fn the_authorities_that_are_built_in_are_usable() {
    ensure_crypto_provider();
    let authorities = built_in().unwrap();
    assert!(authorities.len() > 50, "{}", authorities.len());
    let client = reqwest::Client::builder().tls_certs_only(authorities);
    client.build().unwrap();
}

#[test]
fn a_store_of_authorities_that_cannot_be_read_is_not_replaced() {
    let unreadable = rustls_native_certs::load_certs_from_paths(Some("/nowhere".as_ref()), None);
    assert!(!has_no_authorities(&unreadable));
    assert!(has_no_authorities(&CertificateResult::default()));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_an_order() {
    let elsewhere = Server::start([]).await;
    let reply = Reply::new(307, &[("location", elsewhere.url.as_str())], "");
    let failure = send(reply).await.err().unwrap();
    assert!(matches!(failure, Failure::Refused(refusal) if refusal.status == 307));
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
    for reply in [
        Reply::Hang(Vec::new()),
        Reply::Hang(head.clone()),
        Reply::Drip(head, Duration::from_millis(10)),
    ] {
        let body = send(reply).await.and_then(|answer| answer.body);
        assert!(matches!(body, Err(Failure::TimedOut)), "{body:?}");
    }
}

#[tokio::test]
async fn a_refusal_stands_even_if_its_body_never_ends() {
    let head = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let failure = send(Reply::Hang(head)).await.err().unwrap();
    assert!(matches!(failure, Failure::Refused(refusal) if refusal.status == 403));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    // Megabytes take longer than an answer that hangs is waited for.
    let limit = Duration::from_mins(1);
    let fits = "x".repeat(MAX_BODY);
    let answer = send_within(limit, Reply::new(200, &[], &fits)).await;
    assert_eq!(answer.unwrap().body.unwrap().len(), MAX_BODY);
    let answer = send_within(limit, Reply::new(200, &[], &(fits + "x"))).await;
    let body = answer.unwrap().body;
    assert!(matches!(body, Err(Failure::TooLarge)));
}

#[tokio::test]
async fn of_a_large_refusal_only_the_status_counts() {
    let refusal = async |padding: usize| {
        let message = "x".repeat(padding);
        let error = serde_json::json!({"error": {"code": "Forbidden", "message": message}});
        let reply = Reply::json(403, &error);
        let failure = send_within(Duration::from_mins(1), reply).await;
        match failure.err().unwrap() {
            Failure::Refused(refusal) => refusal.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(MAX_ERROR_BODY / 2).await, "HTTP 403, Forbidden");
    assert_eq!(refusal(MAX_ERROR_BODY).await, "HTTP 403");
}

#[tokio::test]
async fn what_was_never_sent_differs_from_what_may_have_been() {
    let cut = send(Reply::Cut).await.err().unwrap();
    assert!(matches!(cut, Failure::Interrupted(_)));
    let server = Server::start([]).await;
    let transport = server.transport(TIMEOUT);
    drop(server);
    tokio::task::yield_now().await;
    let request = transport.http().get(transport.graph().at(["x"]));
    let failure = transport
        .send(request, Instant::now() + TIMEOUT, &Intake::of_account())
        .await
        .err()
        .unwrap();
    assert!(matches!(failure, Failure::Unconnected(_)), "{failure:?}");
}
