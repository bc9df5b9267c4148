//! One request from budget to meaning: budget, token, exchange, one renewal after a 401, reading,
//! telling.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use tokio::time::{Instant, timeout_at};
use url::Url;
use uuid::Uuid;

use super::{
    answer::Answer,
    body::Body,
    budget::{Budget, Lane},
    error::{Error, Failure},
    operation::{Observer, Operation, Outcome},
    token::{AccessToken, TokenSource},
    transport::Transport,
};

/// A request to Microsoft Graph.
pub(super) struct Request {
    operation: Operation,
    lane: Lane,
    method: Method,
    url: Url,
    body: Option<Body>,
    /// Sent as `client-request-id`. The service repeats it in its own logs; it does not make a
    /// request idempotent.
    id: Uuid,
}

impl Request {
    /// A request without a body, with an id of its own.
    pub(super) fn new(operation: Operation, method: Method, url: Url, lane: Lane) -> Self {
        Self {
            operation,
            lane,
            method,
            url,
            body: None,
            id: Uuid::new_v4(),
        }
    }

    pub(super) fn with_id(self, id: Uuid) -> Self {
        Self { id, ..self }
    }

    pub(super) fn with_body(self, body: Body) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

/// What all requests of one connection share.
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) tokens: TokenSource,
    pub(super) budget: Arc<Budget>,
    pub(super) observer: Observer,
}

impl Connection {
    /// Makes a request and reads its answer.
    ///
    /// *Guarantees*: the request is sent at most once, and once more if the answer was 401. From
    /// leaving the budget to the return takes no longer than the request time-out.
    pub(super) async fn call<T>(
        &self,
        request: &Request,
        read: impl FnOnce(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let operation = request.operation;
        let admitted = self.budget.acquire(request.lane).await;
        let start = Instant::now();
        let result = match admitted {
            Ok(()) => {
                self.exchange(request, start + self.transport.request_timeout())
                    .await
            }
            Err(closed) => Err(Error::closed(operation, closed)),
        };
        let result = result
            .and_then(|answer| read(answer).map_err(|failure| Error::request(operation, failure)));
        self.tell(request, result.as_ref().err(), start.elapsed());
        result
    }

    async fn exchange(&self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        let token = self.token(request.operation, deadline).await?;
        let answer = self.send(request, &token, deadline).await;
        if !self.worth_repeating(&answer, &token, deadline).await {
            return answer.map_err(|failure| Error::request(request.operation, failure));
        }
        let token = self.token(request.operation, deadline).await?;
        let admitted = self.budget.acquire_before(request.lane, deadline).await;
        admitted.map_err(|closed| Error::closed(request.operation, closed))?;
        let answer = self.send(request, &token, deadline).await;
        answer.map_err(|failure| Error::request(request.operation, failure))
    }

    /// Whether the token was refused, which proves that nothing was done, and another can be had.
    async fn worth_repeating(
        &self,
        answer: &Result<Answer, Failure>,
        token: &AccessToken,
        deadline: Instant,
    ) -> bool {
        let refused = answer.as_ref().is_err_and(Failure::is_unauthorized);
        refused
            && timeout_at(deadline, self.tokens.refused(token))
                .await
                .unwrap_or(false)
    }

    async fn token(&self, operation: Operation, deadline: Instant) -> Result<AccessToken, Error> {
        let token = timeout_at(deadline, self.tokens.get()).await;
        let token = token.unwrap_or_else(|_| Err(Arc::new(Failure::TimedOut)));
        token.map_err(|source| Error::NoToken { operation, source })
    }

    async fn send(
        &self,
        request: &Request,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut http = self
            .transport
            .http()
            .request(request.method.clone(), request.url.clone())
            .header(AUTHORIZATION, token.header.clone())
            .header("client-request-id", request.id.to_string());
        if let Some(body) = &request.body {
            http = http
                .header(CONTENT_TYPE, "application/json")
                .body(body.bytes());
        }
        let answer = self.transport.send(http, deadline).await;
        self.feed_budget(&answer);
        answer
    }

    fn feed_budget(&self, answer: &Result<Answer, Failure>) {
        match answer {
            Ok(_) => self.budget.succeeded(),
            Err(Failure::Refused(refusal)) => match refusal.status {
                429 | 503 | 509 => self.budget.throttled(refusal.retry_after),
                500..=599 => {}
                _ => self.budget.succeeded(),
            },
            Err(_) => {}
        }
    }

    /// The one place that logs a request, with the ids that the service's support asks for.
    fn tell(&self, request: &Request, error: Option<&Error>, duration: Duration) {
        let outcome = error.map_or(Outcome::Success, |error| {
            Outcome::Failure(error.verdict().reason)
        });
        let refusal = error.and_then(Error::refusal);
        let request_id = refusal.and_then(|refusal| refusal.request_id.as_ref());
        tracing::debug!(
            operation = %request.operation,
            %outcome,
            client_request_id = %request.id,
            request_id = request_id.map(tracing::field::display),
            status = refusal.map(|refusal| refusal.status),
            duration_seconds = duration.as_secs_f64(),
            "request finished"
        );
        (self.observer)(request.operation, outcome, duration);
    }
}
