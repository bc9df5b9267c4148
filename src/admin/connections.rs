//! The connections of the administration server. They are few and short, because clients that are
//! not authenticated must use neither the memory of the process nor the places of its probes.
//!
//! | bound | value |
//! |---|---|
//! | connections at the same time | [`MAX_CONNECTIONS`]; a further one replaces the oldest of the peer that has the most |
//! | requests of a connection | 1 |
//! | time until the head of the request is complete | [`HEAD_TIMEOUT`] |
//! | time from the first byte to the last | [`CONNECTION_TIMEOUT`] |
//! | head of a request | [`MAX_HEAD`] bytes, [`MAX_HEADERS`] headers |
//! | body of a request | is not read |

use std::{convert::Infallible, net::IpAddr, time::Duration};

use futures::{
    StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Two probes, a few scrapes and a person need five. Their heads take 16 × 8 KiB; pages of metrics are shared.
const MAX_CONNECTIONS: usize = 16;

/// A probe of the kubelet has one second for everything.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The default time limit of a scrape of Prometheus.
pub(super) const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The smallest buffer that hyper accepts. Heads of probes and scrapes have less than 1 KiB.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// Prometheus sends seven.
pub(super) const MAX_HEADERS: usize = 32;

/// How long responses in progress may take after shutdown was requested. A client that reads slowly
/// must not delay the exit of the process.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Pause after a failure to accept. Most likely the process has no free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is open.
struct Open {
    number: u64,
    peer: IpAddr,
    close: AbortHandle,
}

/// Answers requests until `shutdown` is cancelled, and for at most one second more.
pub(super) async fn answer_all(
    listener: TcpListener,
    answer: impl Fn(&Request<Incoming>, IpAddr) -> Response<Full<Bytes>>,
    shutdown: CancellationToken,
) {
    // Oldest first.
    let mut open: Vec<Open> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut number = 0;
    loop {
        // In this order, so that what has ended makes room before the next connection is accepted.
        let (stream, peer) = select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = running.next() => {
                open.retain(|one| one.number != ended);
                continue;
            }
            accepted = accept(&listener) => accepted,
        };
        if open.len() >= MAX_CONNECTIONS {
            let peers: Vec<IpAddr> = open.iter().map(|one| one.peer).collect();
            open.remove(surplus(&peers, peer)).close.abort();
        }
        number += 1;
        let (close, registration) = AbortHandle::new_pair();
        open.push(Open {
            number,
            peer,
            close,
        });
        let conversation = Abortable::new(converse(stream, peer, &answer), registration);
        running.push(async move {
            let _ = conversation.await;
            number
        });
    }
    drop(listener);
    let _ = timeout(LAST_ANSWERS, running.for_each(async |_| {})).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address.ip()),
            Err(error) => {
                tracing::debug!(%error, "a connection to the administration server was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the one request of a connection. Errors concern only the peer.
async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    answer: impl Fn(&Request<Incoming>, IpAddr) -> Response<Full<Bytes>>,
) {
    let service =
        service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, peer))));
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIMEOUT, conversation).await;
}

/// Returns which of the open connections, oldest first, a new one replaces: the oldest of the peer
/// that has the most, so that a peer with many connections closes its own.
pub(super) fn surplus(open: &[IpAddr], new: IpAddr) -> usize {
    let held =
        |peer: IpAddr| open.iter().filter(|one| **one == peer).count() + usize::from(peer == new);
    // Of several maxima the last one counts, which in this order is the oldest.
    let oldest_last = (0..open.len()).rev();
    oldest_last
        .max_by_key(|place| open.get(*place).map(|peer| held(*peer)))
        .unwrap_or_default()
}
