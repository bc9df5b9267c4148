//! Discovery: what the authority's endpoints and keys are.

use axum::http::StatusCode;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::{
    denied::{self, Denied},
    reply::Reply,
    request::Request,
    sign_in,
    world::World,
};

/// The endpoints of a tenant, as `OpenID` Connect Discovery describes them.
pub(crate) fn endpoints(world: &mut World, request: &Request, tenant: &str) -> Reply {
    let Some(tenant) = world
        .directory
        .tenant(tenant)
        .map(|tenant| tenant.id.clone())
    else {
        return denied::reply(world, &Denied::unknown_tenant(tenant));
    };
    let base = &request.base;
    let own = format!("{base}/{tenant}");
    Reply::json(
        StatusCode::OK,
        json!({
            "issuer": format!("{own}/v2.0"),
            "token_endpoint": format!("{own}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{own}/oauth2/v2.0/devicecode"),
            // Required by the standard; the page is the only one there is.
            "authorization_endpoint": format!("{base}{}", sign_in::PAGE),
            "jwks_uri": format!("{own}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
        }),
    )
}

/// The keys that tokens are signed with.
pub(crate) fn keys(world: &mut World, tenant: &str) -> Reply {
    if world.directory.tenant(tenant).is_none() {
        return denied::reply(world, &Denied::unknown_tenant(tenant));
    }
    Reply::json(StatusCode::OK, world.signer.keys())
}

/// Where the endpoints of an authority are, for a client that does not trust the address that it was given.
pub(crate) fn instance(world: &mut World, request: &Request) -> Reply {
    let query = request.query.as_deref().unwrap_or_default();
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let asked = fields.find(|(name, _)| name == "authorization_endpoint");
    let address = asked.and_then(|(_, value)| Url::parse(&value).ok());
    let tenant = address.as_ref().and_then(|url| url.path_segments()?.next());
    let Some(tenant) = tenant.filter(|tenant| !tenant.is_empty()) else {
        let text = "'authorization_endpoint' is missing or is not an address";
        return denied::reply(
            world,
            &Denied::bad_request("invalid_request", 900_144, text),
        );
    };
    let base = &request.base;
    let host = base
        .split_once("://")
        .map_or(base.as_str(), |(_, host)| host);
    let aliases: Value = json!([{
        "preferred_network": host, "preferred_cache": host, "aliases": [host],
    }]);
    Reply::json(
        StatusCode::OK,
        json!({
            "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": aliases,
        }),
    )
}
