mod bounds;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tracing::Dispatch;

use super::connections::LAST_ANSWERS;
use super::*;
use crate::shard::ShardCount;
use crate::telemetry;

struct Server {
    address: SocketAddr,
    metrics: Metrics,
    readiness: ReadyState,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    /// Its filter ends with it.
    _log: Dispatch,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::new();
        let readiness = ReadyState::new("waiting for the cluster");
        let shutdown = CancellationToken::new();
        let (log, filter) = telemetry::unread("info");
        let served = serve(
            listener,
            metrics.clone(),
            readiness.clone(),
            Some(filter),
            shutdown.clone(),
        );
        Self {
            address,
            metrics,
            readiness,
            shutdown,
            task: tokio::spawn(served),
            _log: log,
        }
    }

    /// The whole answer, head and body.
    async fn get(&self, path: &str) -> String {
        self.request("GET", path).await
    }

    async fn request(&self, method: &str, path: &str) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) {
        self.shutdown.cancel();
        let stopped = timeout(Duration::from_secs(10), self.task).await;
        stopped.expect("it stops").unwrap();
    }
}

#[tokio::test]
async fn the_log_filter_is_read_and_changed_from_loopback() {
    let server = Server::start().await;
    let line = |answer: String| answer.lines().last().unwrap_or_default().to_owned();
    assert_eq!(line(server.get("/log-filter").await), "info");

    let changed = "/log-filter?warn,industrydata_operator%3Ddebug";
    let answer = server.request("PUT", changed).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        line(server.get("/log-filter").await),
        "warn,industrydata_operator=debug"
    );
    for (method, path, code) in [
        ("PUT", "/log-filter?a=loud", 400),
        ("PUT", "/log-filter", 400),
        ("POST", "/log-filter?info", 405),
        ("DELETE", "/log-filter", 405),
        ("PUT", "/metrics", 405),
    ] {
        let answer = server.request(method, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
    }
    assert_eq!(
        line(server.get("/log-filter").await),
        "warn,industrydata_operator=debug"
    );
    server.stop().await;
}

#[test]
fn nobody_else_reaches_the_log_filter() {
    let (_log, filter) = telemetry::unread("info");
    let change = Request::put("/log-filter?trace").body(()).unwrap();
    for (peer, status) in [
        ("10.0.0.1", StatusCode::FORBIDDEN),
        ("2001:db8::1", StatusCode::FORBIDDEN),
        ("::ffff:10.0.0.1", StatusCode::FORBIDDEN),
        ("::ffff:127.0.0.1", StatusCode::OK),
        ("::1", StatusCode::OK),
    ] {
        filter.change("info").unwrap();
        let (answered, _) = log_filter::answer(&change, peer.parse().unwrap(), Some(&filter));
        assert_eq!(answered, status, "{peer}");
        let in_force = filter.directives();
        assert_eq!(in_force == "trace", status == StatusCode::OK, "{peer}");
    }
}

#[tokio::test]
async fn readiness_follows_the_state() {
    let server = Server::start().await;
    let second = Shard::new(2, ShardCount::new(3).unwrap()).unwrap();

    for (state, code, line) in [
        (None, 503, "waiting for the cluster"),
        (
            Some(ServerState::Starting("waiting for the caches")),
            503,
            "waiting for the caches",
        ),
        (Some(ServerState::Standby), 200, "standby"),
        (Some(ServerState::Leading(Shard::ONLY)), 200, "leading"),
        (
            Some(ServerState::Leading(second)),
            200,
            "leading shard 2 of 3",
        ),
        (Some(ServerState::Stopping), 503, "stopping"),
    ] {
        if let Some(state) = state {
            server.readiness.set(state);
        }

        let answer = server.get("/readyz").await;

        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{state:?}: {answer}"
        );
        assert!(
            answer.ends_with(&format!("\r\n\r\n{line}\n")),
            "{state:?}: {answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn the_process_is_alive_in_every_state() {
    let server = Server::start().await;

    for state in [
        ServerState::Starting("busy"),
        ServerState::Leading(Shard::ONLY),
        ServerState::Stopping,
    ] {
        server.readiness.set(state);
        let answer = server.get("/livez").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{state:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_served_as_open_metrics() {
    let server = Server::start().await;
    server.metrics.leads(Some(Shard::ONLY));

    let answer = server.get("/metrics").await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(
        answer.contains("\nindustrydata_operator_leader 1\n"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = Server::start().await;

    let answer = server.get("/").await;

    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_up_the_end() {
    let server = Server::start().await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection
        .write_all(b"GET /livez HTTP/1.1\r\n")
        .await
        .unwrap();
    // Only when this one is answered is the other sure to be accepted.
    server.get("/livez").await;
    let began = Instant::now();

    server.stop().await;

    assert!(began.elapsed() < LAST_ANSWERS * 3);
}

#[tokio::test]
async fn a_watch_that_does_not_deliver_is_named() {
    let readiness = ReadyState::new("waiting");
    readiness.set(ServerState::Leading(Shard::ONLY));
    let (dead, fine) = (
        readiness.watches().begin("GraphConnection"),
        readiness.watches().begin("ProvisioningFlow"),
    );
    assert_eq!(
        leading(Shard::ONLY, &readiness),
        (StatusCode::OK, "leading\n".to_owned())
    );

    tokio::time::pause();
    for _ in 0..4 {
        fine.delivered();
        dead.failed();
        tokio::time::advance(Duration::from_secs(25)).await;
    }

    let (status, line) = leading(Shard::ONLY, &readiness);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        line.contains("from the cluster for: GraphConnection;"),
        "{line}"
    );
}
