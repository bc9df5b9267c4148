//! The requests that the operator makes, one method each.

mod list;

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{
    account::Account,
    answer::Answer,
    body::{FlowDefinition, FlowSetDefinition},
    budget::Priority,
    error::Error,
    exchange::{Exchange, GraphRequest},
    failure::Failure,
    model::{Flow, FlowId, FlowSet, FlowSetId, Listing, Malformed},
    operation::{Observer, Operation},
    token::TokenSource,
    transport::Transport,
};
use list::distinct;

/// A connection to one tenant. Cheap to clone; clones share token, budget and connection pool.
///
/// Every method returns within [`longest_call`](Self::longest_call) (lists: each page), and sends
/// its request at most once, or twice if the first answer refused the token. Every error can be asked for its
/// [`verdict`](Error::verdict), which for changes also says whether they may have been carried out.
///
/// Dropping the future of a method abandons the request, which then may or may not have been
/// carried out.
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
    /// A client that shows this client secret, and has connected to nothing yet.
    ///
    /// What the account knows outlives the client: its budget, and the tokens and failures that this
    /// very secret brought before.
    #[must_use]
    pub fn new(
        transport: Transport,
        account: Account,
        secret: SecretString,
        observer: Observer,
    ) -> Self {
        let tokens = TokenSource::new(
            transport.clone(),
            account.clone(),
            secret,
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

    /// The longest time from calling a method (of a list: from asking for a page) to its return,
    /// and so the longest time after which its request can still be on its way. Whoever may only
    /// write while holding a lease compares the rest of the lease with this.
    #[must_use]
    pub fn longest_call(&self) -> Duration {
        self.exchange.account.budget().max_wait() + self.exchange.transport.request_timeout()
    }

    /// Makes sure that a token can be had, by asking the authority for one if there is none. Whoever has
    /// a new credential can try it so, while another client goes on with the old one.
    ///
    /// # Errors
    ///
    /// Why there is no token, possibly remembered from a while ago: asking often costs nothing.
    pub async fn obtain_token(&self) -> Result<(), Error> {
        self.exchange.obtain_token().await
    }

    /// Makes sure that nothing on this side keeps a request from leaving: that the budget lets it go soon, and that there is
    /// a token. Asked before an intent is written that only a request that has left can settle.
    ///
    /// # Errors
    ///
    /// What keeps it from leaving.
    pub async fn prepare(&self, operation: Operation) -> Result<(), Error> {
        let budget = self.exchange.account.budget();
        let open = budget.check();
        open.map_err(|closed| Error::closed(operation, closed))?;
        self.exchange.obtain_token().await
    }

    /// All flow sets; with `expand_flows` also their flows, as far as the service gives these
    /// complete.
    ///
    /// # Errors
    ///
    /// If any page fails. Whether the service supports expansion
    /// is not documented; a refusal would be a 400.
    pub async fn list_flow_sets(
        &self,
        expand_flows: bool,
        priority: Priority,
    ) -> Result<Listing<FlowSet>, Error> {
        let mut url = self.url(&[]);
        if expand_flows {
            url.set_query(Some("$expand=provisioningFlows"));
        }
        let listing = self
            .list(Operation::ListFlowSets, url, priority, FlowSet::parse)
            .await?;
        Ok(distinct(listing, |set| set.id.clone()))
    }

    /// One flow set, without its flows, or `None` if the service itself answers that there is none: a
    /// 404 in its error shape.
    ///
    /// # Errors
    ///
    /// If the request fails or the answer cannot be read. Then nothing is known about the set.
    pub async fn get_flow_set(
        &self,
        id: &FlowSetId,
        priority: Priority,
    ) -> Result<Option<FlowSet>, Error> {
        let url = self.url(&[id.as_str()]);
        let request = GraphRequest::new(Operation::GetFlowSet, Method::GET, url, priority);
        let read = |answer| {
            let set = read_one(answer, FlowSet::parse)?;
            only(set.id == *id, set)
        };
        present(self.exchange.call(&request, read).await)
    }

    /// Creates a flow set and returns it as the service made it.
    ///
    /// Not idempotent, and names need not be unique: an error whose verdict is
    /// [`Unknown`](super::Certainty::Unknown) or [`Throttled`](super::Certainty::Throttled) may
    /// have made a set. `attempt` is sent as `client-request-id`, for the service's logs.
    ///
    /// # Errors
    ///
    /// If the request fails or the answer cannot be read.
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
        self.exchange
            .call(&request, |answer| read_one(answer, FlowSet::parse))
            .await
    }

    /// Gives a flow set this name and filter; no filter clears the one there is.
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

    /// Deletes a flow set. What becomes of its flows is the service's decision.
    ///
    /// # Errors
    ///
    /// If the request fails. Neither success nor [`is_not_found`](Error::is_not_found) proves that the
    /// set is gone: only a list does.
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

    /// All flows of a set.
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
        let listing = self
            .list(Operation::ListFlows, url, priority, Flow::parse)
            .await?;
        Ok(distinct(listing, |flow| flow.id.clone()))
    }

    /// One flow, or `None` if the service itself answers that there is none, or no such set: a 404 in its
    /// error shape.
    ///
    /// # Errors
    ///
    /// If the request fails or the answer cannot be read. Then nothing is known about the flow.
    pub async fn get_flow(
        &self,
        set: &FlowSetId,
        id: &FlowId,
        priority: Priority,
    ) -> Result<Option<Flow>, Error> {
        let url = self.flows(set, &[id.as_str()]);
        let request = GraphRequest::new(Operation::GetFlow, Method::GET, url, priority);
        let read = |answer| {
            let flow = read_one(answer, Flow::parse)?;
            only(flow.id == *id, flow)
        };
        present(self.exchange.call(&request, read).await)
    }

    /// Creates a flow and returns it as the service made it, which may be shorter than what a read
    /// shows.
    ///
    /// Not idempotent: an error whose verdict is [`Unknown`](super::Certainty::Unknown) or
    /// [`Throttled`](super::Certainty::Throttled) may have made a flow. `attempt` is sent as
    /// `client-request-id`, for the service's logs.
    ///
    /// # Errors
    ///
    /// If the request fails or the answer cannot be read.
    pub async fn create_flow(
        &self,
        attempt: Uuid,
        set: &FlowSetId,
        definition: &FlowDefinition,
    ) -> Result<Flow, Error> {
        let url = self.flows(set, &[]);
        let body = definition.for_create(self.exchange.transport.graph());
        let request = GraphRequest::new(Operation::CreateFlow, Method::POST, url, Priority::Change)
            .with_id(attempt)
            .with_body(body);
        self.exchange
            .call(&request, |answer| read_one(answer, Flow::parse))
            .await
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
    ) -> Result<(), Error> {
        let url = self.flows(set, &[id.as_str()]);
        let body = definition.for_update(self.exchange.transport.graph());
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
    /// flow is gone: only a list does.
    pub async fn delete_flow(&self, set: &FlowSetId, id: &FlowId) -> Result<(), Error> {
        let url = self.flows(set, &[id.as_str()]);
        let request = GraphRequest::new(Operation::DeleteFlow, Method::DELETE, url, Priority::User);
        self.change(&request).await
    }

    /// Resets a flow: the service clears its errors and provisions everything again at the next run.
    ///
    /// Not idempotent, and nothing that can be read shows whether it happened. So it never goes out on a
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

    /// Makes a request whose answer need not show anything: 204 or 202 as documented, or a 200 with the
    /// object.
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

fn read_one<T>(answer: Answer, parse: fn(Value) -> Result<T, Malformed>) -> Result<T, Failure> {
    parse(answer.json()?).map_err(Failure::Malformed)
}

/// The object, if it is the one that was asked for.
fn only<T>(same: bool, object: T) -> Result<T, Failure> {
    same.then_some(object)
        .ok_or(Failure::Malformed(Malformed::Id))
}

/// Tells an object that is not there from a failure to find out.
fn present<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error) if error.is_absence() => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests;
