//! The handle of a running simulator.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    backdoor,
    behavior::Behavior,
    chaos::Chaos,
    control,
    error::Error,
    fault::{ActiveRule, Rule},
    journal::{Entry, Journal},
    options::Options,
    problem::Problem,
    readiness::ReadinessScript,
    route::Operation,
    server::{self, Service, Shared},
    state::{self, FlowState, Snapshot},
    tls::Tls,
    wire::WireListener,
    world::World,
};

/// A running simulator. Dropping it stops it.
///
/// Everything that the control port can do is a method here.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) world: Shared,
    service: SocketAddr,
    scheme: &'static str,
    control: SocketAddr,
    stop: CancellationToken,
}

impl Simulator {
    /// Binds both ports and serves them in the background of the current runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if a port cannot be had, [`Error::Tls`] if a certificate cannot be
    /// used, [`Error::SigningKey`] without random numbers.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (service_listener, service) = listen(options.service_address).await?;
        let (control_listener, control) = listen(options.control_address).await?;
        let acceptor = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let listener = WireListener {
            listener: service_listener,
            acceptor,
        };
        let world = Shared::new(World::new(&options)?);
        let stop = CancellationToken::new();
        let service_port = Service {
            world: world.clone(),
            scheme,
        };
        tokio::spawn(server::run(listener, service_port, stop.clone()));
        tokio::spawn(control::run(control_listener, world.clone(), stop.clone()));
        Ok(Self {
            world,
            service,
            scheme,
            control,
            stop,
        })
    }

    /// Base URL of Graph, without `/beta` and without a slash at the end.
    #[must_use]
    pub fn graph_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.service)
    }

    /// Base URL of the authority, without tenant and without a slash at the end.
    #[must_use]
    pub fn authority_endpoint(&self) -> String {
        self.graph_endpoint()
    }

    /// Base URL of the control API.
    #[must_use]
    pub fn control_endpoint(&self) -> String {
        format!("http://{}", self.control)
    }

    /// What has been asked so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.world.lock().journal.clone()
    }

    /// How many client requests fulfil a condition.
    pub fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        self.world.lock().journal.count(condition)
    }

    /// Client requests by operation, without a copy of the journal. The parts of a batch count beside the batch.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Operation, usize> {
        let mut requests = BTreeMap::new();
        let world = self.world.lock();
        let entries = world.journal.entries().iter();
        for entry in entries.filter(|entry| entry.is_from_client()) {
            *requests.entry(entry.operation).or_default() += 1;
        }
        requests
    }

    /// What there is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        state::snapshot(&self.world.lock())
    }

    /// A flow as it is now.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is none of this id.
    pub fn flow(&self, id: &str) -> Result<FlowState, Error> {
        state::flow_by_id(&self.world.lock(), id).map_err(refused)
    }

    /// Puts a rule in force and returns its name.
    #[expect(clippy::must_use_candidate, reason = "a rule works without its name")]
    pub fn inject(&self, rule: Rule) -> u64 {
        self.world.lock().rules.inject(rule)
    }

    /// The rules in force and used up.
    #[must_use]
    pub fn rules(&self) -> Vec<ActiveRule> {
        self.world.lock().rules.active().to_vec()
    }

    /// Ends one rule. False if there is none of this name.
    #[expect(clippy::must_use_candidate, reason = "mostly the rule is there")]
    pub fn remove_rule(&self, id: u64) -> bool {
        self.world.lock().rules.remove(id)
    }

    /// Ends all rules.
    pub fn clear_rules(&self) {
        self.world.lock().rules.clear();
    }

    /// Starts hostile mode, or starts it again, from the beginning of a seed.
    pub fn set_hostile(&self, seed: u64, rate: f64) {
        self.world.lock().chaos = Some(Chaos::new(seed, rate));
    }

    /// Ends hostile mode.
    pub fn set_calm(&self) {
        self.world.lock().chaos = None;
    }

    /// Moves the service's clock forward: readiness, visibility delays, tokens, runs and dates go by it.
    pub fn advance(&self, by: Duration) {
        self.world.lock().clock.advance(by);
    }

    /// The switches as they are.
    #[must_use]
    pub fn behavior(&self) -> Behavior {
        self.world.lock().behavior.clone()
    }

    /// Changes switches.
    pub fn configure(&self, change: impl FnOnce(&mut Behavior)) {
        change(&mut self.world.lock().behavior);
    }

    /// Pins the readiness of a flow until it is reset or changed.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is none of this id.
    pub fn set_readiness(&self, flow: &str, status: &str) -> Result<(), Error> {
        backdoor::set_readiness(&mut self.world.lock(), flow, status).map_err(refused)
    }

    /// Starts a script for one flow, from `notReady` on.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is none of this id.
    pub fn set_readiness_script(&self, flow: &str, script: ReadinessScript) -> Result<(), Error> {
        backdoor::set_script(&mut self.world.lock(), flow, script).map_err(refused)
    }

    /// Whether a user flow has this password for a role group.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no flow of this id.
    pub fn has_password(
        &self,
        flow: &str,
        role_group: &str,
        password: &str,
    ) -> Result<bool, Error> {
        backdoor::has_password(&self.world.lock(), flow, role_group, password).map_err(refused)
    }

    /// Creates a set behind the clients' back, from the body of a POST, and returns its id.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse the body.
    pub fn create_set(&self, body: &Value) -> Result<String, Error> {
        backdoor::create_set(&mut self.world.lock(), body).map_err(refused)
    }

    /// Updates a set behind the clients' back, from the body of a PATCH.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse the body, or there is no such set.
    pub fn update_set(&self, id: &str, body: &Value) -> Result<(), Error> {
        backdoor::update_set(&mut self.world.lock(), id, body).map_err(refused)
    }

    /// Deletes a set behind the clients' back.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse it, or there is no such set.
    pub fn delete_set(&self, id: &str) -> Result<(), Error> {
        backdoor::delete_set(&mut self.world.lock(), id).map_err(refused)
    }

    /// Creates a flow behind the clients' back, from the body of a POST, and returns its id.
    ///
    /// A second flow of a type is created, too, regardless of the switch.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse the body, or there is no such set.
    pub fn create_flow(&self, set: &str, body: &Value) -> Result<String, Error> {
        backdoor::create_flow(&mut self.world.lock(), set, body).map_err(refused)
    }

    /// Updates a flow behind the clients' back, from the body of a PATCH. It need not contain its type.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse the body, or there is no such flow.
    pub fn update_flow(&self, id: &str, body: &Value) -> Result<(), Error> {
        backdoor::update_flow(&mut self.world.lock(), id, body).map_err(refused)
    }

    /// Deletes a flow behind the clients' back.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] if the service would refuse it, or there is no such flow.
    pub fn delete_flow(&self, id: &str) -> Result<(), Error> {
        backdoor::delete_flow(&mut self.world.lock(), id).map_err(refused)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

pub(crate) fn refused(problem: Problem) -> Error {
    Error::Edit {
        status: problem.status,
        message: problem.message,
    }
}
