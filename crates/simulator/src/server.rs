//! The service's port: from bytes to a request and from an outcome to bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State},
    http::{Request as HttpRequest, StatusCode, header, uri::Authority},
    response::{IntoResponse as _, Response},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    exchange::{Line, Outcome},
    request::Request,
    respond::respond,
    service,
    wire::{Scissors, WireListener},
    world::World,
};

/// The largest body that is read.
const BODY_LIMIT: usize = 4 << 20;

/// The world, shared between the ports and the handle.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world for a moment. Never to be held over an `await`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each request to the service's port needs.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) world: Shared,
    /// Of the port, for links in answers.
    pub(crate) scheme: &'static str,
}

/// Serves until it is stopped.
pub(crate) async fn run(listener: WireListener, service: Service, stop: CancellationToken) {
    let service = Router::new().fallback(answer).with_state(service);
    let service = service.into_make_service_with_connect_info::<Scissors>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    // An accept loop that has ended cannot be mended; whoever connects will notice.
    let _ = serving.await;
}

async fn answer(
    State(Service { world, scheme }): State<Service>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest<Body>,
) -> Response {
    let request = match read(request, scheme).await {
        Ok(request) => request,
        Err(status) => return status.into_response(),
    };
    // In a task of its own, so that what has been asked for happens even if the client does not wait for it.
    match tokio::spawn(process(world, request)).await {
        Ok(outcome) if outcome.line == Line::Answered => respond(outcome, scissors),
        Ok(_) | Err(_) => {
            scissors.cut();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn process(world: Shared, request: Request) -> Outcome {
    let admitted = service::admit(&mut world.lock(), &request);
    sleep(admitted.plan.delay_before).await;
    let outcome = service::serve(&mut world.lock(), &request, admitted, None);
    sleep(outcome.plan.delay_after).await;
    outcome
}

async fn read(request: HttpRequest<Body>, scheme: &str) -> Result<Request, StatusCode> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host
        .or(parts.uri.authority().map(Authority::as_str))
        .unwrap_or("localhost");
    let scheme = parts
        .headers
        .get("x-forwarded-proto")
        .and_then(|scheme| scheme.to_str().ok())
        .unwrap_or(scheme);
    Ok(Request {
        base: format!("{scheme}://{host}"),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
    })
}
