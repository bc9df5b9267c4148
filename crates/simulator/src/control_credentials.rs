//! The control port's part for credentials, tokens and sign-ins.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post, put},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    application::{ClientSecret, FederatedCredential},
    control::{DONE, Done},
    credentials,
    device_codes::{Decision, PendingDeviceCode},
    problem::Problem,
    refresh_tokens::Revocation,
    server::Shared,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/applications/{id}/secret", put(rotate_secret))
        .route("/applications/{id}/secrets", put(set_secrets))
        .route("/applications/{id}/certificates", put(set_certificates))
        .route(
            "/applications/{id}/federated-credentials",
            put(set_federated_credentials).post(add_federated_credential),
        )
        .route("/applications/{id}/jwks", put(set_jwks))
        .route("/applications/{id}/public-client", put(set_public_client))
        .route("/applications/{id}/permissions", put(set_permissions))
        .route(
            "/applications/{id}/refresh-tokens",
            get(refresh_tokens)
                .put(set_refresh_tokens)
                .delete(revoke_refresh_tokens),
        )
        .route("/device-codes", get(device_codes))
        .route("/device-codes/{code}/approve", post(approve))
        .route("/device-codes/{code}/deny", post(deny))
        .route("/tokens", delete(revoke_tokens))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: String,
}

async fn rotate_secret(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Secret>,
) -> Done {
    credentials::rotate_secret(&mut world.lock(), &id, &new.secret).map(|()| DONE)
}

async fn set_secrets(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Vec<ClientSecret>>,
) -> Done {
    credentials::set_secrets(&mut world.lock(), &id, new).map(|()| DONE)
}

async fn set_federated_credentials(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Vec<FederatedCredential>>,
) -> Done {
    credentials::set_federated_credentials(&mut world.lock(), &id, new).map(|()| DONE)
}

async fn add_federated_credential(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<FederatedCredential>,
) -> Done {
    credentials::add_federated_credential(&mut world.lock(), &id, new).map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerKeys {
    issuer: String,
    jwks: Value,
}

async fn set_jwks(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(IssuerKeys { issuer, jwks }): Json<IssuerKeys>,
) -> Done {
    credentials::set_jwks(&mut world.lock(), &id, &issuer, &jwks).map(|()| DONE)
}

async fn set_public_client(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(public): Json<bool>,
) -> Done {
    credentials::set_public_client(&mut world.lock(), &id, public).map(|()| DONE)
}

async fn set_certificates(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Vec<String>>,
) -> Done {
    credentials::set_certificates(&mut world.lock(), &id, new).map(|()| DONE)
}

async fn set_permissions(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Vec<String>>,
) -> Done {
    credentials::set_permissions(&mut world.lock(), &id, new).map(|()| DONE)
}

async fn revoke_tokens(State(world): State<Shared>) -> StatusCode {
    world.lock().directory.revoke_all();
    DONE
}

async fn refresh_tokens(
    State(world): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Vec<String>>, Problem> {
    credentials::refresh_tokens(&world.lock(), &id).map(Json)
}

async fn set_refresh_tokens(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<Vec<String>>,
) -> Done {
    credentials::set_refresh_tokens(&mut world.lock(), &id, new).map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Revocation,
}

async fn revoke_refresh_tokens(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Query(Why { reason }): Query<Why>,
) -> Done {
    credentials::revoke_refresh_tokens(&mut world.lock(), &id, reason).map(|()| DONE)
}

async fn device_codes(State(world): State<Shared>) -> Json<Vec<PendingDeviceCode>> {
    Json(credentials::device_codes(&world.lock()))
}

async fn approve(State(world): State<Shared>, Path(code): Path<String>) -> Done {
    credentials::decide(&mut world.lock(), &code, Decision::Approve).map(|()| DONE)
}

async fn deny(State(world): State<Shared>, Path(code): Path<String>) -> Done {
    credentials::decide(&mut world.lock(), &code, Decision::Deny).map(|()| DONE)
}
