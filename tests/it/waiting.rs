//! What tests ask of their environment, and what they wait for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::{Effect, Operation, Rule};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::conditions::{is_ready, ready, stalled};
use crate::test_env::TestEnv;

/// Nothing that is waited for takes this long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_mins(3);

impl TestEnv {
    /// Waits until something holds.
    ///
    /// # Errors
    ///
    /// If it never does, with the name of what was waited for.
    pub async fn eventually(
        &self,
        what: &str,
        holds: impl AsyncFn() -> bool,
    ) -> Result<(), String> {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await;
        in_time.map_err(|_| format!("timed out waiting for: {what}"))
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let waited = self.eventually(what, holds).await;
        waited.unwrap_or_else(|error| panic!("{error}"));
    }

    pub async fn object_where<K>(
        &self,
        api: &Api<K>,
        name: &str,
        condition: impl Fn(&K) -> bool,
    ) -> K
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let last = std::sync::Mutex::new(None);
        let holds = async || {
            let object = api.get_opt(name).await.unwrap();
            let holds = object.as_ref().is_some_and(&condition);
            *last.lock().unwrap() = object;
            holds
        };
        let waited = self.eventually(name, holds).await;
        let last = last.into_inner().unwrap();
        waited.unwrap_or_else(|error| panic!("{error}; last: {last:#?}"));
        last.unwrap()
    }

    /// Waits until a flow is as `condition` wants it.
    pub async fn flow_where(
        &self,
        name: &str,
        condition: impl Fn(&ProvisioningFlow) -> bool,
    ) -> ProvisioningFlow {
        self.object_where(&self.flows(), name, condition).await
    }

    /// Waits until a flow is stalled for a reason.
    pub async fn flow_stalled(&self, name: &str, reason: &str) -> ProvisioningFlow {
        let told = format!("True/{reason}");
        self.flow_where(name, |flow| stalled(flow) == told).await
    }

    /// Waits until the sample connection is as `condition` wants it.
    pub async fn connection_where(
        &self,
        condition: impl Fn(&GraphConnection) -> bool,
    ) -> GraphConnection {
        let connections = self.connections();
        self.object_where(&connections, "contoso", condition).await
    }

    /// Waits until the sample set is ready.
    pub async fn set_is_ready(&self) {
        let is_ready = |set: &OutboundProvisioningFlowSet| ready(set) == "True/Ready";
        self.object_where(&self.sets(), "north", is_ready).await;
    }

    /// Applies the sample connection and set, and waits until the set is ready.
    pub async fn ready_sample_set(&self) {
        self.apply_sample_set().await;
        self.set_is_ready().await;
    }

    /// Applies a flow, and waits until it is ready.
    pub async fn apply_ready(&self, flow: Value) -> ProvisioningFlow {
        let name = flow["metadata"]["name"].as_str().unwrap();
        self.apply(&flow).await.unwrap();
        self.flow_where(name, is_ready).await
    }

    /// Deletes a flow, and waits until it is gone.
    pub async fn remove_flow(&self, name: &str) {
        self.delete_flow(name).await;
        self.flows_gone(&[name]).await;
    }

    /// Waits until an object is gone.
    pub async fn gone<K>(&self, api: &Api<K>, name: &str)
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let gone = async || api.get_opt(name).await.unwrap().is_none();
        self.until("deletion", gone).await;
    }

    /// Waits until flows are gone.
    pub async fn flows_gone(&self, names: &[impl AsRef<str>]) {
        for name in names {
            self.gone(&self.flows(), name.as_ref()).await;
        }
    }

    /// The reasons of all events in the namespace.
    pub async fn events(&self) -> String {
        let reasons = ["get", "events", "--output", "jsonpath={.items[*].reason}"];
        self.kubectl(&reasons).await.unwrap()
    }

    /// Requests to the service for an operation, whatever came of them.
    pub fn requests(&self, operation: Operation) -> usize {
        self.simulator.journal().requests(operation)
    }

    /// How often an operation took effect at the service.
    pub fn committed(&self, operation: Operation) -> usize {
        self.simulator.journal().committed(operation)
    }

    /// How many changes at the service the operator has asked for.
    pub fn changes(&self) -> usize {
        self.simulator.count(|entry| entry.operation.is_write())
    }

    /// The first request of a kind meets the first effect, the next the second, and so on.
    pub fn meet(&self, operation: Operation, effects: impl IntoIterator<Item = Effect>) {
        self.meet_all(operation, effects.into_iter().map(|effect| vec![effect]));
    }

    /// The same with several effects for each request. Gives back for how many requests there are some.
    pub fn meet_all(
        &self,
        operation: Operation,
        effects: impl IntoIterator<Item = Vec<Effect>>,
    ) -> usize {
        let mut count = 0;
        for (place, effects) in (0..).zip(effects) {
            for effect in effects {
                let rule = Rule::new(effect).on(operation).after(place);
                self.simulator.inject(rule);
            }
            count += 1;
        }
        count
    }

    /// Lets the poller list the sets a few times, and the flows of each set that a resource refers to.
    pub async fn polls(&self, times: usize) {
        self.polled(times).await.unwrap();
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// If the poller does not.
    pub async fn polled(&self, times: usize) -> Result<(), String> {
        let flows = self.flows().list(&ListParams::default()).await.unwrap();
        let set_of = |flow: &ProvisioningFlow| flow.status.as_ref()?.flow_set_id.clone();
        let ids: BTreeSet<String> = flows.iter().filter_map(set_of).collect();
        let lists = || {
            let journal = self.simulator.journal();
            let of_flows = ids.iter().map(|id| journal.lists(id) + journal.sweeps());
            let of_sets = journal.requests(Operation::ListSets);
            of_flows.chain([of_sets]).collect::<Vec<_>>()
        };
        let before = lists();
        let all = async || {
            let now = lists();
            now.iter()
                .zip(&before)
                .all(|(now, then)| *now >= then + times)
        };
        self.eventually("polls", all).await
    }

    /// Waits for so many more lists of flows, of whatever set. For clusters that cannot be asked.
    pub async fn flow_lists(&self, more: usize) {
        let enough = self.requests(Operation::ListFlows) + more;
        let lists = async || self.requests(Operation::ListFlows) >= enough;
        self.until("lists of flows", lists).await;
    }
}

/// A time of the journal.
pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}
