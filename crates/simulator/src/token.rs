//! The token endpoint: client secret, client assertion, refresh token.

use std::{borrow::Cow, collections::BTreeMap};

use axum::http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{
    assertion,
    denied::Denied,
    directory::{Actor, Application},
    ids::opaque,
    reply::Reply,
    request::Request,
    world::World,
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const AADSTS: &str = "AADSTS";

/// The fields of the form.
type Form = BTreeMap<String, String>;

/// Answers a token request. The caller's name, if it got one, goes into the journal.
pub(crate) fn issue(world: &mut World, request: &Request, tenant: &str) -> (Reply, Option<String>) {
    match granted(world, request, tenant) {
        Ok((body, subject)) => (uncached(Reply::json(StatusCode::OK, body)), Some(subject)),
        Err(denied) => (uncached(refusal(world, &denied)), None),
    }
}

fn granted(world: &mut World, request: &Request, tenant: &str) -> Result<(Value, String), Denied> {
    let form: Form = form_urlencoded::parse(&request.body).into_owned().collect();
    let application = application(world, tenant, field(&form, "client_id")?)?;
    match field(&form, "grant_type")? {
        "client_credentials" => {
            check_default_scope(&form)?;
            authenticate(world, request, &form, &application)?;
            Ok(access(world, &application, Actor::Application))
        }
        "refresh_token" => {
            if form.contains_key("client_secret") || form.contains_key("client_assertion") {
                authenticate(world, request, &form, &application)?;
            }
            refreshed(world, &form, &application)
        }
        other => Err(Denied::bad_request(
            "unsupported_grant_type",
            70003,
            format!("the app requested an unsupported grant type '{other}'"),
        )),
    }
}

fn application(world: &World, tenant: &str, client_id: &str) -> Result<Application, Denied> {
    let tenant = world.directory.tenant(tenant).ok_or_else(|| {
        Denied::bad_request(
            "invalid_request",
            90002,
            format!("tenant '{tenant}' not found"),
        )
    })?;
    let application = tenant.application(client_id).cloned();
    application.ok_or_else(|| {
        let text = format!(
            "application with identifier '{client_id}' was not found in the directory '{}'",
            tenant.id
        );
        Denied::bad_request("unauthorized_client", 700_016, text)
    })
}

fn check_default_scope(form: &Form) -> Result<(), Denied> {
    match field(form, "scope")? {
        scope if scope.ends_with("/.default") && !scope.contains(' ') => Ok(()),
        scope => Err(Denied::bad_request(
            "invalid_scope",
            1_002_012,
            format!(
                "the scope '{scope}' is not valid: client credential flows need a resource suffixed with /.default"
            ),
        )),
    }
}

fn authenticate(
    world: &World,
    request: &Request,
    form: &Form,
    application: &Application,
) -> Result<(), Denied> {
    if let Some(secret) = form.get("client_secret") {
        let known = application.secrets.contains(secret);
        return known
            .then_some(())
            .ok_or_else(|| Denied::client(7_000_215, "invalid client secret provided"));
    }
    let Some(assertion) = form.get("client_assertion") else {
        return Err(Denied::client(
            7_000_216,
            "'client_assertion' or 'client_secret' is required",
        ));
    };
    if field(form, "client_assertion_type")? != ASSERTION_TYPE {
        return Err(Denied::bad_request(
            "invalid_request",
            50_027,
            "'client_assertion_type' is not supported",
        ));
    }
    assertion::check(assertion, application, &request.path, world.now())
}

fn access(world: &mut World, application: &Application, actor: Actor) -> (Value, String) {
    let (now, life) = (world.now(), world.behavior.token_lifetime);
    let token = world.directory.issue(application, actor, now, life);
    let subject = world
        .directory
        .grant(&token, now)
        .map(crate::directory::Grant::subject)
        .unwrap_or_default();
    let body = json!({
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
        "ext_expires_in": life.as_secs(),
        "access_token": token,
    });
    (body, subject)
}

/// A delegated token, with a new refresh token beside it.
fn refreshed(
    world: &mut World,
    form: &Form,
    application: &Application,
) -> Result<(Value, String), Denied> {
    let given = field(form, "refresh_token")?;
    if !application
        .refresh_tokens
        .iter()
        .any(|known| known == given)
    {
        return Err(Denied::bad_request(
            "invalid_grant",
            70_000,
            "the provided refresh token is not valid",
        ));
    }
    let new = opaque();
    let once = world.behavior.refresh_token_once;
    if let Some(application) = world.directory.application_mut(&application.client_id) {
        application
            .refresh_tokens
            .retain(|known| !once || known != given);
        application.refresh_tokens.push(new.clone());
    }
    let (mut body, subject) = access(world, application, Actor::User);
    body["refresh_token"] = Value::from(new);
    body["scope"] = Value::from(application.permissions.join(" "));
    Ok((body, subject))
}

fn field<'a>(form: &'a Form, name: &str) -> Result<&'a str, Denied> {
    let missing = || {
        let text = format!("the request body must contain the following parameter: '{name}'");
        Denied::bad_request("invalid_request", 900_144, text)
    };
    form.get(name)
        .filter(|value| !value.is_empty())
        .map(String::as_str)
        .ok_or_else(missing)
}

/// A refusal as a rule wants it. `code` holds `error`, or a number such as `AADSTS50196`, or both with a blank between.
pub(crate) fn given(world: &mut World, status: StatusCode, code: Option<&str>) -> Reply {
    let mut denied = Denied {
        status,
        error: Cow::Borrowed(usual_error(status)),
        number: None,
        text: "injected by a fault rule".to_owned(),
    };
    for word in code.unwrap_or_default().split_whitespace() {
        match word.strip_prefix(AADSTS).map(str::parse) {
            Some(Ok(number)) => denied.number = Some(number),
            _ => denied.error = Cow::Owned(word.to_owned()),
        }
    }
    uncached(refusal(world, &denied))
}

/// The `error` that goes with a status.
fn usual_error(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            "temporarily_unavailable"
        }
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}

fn refusal(world: &mut World, denied: &Denied) -> Reply {
    let now = world.now();
    let (trace, correlation) = (world.ids.guid(), world.ids.guid());
    let stamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let number = denied.number.map(|number| format!("{AADSTS}{number}: "));
    let description = format!(
        "{}{}. Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
        number.unwrap_or_default(),
        denied.text
    );
    let body = json!({
        "error": denied.error,
        "error_description": description,
        "error_codes": denied.number.as_slice(),
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
    });
    Reply::json(denied.status, body)
}

fn uncached(reply: Reply) -> Reply {
    reply
        .with_header("cache-control", "no-store, no-cache")
        .with_header("pragma", "no-cache")
}
