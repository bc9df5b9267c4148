//! The token endpoint: client secret, client assertion, refresh token, device code.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    assertion,
    denied::{self, Denied, uncached},
    directory::Client,
    form::Form,
    issue::{self, Allowed},
    reply::Reply,
    request::Request,
    scopes::Scopes,
    world::World,
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Answers a token request. The caller's name, if it got one, goes into the journal.
pub(crate) fn issue(world: &mut World, request: &Request, tenant: &str) -> (Reply, Option<String>) {
    match granted(world, request, tenant) {
        Ok((body, subject)) => (uncached(Reply::json(StatusCode::OK, body)), Some(subject)),
        Err(denied) => (denied::reply(world, &denied), None),
    }
}

fn granted(world: &mut World, request: &Request, tenant: &str) -> Result<(Value, String), Denied> {
    let form = Form::of(request);
    let client = client(world, tenant, &form)?;
    match form.field("grant_type")? {
        "client_credentials" => {
            let resource = default_scope(&form)?;
            authenticate(world, request, &form, &client)?;
            issue::for_application(world, &client, resource)
        }
        "refresh_token" => {
            identify(world, request, &form, &client)?;
            refreshed(world, request, &form, &client)
        }
        DEVICE_CODE => {
            identify(world, request, &form, &client)?;
            redeemed(world, request, &form, &client)
        }
        other => Err(Denied::bad_request(
            "unsupported_grant_type",
            70_003,
            format!("the app requested an unsupported grant type '{other}'"),
        )),
    }
}

/// The application that a form names, in the tenant of the path.
pub(crate) fn client(world: &World, tenant: &str, form: &Form) -> Result<Client, Denied> {
    let client_id = form.field("client_id")?;
    let tenant = world
        .directory
        .tenant(tenant)
        .ok_or_else(|| Denied::unknown_tenant(tenant))?;
    let application = tenant.application(client_id).cloned().ok_or_else(|| {
        let text = format!(
            "application with identifier '{client_id}' was not found in the directory '{}'",
            tenant.id
        );
        Denied::bad_request("unauthorized_client", 700_016, text)
    })?;
    Ok(Client {
        tenant: tenant.id.clone(),
        domains: tenant.domains.clone(),
        application,
    })
}

/// The resource for which an application wants its roles.
fn default_scope(form: &Form) -> Result<&str, Denied> {
    let scope = form.field("scope")?;
    let resource = scope.strip_suffix("/.default");
    resource.filter(|resource| !resource.contains(' ')).ok_or_else(|| {
        let text = format!(
            "the scope '{scope}' is not valid: client credential flows need a resource suffixed with /.default"
        );
        Denied::bad_request("invalid_scope", 1_002_012, text)
    })
}

/// Checks the credential of a client that acts for a user. A public client need not have one.
fn identify(
    world: &mut World,
    request: &Request,
    form: &Form,
    client: &Client,
) -> Result<(), Denied> {
    if has_credential(form) {
        return authenticate(world, request, form, client);
    }
    if client.application.public_client {
        return Ok(());
    }
    Err(Denied::client(
        7_000_218,
        "the request body must contain the following parameter: 'client_assertion' or 'client_secret'",
    ))
}

/// Whether a form contains a credential of the client.
pub(crate) fn has_credential(form: &Form) -> bool {
    form.get("client_secret").is_some() || form.get("client_assertion").is_some()
}

/// Checks the secret or the assertion of a client.
pub(crate) fn authenticate(
    world: &mut World,
    request: &Request,
    form: &Form,
    client: &Client,
) -> Result<(), Denied> {
    if let Some(secret) = form.get("client_secret") {
        return check_secret(world, secret, client);
    }
    let Some(assertion) = form.get("client_assertion") else {
        return Err(Denied::client(
            7_000_216,
            "'client_assertion' or 'client_secret' is required",
        ));
    };
    if form.field("client_assertion_type")? != ASSERTION_TYPE {
        return Err(Denied::bad_request(
            "invalid_request",
            50_027,
            "'client_assertion_type' is not supported",
        ));
    }
    assertion::check(world, assertion, client, &request.base)
}

fn check_secret(world: &World, given: &str, client: &Client) -> Result<(), Denied> {
    let mut secrets = client.application.secrets.iter();
    let Some(secret) = secrets.find(|known| known.value == given) else {
        return Err(Denied::client(
            7_000_215,
            "invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID",
        ));
    };
    if secret.expires.is_some_and(|end| end <= world.now()) {
        let id = &client.application.client_id;
        let text = format!("the provided client secret keys for app '{id}' are expired");
        return Err(Denied::client(7_000_222, text));
    }
    Ok(())
}

/// Tokens for a refresh token, with another refresh token in its place.
fn refreshed(
    world: &mut World,
    request: &Request,
    form: &Form,
    client: &Client,
) -> Result<(Value, String), Denied> {
    let given = form.field("refresh_token")?;
    let now = world.now();
    let consent = world
        .directory
        .refresh_tokens
        .check(given, client.ids(), now)?;
    let scopes = match form.get("scope") {
        Some(scope) => Scopes::parse(scope)?.offline(),
        None => consent.scopes,
    };
    let allowed = Allowed {
        permissions: scopes.granted(&client.application.permissions)?,
        scopes: &scopes,
        nonce: None,
        client_info: wants_client_info(form),
    };
    let answer = issue::for_user(world, request, client, &allowed)?;
    if world.behavior.refresh_token_once {
        world.directory.refresh_tokens.spend(given);
    }
    Ok(answer)
}

/// Tokens for a device code.
fn redeemed(
    world: &mut World,
    request: &Request,
    form: &Form,
    client: &Client,
) -> Result<(Value, String), Denied> {
    let given = form.field("device_code")?;
    let now = world.now();
    let asked = world
        .directory
        .device_codes
        .poll(given, client.ids(), now)?;
    let allowed = Allowed {
        permissions: asked.scopes.granted(&client.application.permissions)?,
        scopes: &asked.scopes,
        nonce: asked.nonce.as_deref(),
        client_info: wants_client_info(form),
    };
    let answer = issue::for_user(world, request, client, &allowed)?;
    world.directory.device_codes.redeem(given);
    Ok(answer)
}

fn wants_client_info(form: &Form) -> bool {
    form.get("client_info") == Some("1")
}
