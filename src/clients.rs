//! Clients for the cluster. Time limits apply to a request, never to a connection that waits for the next one.
//!
//! The limits of kube apply to a connection: its read time-out also runs while a pooled connection is idle, and fails
//! the request that is sent on it afterwards. The clients here therefore consist of the same parts without that limit.
//!
//! * A request is bounded as a whole, from the wait for a connection to the last byte of the answer.
//! * A watch has a limit for its start, and then for the time between two events.
//! * Connections are closed when they have been idle for `IDLE`, long before the peer or an intermediary closes them, so
//!   that a request never uses a connection that is about to be closed.
//! * What the operator does not use of an object's metadata is removed while the answer comes in: see `answer_filter`.
//! * A value that the types here cannot represent does not make the rest of a response unreadable: see `lenient`.
//! * Requests are not retried. The retries of kube after 429, 503 and 504 would repeat writes whose precondition must be
//!   checked again, and would hide a failing watch for minutes. Only `retry_canceled_requests` of hyper remains, which
//!   is on by default: a request that is still in the queue of a reused connection when that turns out to be closed is
//!   sent on another one. hyper returns it only if it has not begun to write it, so it had no effect. A request of
//!   which one byte was sent is not repeated.

mod answer_filter;
mod lenient;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use answer_filter::{AnswerFilter, KeptMetadata};

/// Time limit of a request to the cluster.
const REQUEST: Duration = Duration::from_secs(15);

/// Largest response that is passed on as it arrives: a Secret. etcd stores 1.5 MiB of it, which as JSON is a third more
/// where it is base64, and up to six times as much where it is an annotation, of which there are 256 KiB: 1.25 MiB ×
/// 4/3 + 256 KiB × 6 = 3.2 MiB.
const MAX_UNTOUCHED: usize = 4 * 1024 * 1024;

/// Time limit of a page of a list, and of the start of a watch. The API server itself ends a request after a minute.
const LIST: Duration = Duration::from_mins(1);

/// Maximum time without an event on a watch, after which its connection is considered dead: the API server sends a
/// bookmark about every minute, and ends the watch after the 290 s that kube requests.
const SILENCE: Duration = Duration::from_mins(6);

/// Time limit for establishing a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Time after which idle connections are closed. The API server closes them after 90 s; load balancers and proxies
/// usually after 60 s, some after 55 s.
const IDLE: Duration = Duration::from_secs(30);

/// Idle time after which TCP probes the peer, which also keeps the entry of the connection in NAT devices (350 s on
/// AWS).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Time between probes. With [`KEEP_ALIVE`] and three unanswered probes, a connection to a peer that has vanished is
/// closed after 30 + 3 × 10 = 60 s.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// Clients for the cluster by purpose. They do not share connections, so that one cannot delay another.
pub struct Clients {
    /// Client for watches, which may be silent for long, and for their lists.
    pub watches: Client,
    /// Client for all other requests.
    pub cluster: Client,
    /// Client for reading Secrets. Their contents pass through it without being copied or parsed.
    pub secrets: Client,
    /// Client for the lease alone.
    pub lease: Client,
}

impl Clients {
    /// Returns the clients for the cluster of `config`, with `lease_request` as the time limit of the lease client, whose
    /// tasks run in the runtime `vital`. Of the labels of objects, these are kept.
    ///
    /// # Errors
    ///
    /// If the credentials cannot be used, or if `config` contains a proxy, which is not supported.
    pub fn new(
        config: &Config,
        lease_request: Duration,
        labels: BTreeSet<String>,
        vital: &Handle,
    ) -> kube::Result<Self> {
        let labels = Arc::new(labels);
        let used = KeptMetadata::Used { labels };
        let within = |request: Duration, kept: &KeptMetadata| {
            let passage = Passage::Readable(kept.clone());
            client(config, RequestLimits::of(request), passage)
        };
        let (watches, cluster) = (within(LIST, &used)?, within(REQUEST, &used)?);
        let secrets = client(config, RequestLimits::of(REQUEST), Passage::Untouched)?;
        let _entered = vital.enter();
        Ok(Self {
            watches,
            cluster,
            secrets,
            lease: within(lease_request, &KeptMetadata::All)?,
        })
    }
}

/// Time limits of a client.
#[derive(Clone, Copy, Debug)]
struct RequestLimits {
    connect: Duration,
    /// Whole request; for a watch, the time until the response headers.
    request: Duration,
    silence: Duration,
    idle: Duration,
}

impl RequestLimits {
    fn of(request: Duration) -> Self {
        Self {
            connect: CONNECT.min(request),
            request,
            silence: SILENCE,
            idle: IDLE,
        }
    }
}

/// How the body of a response is passed on.
#[derive(Clone, Debug)]
enum Passage {
    /// As a whole, made readable, and with this metadata of objects.
    Readable(KeptMetadata),
    /// As it arrives.
    Untouched,
}

/// Limit that a request exceeded.
#[derive(Debug, Error)]
enum ExceededLimit {
    #[error("the API server did not answer in full within {0:?}")]
    Answer(Duration),
    #[error("the API server answered with more than {0} bytes")]
    Size(usize),
    #[error(
        "the API server was silent on a watch for {0:?}, and should mark its place each minute"
    )]
    Silent(Duration),
}

