//! Server for tests that sends scripted responses byte by byte and records the requests.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use url::Url;

use super::{
    account::Account,
    budget::RateLimits,
    client::Client,
    operation::{Observation, Observer, Operation, RequestOutcome, unobserved},
    tenant::Tenant,
    transport::{Transport, TransportSettings},
};

pub(super) const SECRET: &str = "canary-secret";
pub(super) const TENANT: &str = "contoso.example";

/// Reaction of the server to one request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Send these bytes and close.
    Bytes(Vec<u8>),
    /// Close without a response.
    Cut,
    /// Send these bytes and then nothing more, without closing.
    Hang(Vec<u8>),
    /// Send these bytes, and then one byte after the other at this interval, indefinitely.
    Drip(Vec<u8>, Duration),
}

impl Reply {
    pub(super) fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers = headers.collect::<String>();
        let length = match status {
            204 => String::new(),
            _ => format!("content-length: {}\r\n", body.len()),
        };
        let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}{length}\r\n");
        Self::Bytes([head.as_bytes(), body.as_bytes()].concat())
    }

    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(
            status,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    }

    /// A refusal in the error shape of Microsoft Graph.
    pub(super) fn refused(status: u16) -> Self {
        let error = serde_json::json!({"error": {"code": "", "message": "m"}});
        Self::json(status, &error)
    }

    pub(super) fn status(status: u16) -> Self {
        Self::new(status, &[], "")
    }
}

/// Request as received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// Method and target.
    pub(super) line: String,
    head: String,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct Script {
    /// Responses to requests to the service, in order.
    replies: VecDeque<Reply>,
    /// Responses to token requests, in order; after them `token-1`, `token-2` … are issued.
    tokens: VecDeque<Reply>,
    token_count: usize,
    received: Vec<Received>,
}

impl Script {
    fn reply(&mut self, request: Received) -> Reply {
        let is_token = request.line.contains("/oauth2/");
        self.received.push(request);
        if !is_token {
            return self
                .replies
                .pop_front()
                .unwrap_or_else(|| Reply::status(599));
        }
        self.token_count += 1;
        let token = format!("token-{}", self.token_count);
        let body = serde_json::json!({"access_token": token, "expires_in": 3599});
        self.tokens
            .pop_front()
            .unwrap_or_else(|| Reply::json(200, &body))
    }
}

/// Running server, which stops when dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: Url,
    script: Arc<Mutex<Script>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::with_tokens(replies, []).await
    }

    pub(super) async fn with_tokens(
        replies: impl IntoIterator<Item = Reply>,
        tokens: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let script = Arc::new(Mutex::new(Script {
            replies: replies.into_iter().collect(),
            tokens: tokens.into_iter().collect(),
            ..Script::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&script))).abort_handle();
        Self {
            url: format!("http://{address}").parse().unwrap(),
            script,
            task,
        }
    }

    /// Appends a response to a request to the service.
    pub(super) fn then(&self, reply: Reply) {
        self.script.lock().unwrap().replies.push_back(reply);
    }

    /// Appends a response to a token request.
    pub(super) fn then_token(&self, reply: Reply) {
        self.script.lock().unwrap().tokens.push_back(reply);
    }

    /// Returns the requests to the service so far.
    pub(super) fn received(&self) -> Vec<Received> {
        let all = self.script.lock().unwrap().received.clone();
        all.into_iter()
            .filter(|request| !request.line.contains("/oauth2/"))
            .collect()
    }

    /// Returns the token requests so far.
    pub(super) fn token_requests(&self) -> Vec<Received> {
        let all = self.script.lock().unwrap().received.clone();
        all.into_iter()
            .filter(|request| request.line.contains("/oauth2/"))
            .collect()
    }

    pub(super) fn transport(&self, request_timeout: Duration) -> Transport {
        transport(&self.url, request_timeout)
    }

    pub(super) fn client(&self) -> Client {
        self.client_with(Duration::from_secs(10), unobserved()).0
    }

    pub(super) fn client_with(
        &self,
        request_timeout: Duration,
        observer: Observer,
    ) -> (Client, Account) {
        let account = account();
        let transport = self.transport(request_timeout);
        let client = Client::new(transport, account.clone(), SECRET.into(), observer);
        (client, account)
    }
}

pub(super) fn transport(url: &Url, request_timeout: Duration) -> Transport {
    Transport::new(TransportSettings {
        graph_endpoint: url.clone(),
        authority_endpoint: url.clone(),
        token_scope: "https://graph.microsoft.com/.default".to_owned(),
        assertion_audience: "https://login.microsoftonline.com".parse().unwrap(),
        ca_certificates: None,
        request_timeout,
        connect_timeout: Duration::from_secs(1),
        user_agent: "industrydata-operator/test".to_owned(),
    })
    .unwrap()
}

pub(super) fn account() -> Account {
    let limits = RateLimits {
        per_second: 1000.0,
        burst: 1000,
        max_wait: Duration::from_secs(1),
    };
    Account::new(Tenant::new(TENANT).unwrap(), "client", limits)
}

/// Starts a service and authority that keeps connections open and closes each just as its second request
/// arrives, like a peer with a short idle time-out. Returns the number of answered requests, too.
pub(super) async fn fickle() -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_once(stream, Arc::clone(&count)));
        }
    });
    (format!("http://{address}").parse().unwrap(), answered)
}

async fn answer_once(mut stream: TcpStream, answered: Arc<AtomicUsize>) {
    let Some(request) = receive(&mut stream).await else {
        return;
    };
    let token = r#"{"access_token":"token","expires_in":3599}"#;
    let answer = if request.line.contains("/oauth2/") {
        format!(
            "HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n{token}",
            token.len()
        )
    } else {
        "HTTP/1.1 202 x\r\ncontent-length: 0\r\n\r\n".to_owned()
    };
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        answered.fetch_add(1, Ordering::SeqCst);
    }
    drop(receive(&mut stream).await);
}

/// Outcomes that an observer has recorded.
pub(super) type Told = Arc<Mutex<Vec<(Operation, RequestOutcome)>>>;

/// Returns an observer that records all outcomes.
pub(super) fn listener() -> (Observer, Told) {
    let told = Told::default();
    let copy = Arc::clone(&told);
    let observer: Observer = Arc::new(move |observation| {
        if let Observation::Finished {
            operation, outcome, ..
        } = observation
        {
            copy.lock().unwrap().push((operation, outcome));
        }
    });
    (observer, told)
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&script)));
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let Some(request) = receive(&mut stream).await else {
        return;
    };
    let reply = script.lock().unwrap().reply(request);
    match reply {
        Reply::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Reply::Cut => {}
        Reply::Hang(bytes) => {
            drop(stream.write_all(&bytes).await);
            std::future::pending::<()>().await;
        }
        Reply::Drip(bytes, pause) => {
            drop(stream.write_all(&bytes).await);
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let request = Received {
            line: head.split(" HTTP/").next()?.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = request
            .header("content-length")
            .unwrap_or("0")
            .parse()
            .ok()?;
        if request.body.len() >= length {
            return Some(request);
        }
    }
}
