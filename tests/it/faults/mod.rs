//! Never twice, never lost: one test or more for each kind of fault, against the whole operator on a real control plane.
//!
//! The service of these environments does not help: it makes a second flow of a type if it is asked to, so that whatever is
//! sent twice shows. Flows are ready at once.

mod answers;
mod blocked;
mod credentials;
mod drift;
mod load;
pub mod outages;
mod quirks;
mod random_walk;
mod rivals;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Effect, Journal, Operation, Rule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use crate::test_env::{
    PATIENCE, TestEnv, flow, is_ready, lenient, ready, sample, security, stalled, told,
};
use crate::times;

/// An environment with the operator running.
async fn open(name: &str) -> TestEnv {
    let mut env = prepare(name).await;
    start(&mut env).await;
    env
}

/// An environment with an operator that has shorter times running.
async fn open_shortened(name: &str) -> TestEnv {
    let mut env = prepare(name).await.shortened(&times::FAULTS);
    start(&mut env).await;
    env
}

/// An environment without the operator.
async fn prepare(name: &str) -> TestEnv {
    TestEnv::set_up(name, lenient(Duration::ZERO)).await
}

/// An environment without the operator, which is to watch all namespaces, but only what has this label: the other tests'
/// resources are not its own.
async fn prepare_for_all(name: &str, label: &str) -> (TestEnv, Vec<String>) {
    let env = TestEnv::set_up_for_all_namespaces(name, lenient(Duration::ZERO)).await;
    let selector = ["--watch-selector".to_owned(), format!("test={label}")];
    let flags = env.flags().into_iter().chain(selector).collect();
    (env, flags)
}

async fn start(env: &mut TestEnv) {
    env.start_operator(&[]).await;
}

/// The sample connection, with polls each second.
pub fn connection() -> String {
    sample("connection.yaml").replace("pollInterval: 60s", "pollInterval: 1s")
}

/// A manifest of a set.
pub fn set(name: &str) -> String {
    json!({ "apiVersion": "industrydata.dev/v1alpha1", "kind": "OutboundProvisioningFlowSet",
        "metadata": { "name": name },
        "spec": { "connectionRef": { "name": "contoso" }, "displayName": name } })
    .to_string()
}

/// A manifest of a flow of security groups.
pub fn group(name: &str, set: &str) -> String {
    let spec = json!({ "flowSetRef": { "name": set }, "securityGroup": security() });
    flow(name, &spec)
}

/// Names of sets and of the one flow in each.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("pair-{place}")).collect()
}

/// Applies the connection, and sets with one flow of the same name in each.
pub async fn apply_pairs(env: &TestEnv, names: &[String]) {
    let pairs = names.iter().flat_map(|name| [set(name), group(name, name)]);
    apply_all(env, [connection()].into_iter().chain(pairs)).await;
}

pub async fn apply_all(env: &TestEnv, manifests: impl IntoIterator<Item = String>) {
    let manifests: Vec<String> = manifests.into_iter().collect();
    env.apply(&manifests.join("\n---\n")).await.unwrap();
}

/// The first request of a kind meets the first effect, the next the second, and so on.
pub fn meet(env: &TestEnv, operation: Operation, effects: impl IntoIterator<Item = Effect>) {
    for (place, effect) in (0..).zip(effects) {
        let rule = Rule::new(effect).on(operation).after(place);
        env.simulator.inject(rule);
    }
}

pub fn remote_id(flow: &ProvisioningFlow) -> String {
    let status = flow.status.as_ref();
    status.and_then(|status| status.id.clone()).unwrap()
}

/// What `Stalled` says of a flow.
pub fn advice(flow: &ProvisioningFlow) -> String {
    let conditions = flow.status.iter().flat_map(|status| &status.conditions);
    let mut stalled = conditions.filter(|condition| condition.type_ == "Stalled");
    stalled
        .next()
        .map_or_else(String::new, |one| one.message.clone())
}

/// The reasons of all events in the environment's namespace.
pub async fn events(env: &TestEnv) -> String {
    let reasons = ["get", "events", "--output", "jsonpath={.items[*].reason}"];
    env.kubectl(&reasons).await.unwrap()
}

/// What holds after every fault: all is as declared, nothing was made twice or lost, and the operator is at rest.
pub async fn assert_healed(env: &TestEnv) {
    all_ready(env).await;
    assert_nothing_twice(&env.simulator.journal());
    assert_all_owned(env).await;
    assert_at_rest(env).await;
}

