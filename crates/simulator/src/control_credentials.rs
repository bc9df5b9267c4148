//! The control port's part for credentials, tokens and sign-ins.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post, put},
};
use serde::Deserialize;

use crate::{
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
        .route("/applications/{id}/certificates", put(set_certificates))
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
