//! One request from start to end: budget, token, HTTP exchange, at most one repetition with another
//! token, parsing, and the log entry.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
    time::{Instant, timeout_at},
};
use tracing::{Instrument, trace_span};
use url::Url;
use uuid::Uuid;

use super::{
    account::Account,
    answer::Answer,
    body::Body,
    budget::{Budget, Closed, Priority},
    error::Error,
    failure::{ErrorCode, Failure, Refusal, Shape, is_throttling},
    operation::{Observation, Observer, Operation, RequestOutcome},
    spans,
    token::TokenSource,
    token_cache::AccessToken,
    transport::Transport,
};

/// Size from which a body is parsed apart from the other tasks. A usual page, with 100 sets, has about 40 KiB.
const LARGE_BODY: usize = 256 * 1024;

/// Connection that a request may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionUse {
    /// Any connection of the pool.
    Pooled,
    /// A new connection for this request alone.
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
    /// As how many requests the budget counts it.
    count: usize,
    /// Sent as `client-request-id`. The service records it in its logs; it does not make a request
    /// idempotent.
    id: Uuid,
}

impl GraphRequest {
    /// Returns a request without a body, with a random id.
    pub(super) fn new(operation: Operation, method: Method, url: Url, priority: Priority) -> Self {
        Self {
            operation,
            priority,
            method,
            url,
            body: None,
            connection_use: ConnectionUse::Pooled,
            count: 1,
            id: Uuid::new_v4(),
        }
    }

    pub(super) fn with_id(self, id: Uuid) -> Self {
        Self { id, ..self }
    }

