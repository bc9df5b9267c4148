//! Client assertions: a certificate's self-signed token, or a foreign issuer's.

use crate::{certificate, denied::Denied, directory::Client, federation, jwt::Jwt, world::World};

/// The authority's public address, which an assertion may name when a gateway forwards the request.
const PUBLIC: &str = "https://login.microsoftonline.com";

/// Checks an assertion that was sent to the authority at `base`.
///
/// A token whose issuer or audience is the application's own must be signed with its certificate; any other needs a
/// federated credential.
pub(crate) fn check(
    world: &mut World,
    assertion: &str,
    client: &Client,
    base: &str,
) -> Result<(), Denied> {
    let token = Jwt::parse(assertion)?;
    let here = |audience: &str| is_token_endpoint(audience, client, base);
    let own = |claim: &str| {
        let client_id = &client.application.client_id;
        token.claim(claim).eq_ignore_ascii_case(client_id)
    };
    if !own("iss") && !token.is_for(here) {
        federation::check(&token, &client.application.federated_credentials)?;
        return token.check_time(world.now());
    }
    certificate::check(&token, &client.application.certificates)?;
    if !own("iss") || !own("sub") {
        return Err(Denied::client(
            700_021,
            "client assertion application identifier doesn't match 'client_id'",
        ));
    }
    if !token.is_for(here) {
        return Err(Denied::client(
            700_023,
            "client assertion audience claim does not match the token endpoint",
        ));
    }
    token.check_time(world.now())?;
    check_first_use(world, &token, client)
}

/// Whether an address is the token endpoint of this tenant, of this authority or of the public one.
fn is_token_endpoint(address: &str, client: &Client, base: &str) -> bool {
    let tenant = [base, PUBLIC].into_iter().find_map(|host| {
        let path = address.strip_prefix(host)?.strip_prefix('/')?;
        path.strip_suffix("/oauth2/v2.0/token")
    });
    let names = [&client.tenant].into_iter().chain(&client.domains);
    tenant.is_some_and(|tenant| {
        names
            .into_iter()
            .any(|name| name.eq_ignore_ascii_case(tenant))
    })
}

fn check_first_use(world: &mut World, token: &Jwt, client: &Client) -> Result<(), Denied> {
    if !world.behavior.assertion_once {
        return Ok(());
    }
    let id = token.claim("jti");
    let refused = |why| Err(Denied::bad_request("invalid_grant", 50_013, why));
    if id.is_empty() {
        return refused("assertion failed validation: it has no identifier");
    }
    let now = world.now();
    if world.directory.is_first_use(client, id, now) {
        Ok(())
    } else {
        refused("assertion failed validation: it has been used already")
    }
}
