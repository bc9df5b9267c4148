//! What every answer has around it: headers, the error shape, and what the plan lays over the body.

use axum::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    answer::NextLink, clock::http_date, exchange::Admitted, problem::Problem, reply::Reply,
    request::Request, route::Operation, world::World,
};

/// The error envelope.
pub(crate) fn refusal(
    world: &World,
    request: &Request,
    request_id: &str,
    problem: &Problem,
) -> Reply {
    let now = world.now();
    let code = world
        .behavior
        .codes
        .get(&problem.status)
        .unwrap_or(&problem.code);
    let date = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut inner = json!({ "date": date, "request-id": request_id });
    inner["client-request-id"] =
        Value::from(request.header("client-request-id").unwrap_or(request_id));
    let mut error = json!({ "code": code, "message": problem.message, "innerError": inner });
    if let Some(target) = &problem.target {
        error["target"] = Value::from(target.as_str());
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = Reply::json(status, json!({ "error": error }));
    if let Some(retry_after) = problem.retry_after {
        reply = reply.with_header("retry-after", retry_after.header(now));
    }
    if status == StatusCode::UNAUTHORIZED {
        reply = reply.with_header("www-authenticate", "Bearer realm=\"\"");
    }
    reply
}

/// Refuses a token that lacks claims, as continuous access evaluation and conditional access do.
pub(crate) fn challenge(
    world: &World,
    request: &Request,
    request_id: &str,
    claims: &Value,
) -> Reply {
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "InvalidAuthenticationToken",
        "continuous access evaluation resulted in challenge with result: InteractionRequired",
    );
    let mut reply = refusal(world, request, request_id, &problem);
    let claims = BASE64_STANDARD.encode(claims.to_string());
    let header = format!(
        r#"Bearer realm="", authorization_uri="{}/common/oauth2/authorize", error="insufficient_claims", claims="{claims}""#,
        request.base
    );
    reply
        .headers
        .retain(|(name, _)| *name != "www-authenticate");
    reply.with_header("www-authenticate", header)
}

/// Lays false links and quirks over the body of an answer.
pub(crate) fn decorate(body: &mut Value, admitted: &Admitted, request: &Request) {
    let plan = &admitted.plan;
    let authority = admitted.operation.is_some_and(Operation::is_of_authority);
    for quirk in &plan.quirks {
        match body.as_object_mut() {
            Some(object) if authority => quirk.change(object),
            _ => quirk.apply(body),
        }
    }
    if let (Some(link), Some(object)) = (&plan.next_link, body.as_object_mut())
        && object.contains_key("value")
    {
        let name = "@odata.nextLink".to_owned();
        match link {
            NextLink::Empty => _ = object.entry(name).or_insert_with(|| Value::from("")),
            _ => _ = object.insert(name, Value::from(false_link(link, request))),
        }
    }
}

fn false_link(link: &NextLink, request: &Request) -> String {
    let query = request
        .query
        .as_deref()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    match link {
        NextLink::Loop => format!("{}{}{query}", request.base, request.path),
        NextLink::Empty => String::new(),
        NextLink::Foreign(origin) => format!("{origin}{}?$skiptoken=MC8w", request.path),
    }
}

/// Adds the headers that every answer has. `ahead`: seconds by which the `Date` header is wrong.
pub(crate) fn with_headers(
    world: &World,
    request: &Request,
    reply: Reply,
    request_id: String,
    ahead: i64,
) -> Reply {
    let client_request_id = request
        .header("client-request-id")
        .unwrap_or(&request_id)
        .to_owned();
    let now = world.now();
    let date = now
        .checked_add(SignedDuration::from_secs(ahead))
        .unwrap_or(now);
    let diagnostic =
        json!({ "ServerInfo": { "DataCenter": "Simulator", "Slice": "E", "Ring": "0" } });
    reply
        .with_header("date", http_date(date))
        .with_header("request-id", request_id)
        .with_header("client-request-id", client_request_id)
        .with_header("x-ms-ags-diagnostic", diagnostic.to_string())
}
