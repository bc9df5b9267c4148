//! The control port.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    backdoor,
    behavior::Behavior,
    chaos::Chaos,
    control_credentials,
    fault::{ActiveRule, Rule},
    journal::{Journal, Tally},
    options::DEFAULT_HOSTILE_RATE,
    problem::Problem,
    readiness::ReadinessScript,
    server::Shared,
    state::{self, FlowState, Snapshot},
    validate,
};

/// Serves until it is stopped.
pub(crate) async fn run(listener: TcpListener, world: Shared, stop: CancellationToken) {
    let serving = axum::serve(listener, routes().with_state(world))
        .with_graceful_shutdown(stop.cancelled_owned());
    // An accept loop that has ended cannot be mended; whoever connects will notice.
    let _ = serving.await;
}

fn routes() -> Router<Shared> {
    Router::new()
        .route("/state", get(snapshot))
        .route("/journal", get(journal))
        .route("/counts", get(counts))
        .route("/faults", get(rules).post(inject).delete(clear_rules))
        .route("/faults/{id}", delete(remove_rule))
        .route("/hostility", put(set_hostile).delete(set_calm))
        .route("/clock/advance", post(advance))
        .route(
            "/options",
            get(behavior).put(replace_behavior).patch(merge_behavior),
        )
        .route("/sets", post(create_set))
        .route("/sets/{id}", patch(update_set).delete(delete_set))
        .route("/sets/{id}/flows", post(create_flow))
        .route(
            "/flows/{id}",
            get(flow).patch(update_flow).delete(delete_flow),
        )
        .route("/flows/{id}/readiness", put(set_readiness))
        .route("/flows/{id}/password", post(has_password))
        .merge(control_credentials::routes())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(json!({ "error": self.message }))).into_response()
    }
}

/// What a change answers: nothing, or why not.
pub(crate) type Done = Result<StatusCode, Problem>;

pub(crate) const DONE: StatusCode = StatusCode::NO_CONTENT;

async fn snapshot(State(world): State<Shared>) -> Json<Snapshot> {
    Json(state::snapshot(&world.lock()))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn journal(
    State(world): State<Shared>,
    Query(Since { since }): Query<Since>,
) -> Json<Journal> {
    Json(world.lock().journal.since(since))
}

async fn counts(State(world): State<Shared>, Query(Since { since }): Query<Since>) -> Json<Tally> {
    Json(world.lock().journal.since(since).tally())
}

async fn rules(State(world): State<Shared>) -> Json<Vec<ActiveRule>> {
    Json(world.lock().rules.active().to_vec())
}

async fn inject(State(world): State<Shared>, Json(rule): Json<Rule>) -> (StatusCode, Json<Value>) {
    let id = world.lock().rules.inject(rule);
    (StatusCode::CREATED, Json(json!({ "id": id })))
}

async fn clear_rules(State(world): State<Shared>) -> StatusCode {
    world.lock().rules.clear();
    DONE
}

async fn remove_rule(State(world): State<Shared>, Path(id): Path<u64>) -> StatusCode {
    if world.lock().rules.remove(id) {
        DONE
    } else {
        StatusCode::NOT_FOUND
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    seed: u64,
    #[serde(default = "usual_rate")]
    rate: f64,
}

fn usual_rate() -> f64 {
    DEFAULT_HOSTILE_RATE
}

async fn set_hostile(
    State(world): State<Shared>,
    Json(Hostile { seed, rate }): Json<Hostile>,
) -> StatusCode {
    world.lock().chaos = Some(Chaos::new(seed, rate));
    DONE
}

async fn set_calm(State(world): State<Shared>) -> StatusCode {
    world.lock().chaos = None;
    DONE
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    #[serde(with = "crate::seconds")]
    seconds: Duration,
}

async fn advance(
    State(world): State<Shared>,
    Json(Advance { seconds }): Json<Advance>,
) -> StatusCode {
    world.lock().clock.advance(seconds);
    DONE
}

async fn behavior(State(world): State<Shared>) -> Json<Behavior> {
    Json(world.lock().behavior.clone())
}

async fn replace_behavior(State(world): State<Shared>, Json(new): Json<Behavior>) -> StatusCode {
    world.lock().behavior = new;
    DONE
}

/// Changes only the switches that are named.
async fn merge_behavior(State(world): State<Shared>, Json(changes): Json<Value>) -> Done {
    let wrong = |error: serde_json::Error| Problem::bad_request(error.to_string());
    let mut world = world.lock();
    let mut behavior = serde_json::to_value(&world.behavior).map_err(wrong)?;
    validate::merge(&mut behavior, changes);
    world.behavior = serde_json::from_value(behavior).map_err(wrong)?;
    Ok(DONE)
}

async fn create_set(
    State(world): State<Shared>,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    backdoor::create_set(&mut world.lock(), &body).map(|id| created(&id))
}

async fn update_set(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Done {
    backdoor::update_set(&mut world.lock(), &id, &body).map(|()| DONE)
}

async fn delete_set(State(world): State<Shared>, Path(id): Path<String>) -> Done {
    backdoor::delete_set(&mut world.lock(), &id).map(|()| DONE)
}

async fn create_flow(
    State(world): State<Shared>,
    Path(set): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    backdoor::create_flow(&mut world.lock(), &set, &body).map(|id| created(&id))
}

fn created(id: &str) -> Response {
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

async fn flow(
    State(world): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<FlowState>, Problem> {
    state::flow_by_id(&world.lock(), &id).map(Json)
}

async fn update_flow(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Done {
    backdoor::update_flow(&mut world.lock(), &id, &body).map(|()| DONE)
}

async fn delete_flow(State(world): State<Shared>, Path(id): Path<String>) -> Done {
    backdoor::delete_flow(&mut world.lock(), &id).map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum NewReadiness {
    Status(String),
    Script(ReadinessScript),
}

async fn set_readiness(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(new): Json<NewReadiness>,
) -> Done {
    let mut world = world.lock();
    match new {
        NewReadiness::Status(status) => backdoor::set_readiness(&mut world, &id, &status),
        NewReadiness::Script(script) => backdoor::set_script(&mut world, &id, script),
    }
    .map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Guess {
    role_group: String,
    password: String,
}

async fn has_password(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Json(guess): Json<Guess>,
) -> Result<Json<Value>, Problem> {
    let matches = backdoor::has_password(&world.lock(), &id, &guess.role_group, &guess.password)?;
    Ok(Json(json!({ "matches": matches })))
}
