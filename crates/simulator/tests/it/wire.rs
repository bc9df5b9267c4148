//! What a cut looks like to a client that reads bytes.

use std::io::ErrorKind;

use industrydata_simulator::{BodyFault, Effect, Rule};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{Bench, SETS, eventually};

/// Sends a request and reads until the connection ends, however it ends.
async fn raw(bench: &Bench) -> (Vec<u8>, Result<(), ErrorKind>) {
    let address = bench.simulator.graph_endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let token = &bench.token;
    let request =
        format!("GET {SETS} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = stream
        .read_to_end(&mut bytes)
        .await
        .map(|_| ())
        .map_err(|error| error.kind());
    (bytes, end)
}

#[tokio::test]
async fn a_cut_connection_is_reset_without_a_byte_of_an_answer() {
    let bench = Bench::new().await;
    for effect in [Effect::CutBefore, Effect::CutAfterCommit] {
        bench.simulator.inject(Rule::new(effect));
        let (bytes, end) = raw(&bench).await;
        assert_eq!(
            (bytes.as_slice(), end),
            (&b""[..], Err(ErrorKind::ConnectionReset))
        );
    }
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_it_brings() {
    let bench = Bench::new().await;
    bench
        .simulator
        .inject(Rule::new(Effect::Body(BodyFault::Truncated)));
    let (bytes, end) = raw(&bench).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let promised = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(!body.is_empty() && body.len() < promised.parse().unwrap());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_dropped_simulator_takes_no_more_connections() {
    let bench = Bench::new().await;
    let address = bench.simulator.graph_endpoint().replace("http://", "");
    drop(bench);
    eventually(async || TcpStream::connect(&address).await.is_err()).await;
}
