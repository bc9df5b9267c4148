//! A collector of traces: the receiver of the OpenTelemetry Collector, as a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use industrydata_testbed::Tool;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin};
use tokio::time::sleep;

/// A running collector. It ends with this.
pub struct Collector {
    url: String,
    received: Arc<Mutex<Vec<String>>>,
    _child: Child,
    /// It ends when this is closed, also if the tests are killed.
    _stdin: ChildStdin,
}

/// A span as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    /// `1` internal, `3` client.
    pub kind: u64,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    /// On a port that is free.
    pub async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        Self::start_at(&address).await
    }

    pub async fn start_at(address: &str) -> Self {
        let mut command = Tool::OtlpCollector.command().await.unwrap();
        command
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let received: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = received.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                into.lock().unwrap().push(line);
            }
        });
        while TcpStream::connect(address).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "the collector ended");
            sleep(Duration::from_millis(50)).await;
        }
        Self {
            url: format!("http://{address}"),
            received,
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that it has received, as text.
    pub fn text(&self) -> String {
        self.received.lock().unwrap().join("\n")
    }

    /// The spans that it has received.
    pub fn spans(&self) -> Vec<Received> {
        let batches = self.received.lock().unwrap().clone();
        let batches = batches.iter();
        let batches = batches.map(|line| serde_json::from_str::<Value>(line).unwrap());
        batches.flat_map(|batch| spans_of(&batch)).collect()
    }
}

fn spans_of(batch: &Value) -> Vec<Received> {
    let mut spans = Vec::new();
    for resource in each(&batch["resourceSpans"]) {
        let about = attributes(&resource["resource"]);
        for scope in each(&resource["scopeSpans"]) {
            let received = each(&scope["spans"]).map(|span| Received {
                trace: text(&span["traceId"]),
                id: text(&span["spanId"]),
                parent: text(&span["parentSpanId"]),
                name: text(&span["name"]),
                kind: span["kind"].as_u64().unwrap(),
                failed: span["status"]["code"] == 2,
                attributes: attributes(span),
                resource: about.clone(),
            });
            spans.extend(received);
        }
    }
    spans
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let pair = |one: &Value| {
        let value = one["value"].as_object().unwrap();
        (text(&one["key"]), text(value.values().next().unwrap()))
    };
    each(&of["attributes"]).map(pair).collect()
}

/// A member that is absent is no text.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The span with this attribute.
pub fn with<'a>(spans: &'a [Received], attribute: &str, value: &str) -> &'a Received {
    let has = |span: &&Received| span.attributes.get(attribute).is_some_and(|it| it == value);
    let found = spans.iter().find(has);
    found.unwrap_or_else(|| panic!("no span with {attribute} {value}: {spans:#?}"))
}

/// A span and those that it is part of, up to the one that began the trace.
pub fn ancestry<'a>(spans: &'a [Received], span: &'a Received) -> Vec<&'a Received> {
    let parent = |span: &&'a Received| {
        let is_parent = |one: &&Received| one.trace == span.trace && one.id == span.parent;
        spans.iter().find(is_parent)
    };
    std::iter::successors(Some(span), parent).collect()
}

/// The names of spans, each with the names of its attributes. Requests and operations are named by what they are.
pub fn shapes(spans: &[Received]) -> BTreeMap<String, BTreeSet<String>> {
    let mut shapes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in spans {
        let is_operation = span.name.starts_with(char::is_uppercase);
        let shape = match span.name.contains(' ') {
            true => "request",
            false if is_operation => "operation",
            false => &span.name,
        };
        let attributes = span.attributes.keys().cloned();
        shapes
            .entry(shape.to_owned())
            .or_default()
            .extend(attributes);
    }
    shapes
}
