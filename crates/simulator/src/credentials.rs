//! Changes to credentials and sign-ins behind the clients' back.

use serde_json::Value;

use crate::{
    application::{Application, ClientSecret, FederatedCredential},
    clock::later,
    device_codes::{Decision, PendingDeviceCode},
    problem::Problem,
    refresh_tokens::Revocation,
    sign_in,
    world::World,
};

/// Makes `secret` the only one of an application.
pub(crate) fn rotate_secret(
    world: &mut World,
    client_id: &str,
    secret: &str,
) -> Result<(), Problem> {
    set_secrets(world, client_id, vec![secret.into()])
}

/// Makes these the only secrets of an application.
pub(crate) fn set_secrets(
    world: &mut World,
    client_id: &str,
    secrets: Vec<ClientSecret>,
) -> Result<(), Problem> {
    application(world, client_id)?.secrets = secrets;
    Ok(())
}

/// Makes these the only federated credentials of an application.
pub(crate) fn set_federated_credentials(
    world: &mut World,
    client_id: &str,
    credentials: Vec<FederatedCredential>,
) -> Result<(), Problem> {
    application(world, client_id)?.federated_credentials = credentials;
    Ok(())
}

/// Adds a federated credential to those of an application.
pub(crate) fn add_federated_credential(
    world: &mut World,
    client_id: &str,
    credential: FederatedCredential,
) -> Result<(), Problem> {
    let known = &mut application(world, client_id)?.federated_credentials;
    known.push(credential);
    Ok(())
}

/// Replaces the keys of an issuer in all federated credentials of an application.
pub(crate) fn set_jwks(
    world: &mut World,
    client_id: &str,
    issuer: &str,
    jwks: &Value,
) -> Result<(), Problem> {
    let known = &mut application(world, client_id)?.federated_credentials;
    let mut found = false;
    for credential in known.iter_mut().filter(|known| known.issuer == issuer) {
        credential.jwks = Some(jwks.clone());
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(Problem::not_found("a federated credential of this issuer"))
    }
}

/// Sets whether an application may act for a user without a credential of its own.
pub(crate) fn set_public_client(
    world: &mut World,
    client_id: &str,
    public: bool,
) -> Result<(), Problem> {
    application(world, client_id)?.public_client = public;
    Ok(())
}

/// Registers certificates, in PEM, in place of those that an application has.
pub(crate) fn set_certificates(
    world: &mut World,
    client_id: &str,
    pems: Vec<String>,
) -> Result<(), Problem> {
    application(world, client_id)?.certificates = pems;
    Ok(())
}

/// Sets what tokens of an application are good for from now on.
pub(crate) fn set_permissions(
    world: &mut World,
    client_id: &str,
    permissions: Vec<String>,
) -> Result<(), Problem> {
    application(world, client_id)?.permissions = permissions;
    Ok(())
}

/// Sign-ins that wait for a person, oldest first.
pub(crate) fn device_codes(world: &World) -> Vec<PendingDeviceCode> {
    world.directory.device_codes.pending(world.now())
}

/// Does what a person does on the page.
pub(crate) fn decide(
    world: &mut World,
    user_code: &str,
    decision: Decision,
) -> Result<(), Problem> {
    match sign_in::decide(world, user_code, decision) {
        None => Err(Problem::not_found(
            "a pending device code of this user code",
        )),
        Some(Ok(())) => Ok(()),
        Some(Err(denied)) => Err(Problem::conflict(denied.description())),
    }
}

/// Makes all refresh tokens of an application useless.
pub(crate) fn revoke_refresh_tokens(
    world: &mut World,
    client_id: &str,
    why: Revocation,
) -> Result<(), Problem> {
    let client_id = application(world, client_id)?.client_id.clone();
    world.directory.refresh_tokens.void(&client_id, why);
    Ok(())
}

/// Makes these the only refresh tokens of an application, for everything that it may do.
pub(crate) fn set_refresh_tokens(
    world: &mut World,
    client_id: &str,
    texts: Vec<String>,
) -> Result<(), Problem> {
    let consent = world.directory.consent(client_id).ok_or_else(unknown)?;
    let expires = later(world.now(), world.behavior.refresh_token_lifetime);
    let tokens = &mut world.directory.refresh_tokens;
    tokens.forget(&consent.client_id);
    for text in texts {
        tokens.add(text, consent.clone(), expires);
    }
    Ok(())
}

/// Refresh tokens of an application that can be used, oldest first.
pub(crate) fn refresh_tokens(world: &World, client_id: &str) -> Result<Vec<String>, Problem> {
    let consent = world.directory.consent(client_id).ok_or_else(unknown)?;
    let live = &world.directory.refresh_tokens;
    Ok(live.live(&consent.client_id, world.now()))
}

fn application<'a>(world: &'a mut World, client_id: &str) -> Result<&'a mut Application, Problem> {
    world
        .directory
        .application_mut(client_id)
        .ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("the application")
}