    /// Makes the budget count the request as several, because the service does.
    pub(super) fn counted(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// Sends the request on a new connection; see [`Transport::unpooled`].
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

/// State shared by all requests of one client.
pub(super) struct Exchange {
    pub(super) transport: Transport,
    pub(super) tokens: TokenSource,
    pub(super) account: Account,
    pub(super) observer: Observer,
}

impl Exchange {
    /// Sends a request and parses its response with `read`.
    ///
    /// # Guarantees
    ///
    /// The request is sent at most once, and a second time with another token if the service refused
    /// the first token. The time from leaving the budget to the return is at most the request time-out.
    pub(super) async fn call<T>(
        &self,
        request: &GraphRequest,
        read: impl FnOnce(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let span = spans::call(request.operation, request.priority);
        let called = self.call_in_span(request, read).instrument(span.clone());
        let result = called.await;
        spans::ended(&span, || outcome(result.as_ref().err()));
        result
    }

    async fn call_in_span<T>(
        &self,
        request: &GraphRequest,
        read: impl FnOnce(Answer) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let operation = request.operation;
        let admitted = self.admit(request).await;
        let start = Instant::now();
        let result = match admitted {
            Ok(()) => {
                self.send_with_token(request, start + self.transport.request_timeout())
                    .await
            }
            Err(closed) => Err(Error::closed(operation, closed)),
        };
        let answered = match &result {
            Ok(answer) => Answered::of(answer),
            Err(error) => Answered::by(error),
        };
        let result = result.and_then(|answer| {
            let size = answer.body.as_ref().map_or(0, |body| body.len());
            let read = apart(size, || read(answer));
            read.map_err(|failure| Error::request(operation, failure))
        });
        self.report(request, &answered, result.as_ref().err(), start.elapsed());
        result
    }

    async fn admit(&self, request: &GraphRequest) -> Result<(), Closed> {
        let start = Instant::now();
        let granted = async {
            for _ in 0..request.count {
                self.budget().acquire(request.priority).await?;
            }
            Ok(())
        };
        granted.instrument(trace_span!("budget")).await?;
        (self.observer)(Observation::Admitted {
            priority: request.priority,
            waited: start.elapsed(),
        });
        Ok(())
    }

    async fn send_with_token(
        &self,
        request: &GraphRequest,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let failed = |failure| Error::request(request.operation, failure);
        let token = self.token(request.operation, deadline).await?;
        let answer = self.send(request, &token, deadline).await;
        let Err(Failure::Refused(refusal)) = &answer else {
            return answer.map_err(failed);
        };
        let Some(other) = self.other_token(request, refusal, &token, deadline).await? else {
            return answer.map_err(failed);
        };
        let admitted = self
            .budget()
            .acquire_before(request.priority, deadline)
            .await;
        admitted.map_err(|closed| Error::closed(request.operation, closed))?;
        self.send(request, &other, deadline).await.map_err(failed)
    }

    /// Returns another token if the first was refused and the request may be repeated, or `None`.
    async fn other_token(
        &self,
        request: &GraphRequest,
        refusal: &Refusal,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Option<AccessToken>, Error> {
        let from_service = refusal.shape == Shape::Graph;
        match refusal.status {
            401 => {
                let renewed = timeout_at(deadline, self.tokens.refused(token)).await;
                // A 401 from an intermediary does not prove that the request had no effect. A repetition is
                // harmless, except for creates and resets, which are the POST requests.
                let repeatable = from_service || request.method != Method::POST;
                if repeatable && renewed.unwrap_or(false) {
                    return self.token(request.operation, deadline).await.map(Some);
                }
                Ok(None)
            }
            403 if from_service => {
                let newer = timeout_at(deadline, self.tokens.instead_of(token)).await;
                Ok(newer.ok().flatten())
            }
            _ => Ok(None),
        }
    }

    fn budget(&self) -> &Budget {
        self.account.budget()
    }

    /// Obtains a token, unless a valid one is cached.
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
            // Without this header the service may return `unknownFutureValue` in place of an enum member
            // that is newer than the documented interface.
            http = http.header("Prefer", "include-unknown-enum-members");
        }
        if let Some(body) = &request.body {
            http = http
                .header(CONTENT_TYPE, "application/json")
                .body(body.bytes());
        }
        let intake = self.account.intake();
        let span = spans::request(
            request.operation,
            &request.method,
            &request.url,
            Some(request.id),
        );
        let sent = self.transport.send(http, deadline, intake);
        let mut answer = sent.instrument(span.clone()).await;
        spans::answered(&span, &answer);
        if let Err(Failure::Refused(refusal)) = &mut answer {
            refusal.actor = self.tokens.actor();
        }
        self.feed_budget(&answer);
        answer
    }

    fn feed_budget(&self, answer: &Result<Answer, Failure>) {
        match answer {
            Ok(_) => self.budget().succeeded(),
            Err(Failure::Refused(refusal)) => match refusal.status {
                status if is_throttling(status) => self.budget().throttled(refusal.retry_after),
                500..=599 => {}
                _ => self.budget().succeeded(),
            },
            Err(_) => {}
        }
    }

    /// Logs the request, with the ids that the service's support team asks for, and notifies the
    /// observer. No other code logs requests, except those for a token.
    fn report(
        &self,
        request: &GraphRequest,
        answered: &Answered,
        error: Option<&Error>,
        duration: Duration,
    ) {
        let outcome = outcome(error);
        tracing::debug!(
            operation = %request.operation,
            %outcome,
            client_request_id = %request.id,
            request_id = answered.request_id.as_ref().map(tracing::field::display),
            status = answered.status,
            duration_seconds = duration.as_secs_f64(),
            "request finished"
        );
        (self.observer)(Observation::Finished {
            operation: request.operation,
            outcome,
            duration,
        });
    }
}

/// What the log contains of a response.
struct Answered {
    status: Option<u16>,
    request_id: Option<ErrorCode>,
}

impl Answered {
    fn of(answer: &Answer) -> Self {
        Self {
            status: Some(answer.status.as_u16()),
            request_id: answer.headers.request_id.clone(),
        }
    }

    fn by(error: &Error) -> Self {
        let refusal = error.refusal();
        Self {
            status: refusal.map(|refusal| refusal.status),
            request_id: refusal.and_then(|refusal| refusal.request_id.clone()),
        }
    }
}

fn outcome(error: Option<&Error>) -> RequestOutcome {
    error.map_or(RequestOutcome::Success, |error| {
        RequestOutcome::Failure(error.verdict().reason)
    })
}

/// Calls a function that parses a body. If it is large, the other tasks of the worker go on in another thread meanwhile.
fn apart<T>(size: usize, parse: impl FnOnce() -> T) -> T {
    let has_others = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if size >= LARGE_BODY && has_others {
        block_in_place(parse)
    } else {
        parse()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_go_on_while_a_large_body_is_parsed() {
        let (sender, receiver) = mpsc::channel();
        let parse = tokio::spawn(async move {
            tokio::spawn(async move { sender.send(()) });
            apart(LARGE_BODY, || {
                receiver.recv_timeout(Duration::from_secs(20))
            })
        });
        assert_eq!(parse.await.unwrap(), Ok(()));
    }
}
