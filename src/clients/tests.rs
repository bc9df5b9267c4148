//! Against a server that is written by hand, as what counts here is what happens to its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{AsyncBufReadExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_mins(1);

/// What the server does with the second and further requests on one connection.
#[derive(Clone, Copy, PartialEq)]
enum Reuse {
    Answered,
    /// It closes the connection, as it was about to do so when the request came.
    Closed,
}

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Whole,
    /// An object with more than is used of it.
    Object,
    /// A byte now and then, and never the last.
    Trickling,
    /// The head, one line and nothing more.
    FallingSilent,
    /// A line now and then, and the end.
    Watch,
    /// This many bytes.
    Bytes(usize),
}

#[derive(Clone, Default)]
struct Seen {
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Seen {
    fn counts(&self) -> [usize; 2] {
        [&self.connections, &self.requests].map(|count| count.load(Ordering::SeqCst))
    }
}

async fn server(reuse: Reuse, manner: Manner) -> (Config, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let counting = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, reuse, manner, counting.clone()));
        }
    });
    (Config::new(url.parse().unwrap()), seen)
}

async fn serve(mut stream: TcpStream, reuse: Reuse, manner: Manner, seen: Seen) {
    let mut served = 0;
    while head_arrives(&mut stream).await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        if served > 0 && reuse == Reuse::Closed {
            return;
        }
        served += 1;
        // That the client has gone ends it here, too.
        if answer(&mut stream, manner).await.is_err() {
            return;
        }
    }
}

async fn head_arrives(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

async fn answer(stream: &mut TcpStream, manner: Manner) -> std::io::Result<()> {
    if manner == Manner::Whole {
        return stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await;
    }
    if let Manner::Bytes(length) = manner {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        return stream.write_all(&vec![b'x'; length]).await;
    }
    if manner == Manner::Object {
        let body = r#"{"metadata":{"name":"a","annotations":{"theirs":"x"},"labels":{"a":"1"}}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        return stream.write_all((head + body).as_bytes()).await;
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let lines = if manner == Manner::Watch { 6 } else { 1_000 };
    for _ in 0..lines {
        stream.write_all(b"2\r\n1\n\r\n").await?;
        if manner == Manner::FallingSilent {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SHORT / 3).await;
    }
    stream.write_all(b"0\r\n\r\n").await
}

fn limits() -> RequestLimits {
    RequestLimits {
        connect: LONG,
        request: LONG,
        silence: LONG,
        idle: LONG,
    }
}

fn client(config: &Config, limits: RequestLimits) -> kube::Result<Client> {
    super::client(config, limits, Passage::Readable(KeptMetadata::All))
}

fn request(path: &str) -> Request<Vec<u8>> {
    Request::get(path).body(Vec::new()).unwrap()
}

async fn ask(client: &Client) -> kube::Result<String> {
    client.request_text(request("/version")).await
}

/// The lines of a watch, and whether it came to its end without an error.
async fn follow(client: &Client) -> (usize, bool) {
    let stream = client.request_stream(request("/api/v1/pods?watch=true&timeoutSeconds=290"));
    let stream = std::pin::pin!(stream.await.unwrap());
    let mut lines = stream.lines();
    let mut count = 0;
    while let Some(line) = lines.next().await {
        if line.is_err() {
            return (count, false);
        }
        count += 1;
    }
    (count, true)
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_request_may_take() {
    let (config, seen) = server(Reuse::Answered, Manner::Whole).await;
    let limits = RequestLimits {
        request: SHORT,
        ..limits()
    };
    let client = client(&config, limits).unwrap();
    ask(&client).await.unwrap();

    tokio::time::sleep(SHORT * 2).await;

    assert_eq!(ask(&client).await.unwrap(), "ok");
    assert_eq!(seen.counts(), [1, 2], "the connection was kept");
}

#[tokio::test]
async fn no_request_meets_a_connection_that_the_peer_is_about_to_close() {
    let (config, seen) = server(Reuse::Closed, Manner::Whole).await;
    let limits = RequestLimits {
        idle: SHORT,
        ..limits()
    };
    let client = client(&config, limits).unwrap();
    ask(&client).await.unwrap();

    tokio::time::sleep(SHORT * 2).await;

    assert_eq!(ask(&client).await.unwrap(), "ok");
    assert_eq!(seen.counts(), [2, 2], "the idle connection was not used");
}

#[tokio::test]
async fn a_request_of_which_a_byte_has_left_is_not_repeated() {
    let (config, seen) = server(Reuse::Closed, Manner::Whole).await;
    let client = client(&config, limits()).unwrap();
    ask(&client).await.unwrap();

    ask(&client).await.unwrap_err();

    assert_eq!(seen.counts(), [1, 2]);
}

#[tokio::test]
async fn a_request_is_bounded_to_its_last_byte() {
    let (config, _) = server(Reuse::Answered, Manner::Trickling).await;
    let limits = RequestLimits {
        request: SHORT,
        ..limits()
    };

    let error = ask(&client(&config, limits).unwrap()).await.unwrap_err();

    assert_eq!(
        crate::telemetry::with_causes(&error),
        "ServiceError: the API server did not answer in full within 300ms: the API server did not answer in full within 300ms"
    );
}

#[tokio::test]
async fn what_is_passed_on_untouched_is_bounded_in_time_and_size() {
    let limits = RequestLimits {
        request: SHORT,
        ..limits()
    };
    let (config, _) = server(Reuse::Answered, Manner::Trickling).await;
    let slow = super::client(&config, limits, Passage::Untouched).unwrap();
    let error = ask(&slow).await.unwrap_err();
    let error = crate::telemetry::with_causes(&error);
    assert!(
        error.contains("did not answer in full within 300ms"),
        "{error}"
    );

    for (length, is_read) in [(MAX_UNTOUCHED, true), (MAX_UNTOUCHED + 1, false)] {
        let (config, _) = server(Reuse::Answered, Manner::Bytes(length)).await;
        let client = super::client(&config, self::limits(), Passage::Untouched).unwrap();
        let read = ask(&client).await;
        assert_eq!(read.is_ok_and(|text| text.len() == length), is_read);
    }
}

#[tokio::test]
async fn what_is_not_used_of_an_object_never_reaches_the_program() {
    let (config, _) = server(Reuse::Answered, Manner::Object).await;
    let labels = Arc::default();
    let client = super::client(
        &config,
        limits(),
        Passage::Readable(KeptMetadata::Used { labels }),
    )
    .unwrap();

    let expected = r#"{"metadata":{"name":"a","annotations":{},"labels":{}}}"#;
    assert_eq!(ask(&client).await.unwrap(), expected);
}

#[tokio::test]
async fn a_watch_may_take_longer_than_a_request() {
    let (config, _) = server(Reuse::Answered, Manner::Watch).await;
    let limits = RequestLimits {
        request: SHORT,
        ..limits()
    };

    assert_eq!(follow(&client(&config, limits).unwrap()).await, (6, true));
}

#[tokio::test]
async fn a_watch_that_falls_silent_ends_with_an_error() {
    let (config, _) = server(Reuse::Answered, Manner::FallingSilent).await;
    let limits = RequestLimits {
        silence: SHORT,
        ..limits()
    };

    assert_eq!(follow(&client(&config, limits).unwrap()).await, (1, false));
}

#[tokio::test]
async fn a_proxy_is_refused_rather_than_passed_by() {
    let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
    config.proxy_url = Some("http://127.0.0.1:3128".parse().unwrap());

    assert!(client(&config, limits()).is_err());
}
