//! One request from budget to meaning: budget, token, exchange, one repetition with another token,
//! reading, telling.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use tokio::time::{Instant, timeout_at};
use url::Url;
use uuid::Uuid;

use super::{
    account::Account,
    answer::Answer,
    body::Body,
    budget::{Budget, Priority},
    error::Error,
    failure::{Failure, Refusal, Shape},
    operation::{Observer, Operation, RequestOutcome},
    token::{AccessToken, TokenSource},
    transport::Transport,
};

/// Which connection a request may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionUse {
    /// Any.
    Pooled,
    /// One of its own.
    Alone,
}

/// A request to Microsoft Graph.
pub(super) struct GraphRequest {
    operation: Operation,
    priority: Priority,
    method: Method,
    url: Url,
    body: Option<Body>,
    connection_use: ConnectionUse,
    /// Sent as `client-request-id`. The service repeats it in its own logs; it does not make a
    /// request idempotent.
    id: Uuid,
}

impl GraphRequest {
    /// A request without a body, with an id of its own.
    pub(super) fn new(operation: Operation, method: Method, url: Url, priority: Priority) -> Self {
        Self {
            operation,
            priority,
            method,
            url,
            body: None,
            connection_use: ConnectionUse::Pooled,
            id: Uuid::new_v4(),
        }
    }

    pub(super) fn with_id(self, id: Uuid) -> Self {
        Self { id, ..self }
    }

    /// On a connection of its own; see [`Transport::unpooled`].
    pub(super) fn alone(self) -> Self {
        Self {
            connection_use: ConnectionUse::Alone,
            ..self
        }
    }

    pub(super) fn with_body(self, body: Body) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

/// What all requests of one connection share.
pub(super) struct Exchange {
    pub(super) transport: Transport,
    pub(super) tokens: TokenSource,
    pub(super) account: Account,
    pub(super) observer: Observer,
}

impl Exchange {
    /// Makes a request and reads its answer.
    ///
    /// *Guarantees*: the request is sent at most once, and once more, with another token, if the service
    /// refused the first. From leaving the budget to the return takes no longer than the request
    /// time-out.
    pub(super) async fn call<T>(
        &self,
        request: &GraphRequest,
        read: impl FnOnce(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let operation = request.operation;
        let admitted = self.budget().acquire(request.priority).await;
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

    async fn exchange(&self, request: &GraphRequest, deadline: Instant) -> Result<Answer, Error> {
        let failed = |failure| Error::request(request.operation, failure);
        let token = self.token(request.operation, deadline).await?;
        let answer = self.send(request, &token, deadline).await;
        let Err(Failure::Refused(refusal)) = &answer else {
            return answer.map_err(failed);
        };
        let Some(other) = self.other(request, refusal, &token, deadline).await? else {
            return answer.map_err(failed);
        };
        let admitted = self
            .budget()
            .acquire_before(request.priority, deadline)
            .await;
        admitted.map_err(|closed| Error::closed(request.operation, closed))?;
        self.send(request, &other, deadline).await.map_err(failed)
    }

    /// Another token, if the first was refused and the request may be repeated with one.
    async fn other(
        &self,
        request: &GraphRequest,
        refusal: &Refusal,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Option<AccessToken>, Error> {
        let theirs = refusal.shape == Shape::Graph;
        match refusal.status {
            401 => {
                let renewed = timeout_at(deadline, self.tokens.refused(token)).await;
                // A 401 of somebody else does not prove that nothing was done; to do it twice is harmless
                // but for creates and resets.
                let repeatable = theirs || request.method != Method::POST;
                if repeatable && renewed.unwrap_or(false) {
                    return self.token(request.operation, deadline).await.map(Some);
                }
                Ok(None)
            }
            403 if theirs => {
                let newer = timeout_at(deadline, self.tokens.instead_of(token)).await;
                Ok(newer.ok().flatten())
            }
            _ => Ok(None),
        }
    }

    fn budget(&self) -> &Budget {
        self.account.budget()
    }

    /// Makes sure that there is a token.
    pub(super) async fn obtain_token(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.transport.request_timeout();
        self.token(Operation::FetchToken, deadline).await.map(drop)
    }

    async fn token(&self, operation: Operation, deadline: Instant) -> Result<AccessToken, Error> {
        let token = timeout_at(deadline, self.tokens.get()).await;
        let token = token.unwrap_or_else(|_| Err(Arc::new(Failure::TimedOut)));
        token.map_err(|source| Error::NoToken { operation, source })
    }

    async fn send(
        &self,
        request: &GraphRequest,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let client = match request.connection_use {
            ConnectionUse::Pooled => self.transport.http(),
            ConnectionUse::Alone => self.transport.unpooled(),
        };
        let mut http = client
            .request(request.method.clone(), request.url.clone())
            .header(AUTHORIZATION, token.header.clone())
            .header("client-request-id", request.id.to_string());
        if request.method == Method::GET {
            // Without it the service may show a word that is newer than the interface as
            // `unknownFutureValue`, and hide what it is.
            http = http.header("Prefer", "include-unknown-enum-members");
        }
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
            Ok(_) => self.budget().succeeded(),
            Err(Failure::Refused(refusal)) => match refusal.status {
                429 | 503 | 509 => self.budget().throttled(refusal.retry_after),
                500..=599 => {}
                _ => self.budget().succeeded(),
            },
            Err(_) => {}
        }
    }

    /// The one place that logs a request, with the ids that the service's support asks for.
    fn tell(&self, request: &GraphRequest, error: Option<&Error>, duration: Duration) {
        let outcome = error.map_or(RequestOutcome::Success, |error| {
            RequestOutcome::Failure(error.verdict().reason)
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
