//! What clients cannot do that never finish, or never stop.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream as Plain};

use hyper::body::Incoming;
use tokio::net::TcpSocket;

use super::*;
use crate::admin::connections::{
    CONNECTION_TIMEOUT, HEAD_TIMEOUT, MAX_HEAD, MAX_HEADERS, answer_all, surplus,
};

/// The time limit of a probe of the kubelet.
const PROBE: Duration = Duration::from_secs(1);

/// A connection from another address than that of the probes.
async fn stranger(server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

fn is_open(connection: &Plain) -> bool {
    match connection.peek(&mut [0]) {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

impl Server {
    /// The whole response to these bytes, which may end with a reset.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        // What is written after the server has answered is lost.
        let _ = connection.write_all(bytes).await;
        let mut response = Vec::new();
        let _ = connection.read_to_end(&mut response).await;
        String::from_utf8(response).unwrap()
    }

    async fn probe(&self) -> String {
        let answered = timeout(PROBE, self.get("/livez")).await;
        answered.expect("a probe is answered in time")
    }
}

#[tokio::test]
async fn many_idle_connections_replace_each_other_and_no_probe() {
    let server = Server::start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let connection = stranger(server.address).await;
        idle.push(connection.into_std().unwrap());
        if idle.len() % 20 == 0 {
            assert!(server.probe().await.ends_with("alive\n"));
        }
    }
    let open = idle.iter().filter(|one| is_open(one)).count();
    assert!(open <= 16, "{open} are open");
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_stops_connecting_delays_no_probe_of_another() {
    let server = Server::start().await;
    let address = server.address;
    let flood = tokio::spawn(async move {
        let mut connections = std::collections::VecDeque::new();
        loop {
            let mut connection = stranger(address).await;
            let _ = connection.write_all(b"GET /metrics HTTP/1.1\r\n").await;
            connections.push_back(connection);
            if connections.len() > 100 {
                connections.pop_front();
            }
        }
    });
    for _ in 0..100 {
        assert!(server.probe().await.ends_with("alive\n"));
    }
    flood.abort();
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_its_head_slowly_is_disconnected() {
    let server = Server::start().await;
    let mut slow = stranger(server.address).await;
    let began = Instant::now();
    let (mut reader, mut writer) = slow.split();
    let write = async {
        let _ = writer.write_all(b"GET /livez HTTP/1.1\r\nA: ").await;
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let read = async {
        let _ = reader.read_to_end(&mut Vec::new()).await;
    };
    select_first(write, read).await;
    assert!(began.elapsed() < HEAD_TIMEOUT * 2, "{:?}", began.elapsed());
    server.stop().await;
}

/// Comes when one of the two is done.
async fn select_first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_disconnected() {
    const SIZE: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let large = |_: &Request<Incoming>, _| Response::new(Full::from(vec![b'a'; SIZE]));
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(answer_all(listener, large, shutdown.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    client.read_exact(&mut [0; 64]).await.unwrap();

    tokio::time::pause();
    tokio::time::advance(CONNECTION_TIMEOUT).await;
    tokio::time::resume();

    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(rest.len() < SIZE / 2, "{} bytes", rest.len());
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start().await;

    let many = "A: b\r\n".repeat(MAX_HEADERS + 1);
    let request = format!("GET /livez HTTP/1.1\r\n{many}\r\n");
    let response = server.send(request.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");

    let long = "b".repeat(MAX_HEAD * 100);
    let request = format!("GET /livez HTTP/1.1\r\nA: {long}\r\n\r\n");
    let response = server.send(request.as_bytes()).await;
    let is_refused = response.is_empty() || response.starts_with("HTTP/1.1 431 ");
    assert!(is_refused, "{response}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_not_awaited_and_a_connection_not_kept() {
    let server = Server::start().await;
    let length = "Content-Length: 1000000000\r\n";
    for (request, told) in [
        (
            format!("GET /livez HTTP/1.1\r\n{length}\r\n"),
            "HTTP/1.1 200 ",
        ),
        (
            format!("POST /livez HTTP/1.1\r\n{length}\r\n"),
            "HTTP/1.1 405 ",
        ),
        ("HEAD /livez HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 200 "),
    ] {
        let response = timeout(PROBE, server.send(request.as_bytes())).await;
        let response = response.expect("the connection is closed");
        assert!(response.starts_with(told), "{response}");
    }
    server.stop().await;
}

#[test]
fn the_peer_with_the_most_connections_loses_its_oldest() {
    let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
    for (open, new, replaced) in [
        (vec![a, b, c], a, 0),
        (vec![a, b, b], a, 0),
        (vec![a, b, b], c, 1),
        (vec![a, b, b, b], a, 1),
        (vec![b, a, b, a], c, 0),
    ] {
        assert_eq!(surplus(&open, new), replaced, "{open:?} and {new}");
    }
}
