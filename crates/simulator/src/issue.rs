//! Making of tokens: what is in them, and how the answer presents them.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Builder;

use crate::{
    clock::later,
    denied::Denied,
    directory::{Actor, Client, Grant},
    ids::opaque,
    refresh_tokens::Consent,
    request::Request,
    scopes::Scopes,
    world::World,
};

/// What a user has allowed.
pub(crate) struct Allowed<'a> {
    pub(crate) scopes: &'a Scopes,
    pub(crate) permissions: Vec<String>,
    pub(crate) nonce: Option<&'a str>,
    /// Whether the client wants to know which account it is.
    pub(crate) client_info: bool,
}

/// Answers with an access token for an application, and names the caller.
pub(crate) fn for_application(
    world: &mut World,
    client: &Client,
    audience: &str,
) -> Result<(Value, String), Denied> {
    let permissions = client.application.permissions.clone();
    let account = derived(&[client.tenant.as_str(), &client.application.client_id]);
    let mut claims = json!({ "oid": account, "sub": account, "idtyp": "app" });
    if !permissions.is_empty() {
        claims["roles"] = Value::from(permissions.clone());
    }
    access(
        world,
        client,
        (Actor::Application, permissions),
        (audience, claims),
    )
}

/// Answers with the tokens that act for a user, and names the caller.
pub(crate) fn for_user(
    world: &mut World,
    request: &Request,
    client: &Client,
    allowed: &Allowed<'_>,
) -> Result<(Value, String), Denied> {
    let user = User::of(client);
    let claims = json!({
        "oid": user.id, "sub": user.subject, "upn": user.name, "name": user.display_name,
        "idtyp": "user", "scp": allowed.permissions.join(" "),
    });
    let actor = (Actor::User, allowed.permissions.clone());
    let (mut body, subject) = access(world, client, actor, (allowed.scopes.audience(), claims))?;
    body["scope"] = Value::from(allowed.scopes.answered(&allowed.permissions));
    if allowed.scopes.is_offline() {
        body["refresh_token"] = Value::from(refresh_token(world, client, allowed.scopes));
    }
    if allowed.scopes.is_open_id() {
        body["id_token"] = Value::from(id_token(world, request, client, &user, allowed)?);
    }
    if allowed.client_info {
        let info = json!({ "uid": user.id, "utid": client.tenant });
        body["client_info"] = Value::from(BASE64_URL_SAFE_NO_PAD.encode(info.to_string()));
    }
    Ok((body, subject))
}

fn refresh_token(world: &mut World, client: &Client, scopes: &Scopes) -> String {
    let (now, life) = (world.now(), world.behavior.refresh_token_lifetime);
    let consent = Consent {
        tenant: client.tenant.clone(),
        client_id: client.application.client_id.clone(),
        scopes: scopes.clone(),
    };
    world.directory.refresh_tokens.issue(consent, now, life)
}

/// The tenant that tokens name, which a switch can make a lie.
fn tenant<'a>(world: &'a World, client: &'a Client) -> &'a str {
    let other = world.behavior.token_tenant.as_deref();
    other.unwrap_or(&client.tenant)
}

fn access(
    world: &mut World,
    client: &Client,
    (actor, permissions): (Actor, Vec<String>),
    (audience, mut claims): (&str, Value),
) -> Result<(Value, String), Denied> {
    let (now, life) = (world.now(), world.behavior.token_lifetime);
    let expires = later(now, life);
    let tenant = tenant(world, client);
    claims["aud"] = Value::from(audience);
    claims["iss"] = Value::from(format!("https://sts.windows.net/{tenant}/"));
    claims["tid"] = Value::from(tenant);
    claims["appid"] = Value::from(client.application.client_id.as_str());
    claims["iat"] = Value::from(now.as_second());
    claims["nbf"] = Value::from(now.as_second());
    claims["exp"] = Value::from(expires.as_second());
    claims["uti"] = Value::from(opaque());
    claims["ver"] = Value::from("1.0");
    let token = if world.behavior.opaque_tokens {
        opaque()
    } else {
        world.signer.sign(&claims)?
    };
    let grant = Grant {
        actor,
        client_id: client.application.client_id.clone(),
        permissions,
        expires,
    };
    let subject = grant.subject();
    world.directory.remember(token.clone(), grant, now);
    let body = json!({
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
        "ext_expires_in": life.as_secs(),
        "access_token": token,
    });
    Ok((body, subject))
}

fn id_token(
    world: &World,
    request: &Request,
    client: &Client,
    user: &User,
    allowed: &Allowed<'_>,
) -> Result<String, Denied> {
    let (now, tenant) = (world.now(), tenant(world, client));
    let expires = later(now, world.behavior.token_lifetime);
    let mut claims = json!({
        "ver": "2.0", "iss": format!("{}/{tenant}/v2.0", request.base), "tid": tenant,
        "aud": client.application.client_id, "sub": user.subject, "oid": user.id,
        "name": user.display_name, "preferred_username": user.name,
        "iat": now.as_second(), "nbf": now.as_second(), "exp": expires.as_second(),
    });
    if let Some(nonce) = allowed.nonce {
        claims["nonce"] = Value::from(nonce);
    }
    world.signer.sign(&claims)
}

/// The one user of a tenant.
struct User {
    id: String,
    /// Id of the user as this application sees it.
    subject: String,
    name: String,
    display_name: &'static str,
}

impl User {
    fn of(client: &Client) -> Self {
        let domain = client.domains.first().unwrap_or(&client.tenant);
        let name = format!("administrator@{domain}");
        Self {
            id: derived(&[&client.tenant, &name]),
            subject: derived(&[&client.tenant, &name, &client.application.client_id]),
            name,
            display_name: "Administrator",
        }
    }
}

/// A GUID that is always the same for the same words.
fn derived(words: &[&str]) -> String {
    let hash = digest(&SHA256, words.join("/").as_bytes());
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(hash.as_ref()) {
        *place = *byte;
    }
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}
