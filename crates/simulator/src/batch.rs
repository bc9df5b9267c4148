//! `$batch`: up to twenty requests in one.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Line, Outcome},
    problem::Problem,
    reply::{Content, Reply},
    request::Request,
    respond::HTML,
    route::{Operation, Target},
    world::World,
};

const MOST: usize = 20;

#[derive(Debug, Deserialize)]
struct Batch {
    requests: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// Serves one part of the batch of this request id.
type Serve = fn(&mut World, &Request, &str) -> Outcome;

/// Runs the parts, each after those that it depends on, and answers 200 whatever became of them.
pub(crate) fn run(
    world: &mut World,
    outer: &Request,
    request_id: &str,
    serve: Serve,
) -> Result<Reply, Problem> {
    let mut waiting = parsed(outer)?.requests;
    let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
    let mut responses = Vec::new();
    while !waiting.is_empty() {
        let known = |part: &Part| {
            part.depends_on
                .iter()
                .all(|id| statuses.contains_key(&id.to_lowercase()))
        };
        let next = waiting.iter().position(known);
        let part = waiting.remove(
            next.ok_or_else(|| Problem::bad_request("`dependsOn` can never be fulfilled"))?,
        );
        let broken = part.depends_on.iter().any(|id| {
            statuses
                .get(&id.to_lowercase())
                .is_none_or(|&status| status >= 400)
        });
        let response = if broken {
            dependency_failed()
        } else {
            response(world, outer, &part, request_id, serve)?
        };
        statuses.insert(part.id.to_lowercase(), response.status);
        responses.push(response.json(&part.id));
    }
    Ok(Reply::json(
        StatusCode::OK,
        json!({ "responses": responses }),
    ))
}

fn parsed(outer: &Request) -> Result<Batch, Problem> {
    let batch: Batch = serde_json::from_value(outer.json()?).map_err(|_| {
        Problem::bad_request("every part of a batch needs `id`, `method` and `url`")
    })?;
    if batch.requests.len() > MOST {
        return Err(Problem::bad_request(format!(
            "a batch holds {MOST} requests at most"
        )));
    }
    let mut ids: Vec<String> = batch
        .requests
        .iter()
        .map(|part| part.id.to_lowercase())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < batch.requests.len() {
        return Err(Problem::bad_request("the ids of a batch must be unique"));
    }
    Ok(batch)
}

/// The answer to one part.
struct Response {
    status: u16,
    headers: Map<String, Value>,
    body: Option<Value>,
}

impl Response {
    fn json(self, id: &str) -> Value {
        let mut response = json!({ "id": id, "status": self.status, "headers": self.headers });
        if let Some(body) = self.body {
            response["body"] = body;
        }
        response
    }
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    Response {
        status,
        headers: Map::new(),
        body: Some(body),
    }
}

fn dependency_failed() -> Response {
    error(
        424,
        "FailedDependency",
        "a request that this one depends on has failed",
    )
}

fn response(
    world: &mut World,
    outer: &Request,
    part: &Part,
    request_id: &str,
    serve: Serve,
) -> Result<Response, Problem> {
    let request = inner(outer, part)?;
    let target = Target::of(&request.path, world.path_case());
    let alone = |operation: Operation| operation == Operation::Batch || operation.is_of_authority();
    if target.operation(&request.method).is_some_and(alone) {
        return Ok(error(400, "BadRequest", "this cannot be part of a batch"));
    }
    let outcome = serve(world, &request, request_id);
    Ok(match outcome.line {
        Line::Cut => error(504, "GatewayTimeout", "the answer to this request was lost"),
        Line::Answered => told(outcome.reply),
    })
}

fn told(reply: Reply) -> Response {
    let shown = ["retry-after", "location"];
    let told = reply
        .headers
        .iter()
        .filter(|(name, _)| shown.contains(name));
    let mut headers: Map<String, Value> = told
        .map(|(name, value)| (capitals(name), Value::from(value.as_str())))
        .collect();
    let body = match reply.content {
        Content::Empty => None,
        Content::Json(body) => {
            headers.insert("Content-Type".to_owned(), Value::from("application/json"));
            Some(body)
        }
        Content::Html => {
            headers.insert("Content-Type".to_owned(), Value::from("text/html"));
            Some(Value::from(HTML))
        }
        Content::Page(page) => {
            headers.insert("Content-Type".to_owned(), Value::from("text/html"));
            Some(Value::from(page))
        }
        Content::Text(text) => {
            headers.insert("Content-Type".to_owned(), Value::from("text/plain"));
            Some(Value::from(text))
        }
    };
    Response {
        status: reply.status.as_u16(),
        headers,
        body,
    }
}

fn capitals(name: &str) -> String {
    let word = |word: &str| {
        word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn inner(outer: &Request, part: &Part) -> Result<Request, Problem> {
    let wrong = |what: &str| {
        Problem::bad_request(format!("`{what}` of request `{}` is not valid", part.id))
    };
    let method =
        Method::from_bytes(part.method.to_uppercase().as_bytes()).map_err(|_| wrong("method"))?;
    if part.url.contains("://") {
        return Err(wrong("url"));
    }
    let (path, query) = match part.url.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (part.url.as_str(), None),
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = outer.headers.get(header::AUTHORIZATION) {
        headers.insert(header::AUTHORIZATION, token.clone());
    }
    for (name, value) in &part.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("headers"))?;
        headers.insert(
            name,
            HeaderValue::from_str(value).map_err(|_| wrong("headers"))?,
        );
    }
    let body = part
        .body
        .as_ref()
        .map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let path = format!("/beta/{}", path.trim_start_matches('/'));
    Ok(Request {
        method,
        path,
        query,
        headers,
        body,
        base: outer.base.clone(),
    })
}
