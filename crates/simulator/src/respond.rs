//! Converts an outcome to bytes, and corrupts the body if the plan requires it.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use futures::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::{
    answer::BodyFault,
    exchange::Outcome,
    reply::{Content, Reply},
    wire::Scissors,
};

const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
pub(crate) const HTML: &str = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The HTTP form of an outcome.
pub(crate) fn respond(outcome: Outcome, scissors: Scissors) -> Response {
    let Outcome { reply, plan, .. } = outcome;
    let (content_type, bytes) = encoded(&reply);
    let content_type = match (&plan.content_type, &plan.body) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(BodyFault::Html)) => Some("text/html; charset=utf-8".to_owned()),
        (None, _) => content_type.map(str::to_owned),
    };
    let mut response = match plan.body {
        Some(fault) => spoilt(&fault, bytes, scissors),
        None => Response::new(Body::from(bytes)),
    };
    *response.status_mut() = reply.status;
    if let Some(value) = content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    if reply.status == StatusCode::NO_CONTENT {
        *response.body_mut() = Body::empty();
    }
    response
}

fn encoded(reply: &Reply) -> (Option<&'static str>, Bytes) {
    match &reply.content {
        Content::Empty => (None, Bytes::new()),
        Content::Json(body) => (Some(JSON), Bytes::from(body.to_string())),
        Content::Page(page) => (Some("text/html; charset=utf-8"), Bytes::from(page.clone())),
        Content::Html => (
            Some("text/html; charset=utf-8"),
            Bytes::from_static(HTML.as_bytes()),
        ),
        Content::Text(text) => (Some("text/plain"), Bytes::from(text.clone())),
    }
}

fn spoilt(fault: &BodyFault, bytes: Bytes, scissors: Scissors) -> Response {
    let half = bytes.slice(..bytes.len() / 2);
    let body = match *fault {
        BodyFault::Truncated => return truncated(half, bytes.len().max(1), scissors),
        BodyFault::Empty => Body::empty(),
        BodyFault::Html => Body::from(HTML),
        BodyFault::Malformed => Body::from(half),
        BodyFault::Huge(size) => huge(bytes, size),
        BodyFault::Dripping(pause) => dripping(bytes, Duration::from_millis(pause)),
        BodyFault::ByteOrderMark => Body::from([BYTE_ORDER_MARK, &bytes].concat()),
    };
    Response::new(body)
}

/// Promises `length` bytes, sends some, and cuts the connection.
fn truncated(half: Bytes, length: usize, scissors: Scissors) -> Response {
    let start = stream::once(async move { Ok(half) });
    let end = stream::once(async move {
        // What was sent so far must leave the socket first, or the reset would overtake it.
        sleep(Duration::from_millis(50)).await;
        scissors.cut();
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let mut response = Response::new(Body::from_stream(start.chain(end)));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn huge(bytes: Bytes, size: u64) -> Body {
    const CHUNK: usize = 64 << 10;
    let blanks = Bytes::from(vec![b' '; CHUNK]);
    let chunks = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(CHUNK);
    let start = stream::once(async move { Ok::<_, Infallible>(bytes) });
    Body::from_stream(start.chain(stream::repeat(blanks).take(chunks).map(Ok)))
}

fn dripping(bytes: Bytes, pause: Duration) -> Body {
    Body::from_stream(stream::iter(0..bytes.len()).then(move |at| {
        let byte = bytes.slice(at..=at);
        async move {
            sleep(pause).await;
            Ok::<_, Infallible>(byte)
        }
    }))
}
