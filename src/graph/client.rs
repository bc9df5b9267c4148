//! Requests of the operator to Microsoft Graph, with one method each.

mod batch;
mod list;
mod sweep;

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;
use url::Url;
use uuid::Uuid;

use super::{
    account::Account,
    answer::{Answer, success},
    body::Passwords,
    budget::{Budget, Priority},
    claims::Granted,
    credential::{Credential, CredentialError},
    error::Error,
    exchange::{Exchange, GraphRequest},
    failure::Failure,
    malformed::Malformed,
    model::{
        Flow, FlowDefinition, FlowId, FlowSet, FlowSetDefinition, FlowSetId, KnownProperties,
        Listed, Listing,
    },
    operation::{Observer, Operation},
    token::TokenSource,
    transport::Transport,
};

pub use batch::MAX_BATCH;
pub use sweep::Sweep;

/// Client for one tenant. Cheap to clone; clones share token, budget and connection pool.
///
/// Every method returns within [`longest_call`](Self::longest_call) (for lists: each page), and sends its
/// request at most once, or twice if the first response refused the token. Every error has a
/// [`verdict`](Error::verdict), which for changes also contains whether they may have been carried out.
///
/// # Cancel safety
///
/// Dropping the future of a method abandons the request, which may or may not have been carried out.
#[derive(Clone)]
pub struct Client {
    exchange: Arc<Exchange>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Returns the request budget, which all clients of the account share.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.exchange.account.budget()
    }

    /// Returns a client that authenticates with this credential. It does not connect yet.
    ///
    /// The state of the account outlives the client: its budget, and the tokens and failures that are
    /// cached for this credential.
    #[must_use]
    pub fn new(
        transport: Transport,
        account: Account,
        credential: Credential,
        observer: Observer,
    ) -> Self {
        let tokens = TokenSource::new(
            transport.clone(),
            account.clone(),
            credential,
            Arc::clone(&observer),
        );
        let exchange = Exchange {
            transport,
            tokens,
            account,
            observer,
        };
        Self {
            exchange: Arc::new(exchange),
        }
    }

    /// Returns the longest time from the call of a method (for lists: from the request of a page) to its
    /// return, and so the longest time for which its request can be in progress. A caller that may write
    /// only while it holds a lease compares this with the remaining time of the lease.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.exchange.account.budget().max_wait() + self.exchange.transport.request_timeout()
    }

    /// Returns the permissions in the latest token, or `None` if it does not show them. A hint only: the service decides.
    #[must_use]
    pub fn granted(&self) -> Option<Granted> {
        self.exchange.tokens.granted()
    }

    /// Returns why the latest refresh token could not be kept in its place, or `None` if it is there.
    #[must_use]
    pub fn not_stored(&self) -> Option<CredentialError> {
        self.exchange.tokens.not_stored()
    }

    /// Obtains a token, unless a valid one is cached. A new credential can be tried in this way while
    /// another client keeps using the old one.
    ///
    /// # Errors
    ///
    /// If no token can be obtained. The failure may be a cached one, so frequent calls are cheap.
    pub async fn obtain_token(&self) -> Result<(), Error> {
        self.exchange.obtain_token().await
    }

    /// Checks that a request can be sent now: that the budget is not closed for long, and that a token is
    /// available. Call it before writing an intent, because only a request that was sent can settle it.
    ///
    /// # Errors
    ///
    /// If the budget is closed or no token can be obtained.
    pub async fn prepare(&self, operation: Operation) -> Result<(), Error> {
        let budget = self.exchange.account.budget();
        let open = budget.check();
        open.map_err(|closed| Error::closed(operation, closed))?;
        self.exchange.obtain_token().await
    }

    /// Lists all flow sets.
    ///
    /// # Errors
    ///
    /// If any page fails.
    pub async fn list_flow_sets(&self, priority: Priority) -> Result<Listing<FlowSet>, Error> {
        let url = self.url(&[]);
        self.list(Operation::ListFlowSets, url, priority).await
    }

    /// Reads a flow set, or `None` if the service itself reports that it does not exist: a 404 in its
    /// error shape.
    ///
    /// # Errors
    ///
    /// If the request fails or the response cannot be parsed. Then nothing is known about the set.
    pub async fn get_flow_set(
        &self,
        id: &FlowSetId,
        priority: Priority,
    ) -> Result<Option<FlowSet>, Error> {
        let url = self.url(&[id.as_str()]);
        let request = GraphRequest::new(Operation::GetFlowSet, Method::GET, url, priority);
        let read = |answer| {
            let set: FlowSet = read_one(answer)?;
            only(set.id == *id, set)
        };
        present(self.exchange.call(&request, read).await)
    }

    /// Creates a flow set and returns it as the service created it.
    ///
    /// Not idempotent, because names need not be unique: an error whose verdict is
    /// [`Unknown`](super::Certainty::Unknown) or [`Throttled`](super::Certainty::Throttled) may
    /// have created a set. `attempt` is sent as `client-request-id`, for the service's logs.
    ///
    /// # Errors
    ///
    /// If the request fails or the response cannot be parsed.
    pub async fn create_flow_set(
        &self,
        attempt: Uuid,
        definition: &FlowSetDefinition,
    ) -> Result<FlowSet, Error> {
        let request = GraphRequest::new(
            Operation::CreateFlowSet,
            Method::POST,
            self.url(&[]),
            Priority::Change,
        )
        .with_id(attempt)
        .with_body(definition.for_create());
        self.exchange.call(&request, read_one).await
    }

    /// Sets the name and filter of a flow set. Without a filter, the existing one is cleared.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn update_flow_set(
        &self,
        id: &FlowSetId,
        definition: &FlowSetDefinition,
    ) -> Result<(), Error> {
        let url = self.url(&[id.as_str()]);
        let request = GraphRequest::new(
            Operation::UpdateFlowSet,
            Method::PATCH,
            url,
            Priority::Change,
        )
        .with_body(definition.for_update());
        self.change(&request).await
    }

    /// Deletes a flow set. Whether its flows are deleted, too, depends on the service.
    ///
    /// # Errors
    ///
    /// If the request fails. Neither success nor [`is_not_found`](Error::is_not_found) proves that the
    /// set no longer exists: only a list does.
    pub async fn delete_flow_set(&self, id: &FlowSetId) -> Result<(), Error> {
        let url = self.url(&[id.as_str()]);
        let request = GraphRequest::new(
            Operation::DeleteFlowSet,
            Method::DELETE,
            url,
            Priority::User,
        );
        self.change(&request).await
    }

    /// Lists all flows of a set.
    ///
    /// # Errors
    ///
    /// If any page fails.
    pub async fn list_flows(
        &self,
        set: &FlowSetId,
        priority: Priority,
    ) -> Result<Listing<Flow>, Error> {
        let url = self.flows(set, &[]);
        self.list(Operation::ListFlows, url, priority).await
    }

    /// Reads a flow, or `None` if the service itself reports that it or its set does not exist: a 404 in
    /// its error shape.
    ///
    /// # Errors
    ///
    /// If the request fails or the response cannot be parsed. Then nothing is known about the flow.
    pub async fn get_flow(
        &self,
        set: &FlowSetId,
        id: &FlowId,
        priority: Priority,
    ) -> Result<Option<Flow>, Error> {
        let url = self.flows(set, &[id.as_str()]);
        let request = GraphRequest::new(Operation::GetFlow, Method::GET, url, priority);
        let read = |answer| {
            let flow: Flow = read_one(answer)?;
            only(flow.id == *id, flow)
        };
        present(self.exchange.call(&request, read).await)
    }

    /// Creates a flow and returns it as the service created it, which may have fewer members than a read
    /// returns.
    ///
    /// Not idempotent: an error whose verdict is [`Unknown`](super::Certainty::Unknown) or
    /// [`Throttled`](super::Certainty::Throttled) may have created a flow. `attempt` is sent as
    /// `client-request-id`, for the service's logs.
    ///
    /// # Errors
    ///
    /// If the request fails or the response cannot be parsed.
    pub async fn create_flow(
        &self,
        attempt: Uuid,
        set: &FlowSetId,
        definition: &FlowDefinition,
        passwords: &Passwords,
    ) -> Result<Flow, Error> {
        let url = self.flows(set, &[]);
        let body = definition.for_create(passwords, self.exchange.transport.graph());
        let request = GraphRequest::new(Operation::CreateFlow, Method::POST, url, Priority::Change)
            .with_id(attempt)
            .with_body(body);
        self.exchange.call(&request, read_one).await
    }

    /// Sets the given properties of a flow, each as a whole.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn update_flow(
        &self,
        set: &FlowSetId,
        id: &FlowId,
        definition: &FlowDefinition,
        passwords: &Passwords,
    ) -> Result<(), Error> {
        let url = self.flows(set, &[id.as_str()]);
        let body = definition.for_update(passwords, self.exchange.transport.graph());
        let request =
            GraphRequest::new(Operation::UpdateFlow, Method::PATCH, url, Priority::Change)
                .with_body(body);
        self.change(&request).await
    }

    /// Deletes a flow.
    ///
    /// # Errors
    ///
    /// If the request fails. Neither success nor [`is_not_found`](Error::is_not_found) proves that the
    /// flow no longer exists: only a list does.
    pub async fn delete_flow(&self, set: &FlowSetId, id: &FlowId) -> Result<(), Error> {
        let url = self.flows(set, &[id.as_str()]);
        let request = GraphRequest::new(Operation::DeleteFlow, Method::DELETE, url, Priority::User);
        self.change(&request).await
    }

    /// Resets a flow: the service clears its errors and provisions all objects again in the next sync run.
    ///
    /// Not idempotent, and no read reveals whether it took effect. It is therefore never sent on a
    /// connection that was idle, which the peer may be closing at that moment.
    ///
    /// # Errors
    ///
    /// If the request fails.
    pub async fn reset_flow(&self, set: &FlowSetId, id: &FlowId) -> Result<(), Error> {
        let url = self.flows(set, &[id.as_str(), "reset"]);
        let request =
            GraphRequest::new(Operation::ResetFlow, Method::POST, url, Priority::User).alone();
        self.change(&request).await
    }

    /// Sends a request whose response needs no body: a 204 or 202 as documented, or a 200 with the object.
    async fn change(&self, request: &GraphRequest) -> Result<(), Error> {
        self.exchange.call(request, Answer::done).await
    }

    fn url(&self, rest: &[&str]) -> Url {
        let base = [
            "beta",
            "external",
            "industryData",
            "outboundProvisioningFlowSets",
        ];
        self.exchange
            .transport
            .graph()
            .at(base.iter().chain(rest).copied())
    }

    fn flows(&self, set: &FlowSetId, rest: &[&str]) -> Url {
        self.url(&[&[set.as_str(), "provisioningFlows"], rest].concat())
    }
}

fn read_one<T: Listed>(answer: Answer) -> Result<T, Failure> {
    let body = answer.json()?;
    success(&body, [])
        .and_then(|[]| T::parse(&body, &KnownProperties::default()))
        .map_err(Failure::Malformed)
}

/// Returns the object if it is the requested one.
fn only<T>(same: bool, object: T) -> Result<T, Failure> {
    same.then_some(object)
        .ok_or(Failure::Malformed(Malformed::Id))
}

/// Converts the error for an absent object to `None`, and keeps all others.
fn present<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error) if error.is_absence() => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests;
