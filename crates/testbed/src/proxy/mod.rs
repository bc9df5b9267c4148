//! A reverse proxy on loopback that does harm by rules.

mod exchange;
mod rule;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use industrydata_fault_rules::Rule;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::exchange::Shared;
use self::rule::Faults;
pub use self::rule::{Hit, ProxyEffect};
pub use self::upstream::Upstream;
pub(crate) use self::upstream::over;
use crate::Error;

/// Reverse proxy between a client and a server that injects the faults of its [rules](Rule).
///
/// *Guarantees*: without a rule each request is forwarded once, with its `Host` as it is, over a
/// connection of its own; the answer flows on as it arrives. A rule that is there when
/// [`inject`](Proxy::inject) returns concerns each request that is made after that.
///
/// *Caveats*: it serves plain http/1.1, on loopback; a client's certificate does not reach the server.
/// A request is read whole before it is forwarded. If the server cannot be reached, the connection of
/// the client is cut. The proxy lives no longer than the tokio runtime in which it was started.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _end: DropGuard,
}

impl Proxy {
    /// Starts a proxy on a free port of loopback. It ends when it is dropped, with all its
    /// connections.
    ///
    /// # Errors
    ///
    /// [`Error::NoPort`] if there is no free port.
    pub async fn start(upstream: Upstream) -> Result<Self, Error> {
        let no_port = |source| Error::NoPort { source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            upstream,
            rules: watch::Sender::new(Faults::default()),
            end: end.clone(),
        });
        let accepting = accept(listener, shared.clone());
        let ended = end.clone();
        tokio::spawn(async move { ended.run_until_cancelled(accepting).await });
        Ok(Self {
            address,
            shared,
            _end: end.drop_guard(),
        })
    }

    /// Address of the proxy, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule, and names it. Of several rules that match a request, the oldest that is not used
    /// up hits it.
    #[expect(
        clippy::must_use_candidate,
        reason = "the name is only for rules that are to be removed alone"
    )]
    pub fn inject(&self, rule: Rule<ProxyEffect>) -> u64 {
        self.change(|rules| rules.inject(rule))
    }

    /// Removes a rule, if it is still there. What it held flows on.
    pub fn remove(&self, id: u64) {
        self.change(|rules| rules.remove(id));
    }

    /// Removes all rules. What they held flows on.
    pub fn clear(&self) {
        self.change(Faults::clear);
    }

    /// From now on each request that no rule hits is hit with the probability `rate`, by one of
    /// `DropBefore`, `ForwardThenCut`, `Delay` (of at most two seconds) and an answer 503.
    ///
    /// *Caveats*: the same seed gives the same sequence of effects. Which request meets which of them
    /// also depends on the order in which requests arrive.
    pub fn flaky(&self, seed: u64, rate: f64) {
        self.change(|rules| rules.flaky(seed, rate));
    }

    /// Ends what [`flaky`](Proxy::flaky) began.
    pub fn steady(&self) {
        self.change(Faults::steady);
    }

    /// What was done so far, in order, also by rules that have been removed. Of a body that was held
    /// or swallowed, each piece counts.
    #[must_use]
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.rules.borrow().hits().to_vec()
    }

    fn change<T: Default>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        let mut outcome = T::default();
        self.shared
            .rules
            .send_modify(|rules| outcome = change(rules));
        outcome
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // An accept loop that has ended cannot be mended; whoever connects will notice.
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, end) = (shared.clone(), shared.end.clone());
        tokio::spawn(async move { end.run_until_cancelled(serve(stream, shared)).await });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Pieces of a watch are small, and must not wait for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| exchange::answer(shared.clone(), request));
    // Fails where the connection was to be cut, or its client is gone.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
