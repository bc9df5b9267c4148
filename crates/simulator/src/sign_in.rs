//! Sign-in of a person for a client that has no browser: the endpoint for device codes, and the page for user codes.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    denied::{self, Denied, uncached},
    device_codes::{Asked, Decision},
    form::Form,
    reply::Reply,
    request::Request,
    scopes::Scopes,
    token,
    world::World,
};

/// Path of the page.
pub(crate) const PAGE: &str = "/common/oauth2/deviceauth";

/// Answers a request for a device code.
pub(crate) fn start(world: &mut World, request: &Request, tenant: &str) -> Reply {
    match started(world, request, tenant) {
        Ok(body) => uncached(Reply::json(StatusCode::OK, body)),
        Err(denied) => denied::reply(world, &denied),
    }
}

fn started(world: &mut World, request: &Request, tenant: &str) -> Result<Value, Denied> {
    let form = Form::of(request);
    let client = token::client(world, tenant, &form)?;
    if token::has_credential(&form) {
        token::authenticate(world, request, &form, &client)?;
    }
    let asked = Asked {
        scopes: Scopes::parse(form.field("scope")?)?,
        tenant: client.tenant,
        client_id: client.application.client_id,
        nonce: form.get("nonce").map(str::to_owned),
    };
    let (now, life) = (world.now(), world.behavior.device_code_lifetime);
    let interval = world.behavior.device_code_interval;
    let codes = &mut world.directory.device_codes;
    let (device_code, user_code) = codes.start(asked, now, life, interval);
    let page = format!("{}{PAGE}", request.base);
    Ok(json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "expires_in": life.as_secs(),
        "interval": interval.as_secs(),
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    }))
}

/// Answers a visit to the page: the form, or what became of it.
pub(crate) fn page(world: &mut World, request: &Request) -> Reply {
    if request.method != Method::POST {
        return html(StatusCode::OK, FORM);
    }
    let form = Form::of(request);
    let decision = match form.get("decision") {
        Some("approve") => Some(Decision::Approve),
        Some("deny") => Some(Decision::Deny),
        _ => None,
    };
    let (Some(code), Some(decision)) = (form.get("user_code"), decision) else {
        return html(StatusCode::BAD_REQUEST, "<p>Enter a code.</p>");
    };
    match (decide(world, code, decision), decision) {
        (None, _) => html(
            StatusCode::BAD_REQUEST,
            "<p>This code is not valid. It is wrong, has expired, or has been used.</p>",
        ),
        (Some(Err(denied)), _) => {
            // A scope is whatever the client has sent.
            let text = escaped(&denied.description());
            html(StatusCode::FORBIDDEN, &format!("<p>{text}</p>"))
        }
        (Some(Ok(())), Decision::Approve) => html(
            StatusCode::OK,
            "<p>You have signed in. You may close this window.</p>",
        ),
        (Some(Ok(())), Decision::Deny) => html(
            StatusCode::OK,
            "<p>You have denied the request. You may close this window.</p>",
        ),
    }
}

/// Decides about a code, and finds out whether its scopes have consent. `None`: there is no such code.
pub(crate) fn decide(
    world: &mut World,
    user_code: &str,
    decision: Decision,
) -> Option<Result<(), Denied>> {
    let now = world.now();
    let codes = &mut world.directory.device_codes;
    let asked = codes.decide(user_code, decision, now)?.clone();
    if decision == Decision::Deny {
        return Some(Ok(()));
    }
    let tenant = world.directory.tenant(&asked.tenant)?;
    let application = tenant.application(&asked.client_id)?;
    Some(asked.scopes.granted(&application.permissions).map(|_| ()))
}

const FORM: &str = r#"<form method="post">
<p><label for="user_code">Code</label>
<input id="user_code" name="user_code" autocomplete="off" autofocus required></p>
<p><button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button></p>
</form>"#;

fn html(status: StatusCode, content: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Sign in to the simulator</title></head>\n<body>\n<h1>Sign in to the simulator</h1>\n{content}\n</body>\n</html>\n"
    );
    uncached(Reply::page(status, page))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
