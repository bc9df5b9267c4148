//! The clients for the cluster. A time limit belongs to a request, never to a connection that waits for the next one.
//!
//! kube's own limits are those of a connection: its read time-out also runs while a pooled connection is idle, and fails
//! the request that is sent over it afterwards. So the clients here are put together from the same parts, but for that.
//!
//! * A request is bounded as a whole, from the wait for a connection to the last byte of the answer.
//! * A watch is bounded until it begins, and then in its silence.
//! * Connections are given up when they have been idle for `IDLE`, long before anybody in between does so: a request
//!   never meets a connection that the peer is about to close.
//! * What an answer holds that the types here cannot, costs nothing else: see `lenient`.
//! * Nothing is repeated. kube's retries of 429, 503 and 504 would repeat writes whose precondition has to be looked at
//!   afresh, and would hide from us for minutes that a watch fails. What is left is hyper's `retry_canceled_requests`,
//!   which is on by default: a request that was handed to a reused connection, and that is still in its queue when
//!   that turns out to be closed, is given to another connection. hyper hands it back only if it never began to write
//!   it, so nothing can have been done about it. A request of which a byte has left is not repeated.

mod lenient;

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
use tokio::time::timeout;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// A request to the cluster that takes longer is given up.
const REQUEST: Duration = Duration::from_secs(15);

/// A page of a list for a watch, or the beginning of a watch, that takes longer is given up. The API server itself gives
/// up a request after a minute.
const LIST: Duration = Duration::from_mins(1);

/// A watch that is silent for longer is dead: it marks its place about each minute, and the API server ends it after
/// 290 seconds, as kube asks it to.
const SILENCE: Duration = Duration::from_mins(6);

/// A connection that takes longer is not going to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections that have been idle for this long are closed. The API server closes them after 90 seconds; load
/// balancers and proxies on the way do so after 60 seconds as a rule, some after 55.
const IDLE: Duration = Duration::from_secs(30);

/// TCP asks a silent peer after this time whether it is still there, and a node on the way (NAT, 350 seconds on AWS)
/// keeps the connection in mind.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// With [`KEEP_ALIVE`] and three questions without an answer, a connection to a peer that has vanished is cut after a
/// minute.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// The clients for the cluster, by what they may wait for. They share no connection, so that none holds up another.
pub struct Clients {
    /// For watches, which may be silent for long, and their lists.
    pub watches: Client,
    /// For everything else.
    pub cluster: Client,
    /// For the lease alone.
    pub lease: Client,
}

impl Clients {
    /// Clients for the cluster that is described by `config`, the last of them for requests that may take
    /// `lease_request`.
    ///
    /// # Errors
    ///
    /// If the credentials cannot be used, or if there would have to be a proxy, which is not supported.
    pub fn new(config: &Config, lease_request: Duration) -> kube::Result<Self> {
        let within = |request: Duration| client(config, RequestLimits::of(request));
        Ok(Self {
            watches: within(LIST)?,
            cluster: within(REQUEST)?,
            lease: within(lease_request)?,
        })
    }
}

/// How long what a client does may take.
#[derive(Clone, Copy, Debug)]
struct RequestLimits {
    connect: Duration,
    /// A request as a whole; of a watch: what comes before its first event.
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

/// Why a request was given up.
#[derive(Debug, Error)]
enum RequestTimeout {
    #[error("the API server did not answer in full within {0:?}")]
    Answer(Duration),
    #[error(
        "the API server was silent on a watch for {0:?}, and should mark its place each minute"
    )]
    Silent(Duration),
}

type ClusterResponse = Response<UnsyncBoxBody<Bytes, BoxError>>;

fn client(config: &Config, limits: RequestLimits) -> kube::Result<Client> {
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
        async move {
            if is_watch {
                watched(answer, limits).await
            } else {
                whole(answer, limits.request).await
            }
        }
    });
    Ok(Client::new(bounded, config.default_namespace.clone()))
}

/// What sends requests, over connections that it keeps for a while.
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
    // A connection that nobody waits for any more is made all the same, so that it needs a limit of its own.
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

/// An answer with its whole body, within `limit`.
async fn whole(
    answer: BoxFuture<'static, Result<Response<Incoming>, BoxError>>,
    limit: Duration,
) -> Result<ClusterResponse, BoxError> {
    let received = async {
        let (head, body) = answer.await?.into_parts();
        let bytes = lenient::readable(&body.collect().await?.to_bytes());
        let body = Full::new(bytes).map_err(|never| match never {});
        Ok(Response::from_parts(head, body.boxed_unsync()))
    };
    let received = timeout(limit, received).await;
    received.map_err(|_| RequestTimeout::Answer(limit))?
}

/// An answer whose body may go on without end, but not in silence.
async fn watched(
    answer: BoxFuture<'static, Result<Response<Incoming>, BoxError>>,
    limits: RequestLimits,
) -> Result<ClusterResponse, BoxError> {
    let begun = timeout(limits.request, answer).await;
    let answer = begun.map_err(|_| RequestTimeout::Answer(limits.request))??;
    Ok(answer.map(|body| StreamBody::new(heard(body, limits.silence)).boxed_unsync()))
}

/// The lines of a watch, each of which is an event.
fn heard(
    body: Incoming,
    silence: Duration,
) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
    stream::try_unfold(
        (body, Vec::new()),
        move |(mut body, mut begun)| async move {
            loop {
                if let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                    let rest = begun.split_off(end + 1);
                    let mut event = lenient::readable(&Bytes::from(begun)).to_vec();
                    event.push(b'\n');
                    return Ok(Some((Frame::data(Bytes::from(event)), (body, rest))));
                }
                let heard = timeout(silence, body.frame()).await;
                match heard.map_err(|_| RequestTimeout::Silent(silence))? {
                    Some(frame) => begun.extend(frame?.into_data().unwrap_or_default()),
                    None => return Ok(None),
                }
            }
        },
    )
}

#[cfg(test)]
mod tests;