type ClusterResponse = Response<UnsyncBoxBody<Bytes, BoxError>>;

fn client(config: &Config, limits: RequestLimits, passage: Passage) -> kube::Result<Client> {
    if let Some(proxy) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolUnsupported {
            proxy_url: Box::new(proxy.clone()),
        });
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(transport(config, limits)?);
    let bounded = service_fn(move |request: Request<Body>| {
        let is_watch = is_watch(&request);
        let answer = service.clone().oneshot(request).boxed();
        let passage = passage.clone();
        async move {
            match passage {
                Passage::Untouched => untouched(answer, limits.request).await,
                Passage::Readable(kept) if is_watch => {
                    watched(answer, limits, AnswerFilter::new(kept)).await
                }
                Passage::Readable(kept) => {
                    whole(answer, limits.request, AnswerFilter::new(kept)).await
                }
            }
        }
    });
    Ok(Client::new(bounded, config.default_namespace.clone()))
}

/// Returns the HTTP client, which pools connections for a limited idle time.
fn transport(
    config: &Config,
    limits: RequestLimits,
) -> kube::Result<
    impl Service<
        Request<Body>,
        Response = Response<Incoming>,
        Error = legacy::Error,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static,
> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    // Connecting continues after its request has been dropped, so it needs its own limit.
    let mut connector = TimeoutConnector::new(tls);
    connector.set_connect_timeout(Some(limits.connect));
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle)
        .build(connector))
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true")
}

/// Returns a response with its whole body, received within `limit`.
async fn whole(
    answer: BoxFuture<'static, Result<Response<Incoming>, BoxError>>,
    limit: Duration,
    filter: AnswerFilter,
) -> Result<ClusterResponse, BoxError> {
    let received = async {
        let (head, body) = answer.await?.into_parts();
        let bytes = lenient::readable(&filtered(body, filter).await?);
        let body = Full::new(bytes).map_err(|never| match never {});
        Ok(Response::from_parts(head, body.boxed_unsync()))
    };
    let received = timeout(limit, received).await;
    received.map_err(|_| ExceededLimit::Answer(limit))?
}

/// Returns a response whose body is passed on as it arrives, within `limit` as a whole and up to [`MAX_UNTOUCHED`].
async fn untouched(
    answer: BoxFuture<'static, Result<Response<Incoming>, BoxError>>,
    limit: Duration,
) -> Result<ClusterResponse, BoxError> {
    let deadline = Instant::now() + limit;
    let begun = timeout_at(deadline, answer).await;
    let answer = begun.map_err(|_| ExceededLimit::Answer(limit))??;
    let frames = move |body| {
        stream::try_unfold(
            (body, MAX_UNTOUCHED),
            move |(mut body, left): (Incoming, usize)| async move {
                let frame = timeout_at(deadline, body.frame()).await;
                let frame = frame.map_err(|_| ExceededLimit::Answer(limit))?;
                let Some(frame) = frame.transpose()? else {
                    return Ok::<_, BoxError>(None);
                };
                let length = frame.data_ref().map_or(0, Bytes::len);
                let left = left.checked_sub(length);
                let left = left.ok_or(ExceededLimit::Size(MAX_UNTOUCHED))?;
                Ok(Some((frame, (body, left))))
            },
        )
    };
    Ok(answer.map(|body| StreamBody::new(frames(body)).boxed_unsync()))
}

/// Returns what is kept of a body.
async fn filtered(mut body: Incoming, mut filter: AnswerFilter) -> hyper::Result<Bytes> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        filter.pass(&frame?.into_data().unwrap_or_default(), &mut bytes);
    }
    Ok(Bytes::from(bytes))
}

/// Returns a response whose body may be unlimited in time, but not silent for longer than the limit.
async fn watched(
    answer: BoxFuture<'static, Result<Response<Incoming>, BoxError>>,
    limits: RequestLimits,
    filter: AnswerFilter,
) -> Result<ClusterResponse, BoxError> {
    let begun = timeout(limits.request, answer).await;
    let answer = begun.map_err(|_| ExceededLimit::Answer(limits.request))??;
    Ok(answer.map(|body| StreamBody::new(events(body, limits.silence, filter)).boxed_unsync()))
}

/// Splits the body of a watch into lines, each of which is an event.
fn events(
    body: Incoming,
    silence: Duration,
    filter: AnswerFilter,
) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
    stream::try_unfold(
        (body, filter, Vec::new()),
        move |(mut body, mut filter, mut begun)| async move {
            loop {
                if let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                    let rest = begun.split_off(end + 1);
                    let event = lenient::readable(&Bytes::from(begun));
                    return Ok(Some((Frame::data(event), (body, filter, rest))));
                }
                let heard = timeout(silence, body.frame()).await;
                match heard.map_err(|_| ExceededLimit::Silent(silence))? {
                    Some(frame) => {
                        filter.pass(&frame?.into_data().unwrap_or_default(), &mut begun);
                    }
                    None => return Ok(None),
                }
            }
        },
    )
}

#[cfg(test)]
mod tests;
