//! What a proxy does to requests and answers, with a real server behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use industrydata_testbed::{Proxy, ProxyEffect, Rule, Upstream};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::support::{eventually, shared};

/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server and the proxy before it.
struct Setting {
    proxy: Proxy,
    server: Server,
}

/// Answers each request with its number, and a request for `/watch` with lines as they come.
#[derive(Clone)]
struct Server {
    heads: Arc<Mutex<Vec<String>>>,
    lines: broadcast::Sender<&'static str>,
}

impl Server {
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    async fn run(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().answer(stream));
        }
    }

    async fn answer(self, mut stream: TcpStream) {
        let lines = self.lines.subscribe();
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8(bytes).unwrap();
        let is_watch = head.starts_with("GET /watch");
        let number = {
            let mut heads = self.heads.lock().unwrap();
            heads.push(head);
            heads.len()
        };
        if is_watch {
            return deliver(stream, lines).await;
        }
        let body = format!("answer {number}");
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn deliver(mut stream: TcpStream, mut lines: broadcast::Receiver<&'static str>) {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    while let Ok(line) = lines.recv().await {
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn set_up() -> Setting {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server {
        heads: Arc::default(),
        lines: broadcast::Sender::new(16),
    };
    tokio::spawn(server.clone().run(listener));
    let proxy = Proxy::start(Upstream::http(&url).unwrap()).await.unwrap();
    Setting { proxy, server }
}

impl Setting {
    /// A request over a connection of its own; the status and the body, or that it was cut.
    async fn ask(&self, method: &str, path: &str) -> Result<(u16, String), hyper::Error> {
        let answer = self.open(method, path).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    async fn open(
        &self,
        method: &str,
        path: &str,
    ) -> Result<http::Response<Incoming>, hyper::Error> {
        let host = self.host();
        let stream = TcpStream::connect(&host).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        sender.send_request(request).await
    }

    /// A watch that the server knows of.
    async fn watch(&self) -> Watch {
        let answer = self.open("GET", "/watch?watch=true").await.unwrap();
        Watch(answer.into_body())
    }

    /// Delivers a line to all watches.
    fn line(&self, line: &'static str) {
        self.server.lines.send(line).unwrap();
    }

    fn host(&self) -> String {
        self.proxy.url().trim_start_matches("http://").to_owned()
    }

    /// What was done, in order.
    fn effects(&self) -> Vec<ProxyEffect> {
        self.proxy
            .hits()
            .into_iter()
            .map(|hit| hit.effect)
            .collect()
    }
}

struct Watch(Incoming);

impl Watch {
    /// The next line, or how the watch ended.
    async fn next(&mut self) -> Result<Option<String>, hyper::Error> {
        let frame = tokio::time::timeout(PATIENCE, self.0.frame())
            .await
            .unwrap();
        let data = frame
            .transpose()?
            .map(|frame| frame.into_data().unwrap().to_vec());
        Ok(data.map(|data| String::from_utf8(data).unwrap()))
    }
}

fn said(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

/// The `Host` header arrives as it was sent.
#[tokio::test]
async fn without_rules_all_passes_and_watches_flow_line_by_line() {
    let setting = set_up().await;
    assert_eq!(
        setting.ask("GET", "/a?b=c").await.unwrap(),
        said("answer 1")
    );
    let head = setting.server.heads().remove(0);
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: {}\r\n", setting.host())),
        "{head}"
    );
    let mut watch = setting.watch().await;
    for line in ["one", "two"] {
        setting.line(line);
        assert_eq!(watch.next().await.unwrap().as_deref(), Some(line));
    }
    assert_eq!(setting.effects(), []);
}

#[tokio::test]
async fn a_request_that_is_dropped_never_arrives() {
    let setting = set_up().await;
    setting.proxy.inject(Rule::new(ProxyEffect::DropBefore));
    setting.ask("POST", "/a").await.unwrap_err();
    assert_eq!(setting.ask("POST", "/b").await.unwrap(), said("answer 1"));
    assert_eq!(setting.server.heads().len(), 1);
    assert_eq!(setting.effects(), [ProxyEffect::DropBefore]);
}

#[tokio::test]
async fn a_request_that_is_forwarded_and_cut_arrives_and_gets_no_answer() {
    let setting = set_up().await;
    setting.proxy.inject(Rule::new(ProxyEffect::ForwardThenCut));
    setting.ask("POST", "/a").await.unwrap_err();
    assert_eq!(setting.server.heads().len(), 1);
    assert_eq!(setting.ask("POST", "/b").await.unwrap(), said("answer 2"));
}

#[tokio::test]
async fn a_delayed_request_arrives_also_when_its_client_has_given_up() {
    let setting = set_up().await;
    let delay = Duration::from_millis(300);
    setting.proxy.inject(Rule::new(ProxyEffect::Delay(delay)));
    let asked = tokio::time::timeout(delay / 3, setting.ask("POST", "/late")).await;
    asked.unwrap_err();
    assert_eq!(setting.server.heads().len(), 0);
    eventually("the request to arrive", async || {
        setting.server.heads().len() == 1
    })
    .await;
}

#[tokio::test]
async fn an_answer_can_be_made_up() {
    let setting = set_up().await;
    let effect = ProxyEffect::Answer {
        status: 429,
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        body: "later".to_owned(),
    };
    setting.proxy.inject(Rule::new(effect));
    let answer = setting.open("GET", "/a").await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "later"
    );
    assert_eq!(setting.server.heads().len(), 0);
}

#[tokio::test]
async fn a_truncated_answer_ends_after_so_many_bytes() {
    let setting = set_up().await;
    setting.proxy.inject(Rule::new(ProxyEffect::Truncate(3)));
    let mut body = Watch(setting.open("GET", "/a").await.unwrap().into_body());
    assert_eq!(body.next().await.unwrap().as_deref(), Some("ans"));
    body.next().await.unwrap_err();
    assert_eq!(setting.server.heads().len(), 1);
}

#[tokio::test]
async fn a_duplicated_request_arrives_twice_and_has_the_second_answer() {
    let setting = set_up().await;
    setting.proxy.inject(Rule::new(ProxyEffect::Duplicate));
    assert_eq!(setting.ask("POST", "/a").await.unwrap(), said("answer 2"));
    assert_eq!(setting.server.heads().len(), 2);
}

#[tokio::test]
async fn a_held_watch_shows_nothing_until_it_is_let_go_and_then_all() {
    let setting = set_up().await;
    let mut watch = setting.watch().await;
    let hold = setting
        .proxy
        .inject(Rule::new(ProxyEffect::Hold).query("watch="));
    setting.line("one");
    eventually("the line to be held", async || {
        setting.effects() == [ProxyEffect::Hold]
    })
    .await;
    assert_eq!(setting.ask("GET", "/a").await.unwrap().0, 200);
    let early = tokio::time::timeout(Duration::from_millis(50), watch.0.frame()).await;
    early.unwrap_err();
    setting.proxy.remove(hold);
    assert_eq!(watch.next().await.unwrap().as_deref(), Some("one"));
    setting.line("two");
    assert_eq!(watch.next().await.unwrap().as_deref(), Some("two"));
}

#[tokio::test]
async fn what_is_swallowed_never_shows_and_the_rest_does() {
    let setting = set_up().await;
    let mut watch = setting.watch().await;
    setting
        .proxy
        .inject(Rule::new(ProxyEffect::Swallow).path_part("/watch"));
    setting.line("lost");
    eventually("the line to be swallowed", async || {
        setting.effects() == [ProxyEffect::Swallow]
    })
    .await;
    setting.proxy.clear();
    setting.line("seen");
    assert_eq!(watch.next().await.unwrap().as_deref(), Some("seen"));
}

#[tokio::test]
async fn open_streams_can_be_cut_while_new_ones_flow() {
    let setting = set_up().await;
    let mut old = setting.watch().await;
    setting
        .proxy
        .inject(Rule::new(ProxyEffect::CutStream).query("watch="));
    old.next().await.unwrap_err();
    let mut new = setting.watch().await;
    setting.line("one");
    assert_eq!(new.next().await.unwrap().as_deref(), Some("one"));
    assert_eq!(setting.effects(), [ProxyEffect::CutStream]);
}

#[tokio::test]
async fn what_is_held_of_a_stream_that_is_cut_is_lost() {
    let setting = set_up().await;
    let mut watch = setting.watch().await;
    setting.proxy.inject(Rule::new(ProxyEffect::Hold));
    setting.line("lost");
    eventually("the line to be held", async || {
        setting.effects() == [ProxyEffect::Hold]
    })
    .await;
    setting.proxy.inject(Rule::new(ProxyEffect::CutStream));
    watch.next().await.unwrap_err();
}

#[tokio::test]
async fn a_rule_hits_what_it_names_as_often_as_it_says() {
    let setting = set_up().await;
    let rule = Rule::new(ProxyEffect::answer(503, "{}"));
    let rule = rule.method("PATCH").path_part("/status").query("a=b");
    setting.proxy.inject(rule.after(1).times(2));
    let named = "/flows/x/status?a=b";
    for (method, path, status) in [
        ("PATCH", named, 200),
        ("GET", named, 200),
        ("PATCH", "/flows/x?a=b", 200),
        ("PATCH", "/flows/x/status", 200),
        ("PATCH", named, 503),
        ("PATCH", named, 503),
        ("PATCH", named, 200),
    ] {
        let answer = setting.ask(method, path).await.unwrap();
        assert_eq!(answer.0, status, "{method} {path}");
    }
    setting
        .proxy
        .inject(Rule::new(ProxyEffect::DropBefore).always());
    for _ in 0..3 {
        setting.ask("GET", "/a").await.unwrap_err();
    }
    setting.proxy.clear();
    assert_eq!(setting.ask("GET", "/a").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_flaky_proxy_does_the_same_harm_for_the_same_seed_until_it_is_steady() {
    let harm = async |seed| {
        let setting = set_up().await;
        setting.proxy.flaky(seed, 0.5);
        for _ in 0..12 {
            // Whether there is an answer is for chance to say.
            let _ = setting.ask("GET", "/a").await;
        }
        setting.proxy.steady();
        let before = setting.effects();
        assert_eq!(setting.ask("GET", "/a").await.unwrap().0, 200);
        assert_eq!(setting.effects(), before);
        before
    };
    let once = harm(1).await;
    assert!((1..12).contains(&once.len()), "{once:?}");
    assert_eq!(harm(1).await, once);
    assert_ne!(harm(2).await, once);
}

#[tokio::test]
async fn a_proxy_that_is_dropped_cuts_its_streams() {
    let setting = set_up().await;
    let mut watch = setting.watch().await;
    drop(setting);
    watch.next().await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_cannot_be_an_upstream_is_told() {
    for url in ["http://127.0.0.1", "https://127.0.0.1:1", "nonsense"] {
        let error = Upstream::http(url).unwrap_err().to_string();
        assert!(error.contains(url), "{error}");
    }
    Upstream::https("https://127.0.0.1:1", b"").unwrap_err();
}

#[tokio::test]
async fn a_service_account_reaches_the_api_server_through_a_proxy() {
    let plane = shared().await;
    let account = plane.service_account("proxied", "someone").await.unwrap();
    let proxy = Proxy::start(plane.upstream().unwrap()).await.unwrap();
    let client = account.through(&proxy).unwrap().client().await.unwrap();
    let reviews = Api::<SelfSubjectReview>::all(client);
    let review = async || {
        let review = SelfSubjectReview::default();
        reviews.create(&PostParams::default(), &review).await
    };
    let user = review().await.unwrap().status.unwrap().user_info.unwrap();
    assert_eq!(user.username.as_deref(), Some(account.user()));
    let refused = ProxyEffect::answer(403, r#"{"kind":"Status","status":"Failure","code":403}"#);
    proxy.inject(Rule::new(refused).path_part("/selfsubjectreviews"));
    review().await.unwrap_err();
}