/// Waits until every resource is Ready for its present generation, and nothing is under way.
pub async fn all_ready(env: &TestEnv) {
    let mut left = Vec::new();
    let waiting = async {
        loop {
            left = unready(env).await;
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(in_time.is_ok(), "never became Ready: {left:#?}");
}

async fn unready(env: &TestEnv) -> Vec<String> {
    let all = ListParams::default();
    let mut left = Vec::new();
    for flow in env.flows().list(&all).await.unwrap() {
        let conditions = flow.status.iter().flat_map(|status| &status.conditions);
        if !is_ready(&flow) || is_moving(conditions) {
            let states = [ready(&flow), stalled(&flow), advice(&flow)];
            left.push(format!("flow {}: {states:?}", flow.name_any()));
        }
    }
    for set in env.sets().list(&all).await.unwrap() {
        let status = set.status.clone().unwrap_or_default();
        let summed_up = status.flows.is_some_and(|flows| flows.total == flows.ready);
        if !summed_up || !stands(&status.conditions, set.metadata.generation) {
            left.push(format!("set {}: {:?}", set.name_any(), status.conditions));
        }
    }
    for connection in env.connections().list(&all).await.unwrap() {
        let status = connection.status.clone().unwrap_or_default();
        if !stands(&status.conditions, connection.metadata.generation) {
            left.push(format!("connection: {:?}", status.conditions));
        }
    }
    left
}

fn stands(conditions: &[Condition], generation: Option<i64>) -> bool {
    let current = |one: &Condition| one.observed_generation == generation;
    told(conditions, "Ready") == "True/Ready"
        && conditions.iter().all(current)
        && !is_moving(conditions)
}

/// Whether something is under way or a person is needed.
fn is_moving<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> bool {
    let moves = |one: &Condition| ["Reconciling", "Stalled"].contains(&one.type_.as_str());
    conditions.into_iter().any(moves)
}

/// Nothing is created while it is there: a set of a name, a flow of a type in a set.
pub fn assert_nothing_twice(journal: &Journal) {
    let (mut sets, mut flows) = (BTreeMap::new(), BTreeSet::new());
    for entry in journal.entries().iter().filter(|entry| entry.committed) {
        let id = entry.set.clone().unwrap_or_default();
        let name = || {
            entry
                .request
                .as_ref()
                .map(|body| body["displayName"].clone())
        };
        let made = match entry.operation {
            Operation::CreateSet => {
                let made = !sets.values().any(|there| *there == name());
                sets.insert(id, name());
                made
            }
            Operation::CreateFlow => flows.insert((id, entry.flow_type)),
            Operation::DeleteFlow => flows.remove(&(id, entry.flow_type)),
            Operation::DeleteSet => {
                flows.retain(|(set, _)| *set != id);
                sets.remove(&id).is_some()
            }
            _ => true,
        };
        assert!(made || !entry.is_from_client(), "made twice: {entry:#?}");
    }
}

/// Every remote object has exactly one resource that knows it, and every resource's object is there.
async fn assert_all_owned(env: &TestEnv) {
    let all = ListParams::default();
    let flows = env.flows().list(&all).await.unwrap().items;
    let statuses = flows.iter().filter_map(|flow| flow.status.as_ref());
    let mut known: Vec<String> = statuses
        .clone()
        .filter_map(|status| status.id.clone())
        .collect();
    let sets = env.sets().list(&all).await.unwrap();
    let of_sets = sets
        .iter()
        .filter_map(|set| set.status.as_ref()?.id.clone());
    let sets: BTreeSet<String> = of_sets
        .chain(statuses.filter_map(|status| status.flow_set_id.clone()))
        .map(|id| id.to_lowercase())
        .collect();
    known.extend(sets);
    let mut there = Vec::new();
    for set in env.simulator.snapshot().sets {
        there.extend(set.flows.into_iter().map(|flow| flow.id));
        there.push(set.id);
    }
    let sorted = |ids: Vec<String>| {
        let mut ids: Vec<String> = ids.iter().map(|id| id.to_lowercase()).collect();
        ids.sort();
        ids
    };
    assert_eq!(
        sorted(known),
        sorted(there),
        "known to the cluster, and there"
    );
}

/// Over two polls the operator writes nothing, neither to the cluster nor to the service.
async fn assert_at_rest(env: &TestEnv) {
    // Events and sums over flows may follow what they are about.
    polls(env, 2).await;
    let (start, changes) = (env.audit_position(), changes(env));
    polls(env, 2).await;
    assert_eq!(env.writes_since(start), Vec::<String>::new());
    assert_eq!(changes, self::changes(env), "changes at the service");
}

/// How many changes at the service the operator has asked for.
pub fn changes(env: &TestEnv) -> usize {
    env.simulator.count(|entry| entry.operation.is_write())
}

/// Lets the poller look a few times at the sets, and at the flows of each that a resource refers to.
pub async fn polls(env: &TestEnv, times: usize) {
    let flows = env.flows().list(&ListParams::default()).await.unwrap();
    let status = |flow: &ProvisioningFlow| flow.status.clone().unwrap_or_default();
    let ids: BTreeSet<String> = flows
        .iter()
        .filter_map(|flow| status(flow).flow_set_id)
        .collect();
    let lists = || {
        let journal = env.simulator.journal();
        let of_flows = ids.iter().map(|id| journal.lists(id));
        let of_sets = journal.requests(Operation::ListSets);
        of_flows.chain([of_sets]).collect::<Vec<_>>()
    };
    let before = lists();
    let all = async || {
        lists()
            .iter()
            .zip(&before)
            .all(|(now, then)| *now >= then + times)
    };
    env.until("polls", all).await;
}

/// Requests a second, from the first to the last.
fn pace(journal: &Journal) -> f64 {
    let times: Vec<Timestamp> = journal
        .entries()
        .iter()
        .map(|entry| at(&entry.time))
        .collect();
    let (first, last) = (times[0], times[times.len() - 1]);
    let count = u32::try_from(times.len()).unwrap();
    f64::from(count) / last.duration_since(first).as_secs_f64()
}

/// A time of the journal.
pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}
