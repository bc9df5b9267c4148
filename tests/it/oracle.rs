//! What has to hold whatever happened, of resources, the service, its journal and the audit log.

use std::collections::{BTreeMap, BTreeSet};

use industrydata_operator::api::{OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::{Journal, Operation, Snapshot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::conditions::{Conditions, advice, is_moving, is_ready, ready, stalled};
use crate::test_env::TestEnv;

/// All is as declared, nothing was made twice or lost, and the operator is at rest.
pub async fn assert_healed(env: &TestEnv) {
    all_ready(env).await;
    assert_nothing_twice(&env.simulator.journal());
    assert_all_owned(env).await;
    assert_at_rest(env).await;
}

/// Waits until every resource is Ready for its present generation, and nothing is in progress.
pub async fn all_ready(env: &TestEnv) {
    let left = std::sync::Mutex::new(Vec::new());
    let settled = async || {
        let now = unready(env).await;
        let settled = now.is_empty();
        *left.lock().unwrap() = now;
        settled
    };
    let waited = env.eventually("all to be Ready", settled).await;
    waited.unwrap_or_else(|error| panic!("{error}: {:#?}", left.lock().unwrap()));
}

/// Which resources are not Ready as they are declared now, or are being deleted, and which set has not counted its
/// flows.
pub async fn unready(env: &TestEnv) -> Vec<String> {
    let all = ListParams::default();
    let mut left = Vec::new();
    let flows = env.flows().list(&all).await.unwrap().items;
    for flow in &flows {
        if !is_ready(flow) || is_moving(flow) || flow.metadata.deletion_timestamp.is_some() {
            let states = [ready(flow), stalled(flow), advice(flow)];
            left.push(format!("flow {}: {states:?}", flow.name_any()));
        }
    }
    for set in env.sets().list(&all).await.unwrap() {
        let name = set.name_any();
        let is_of_set = |flow: &&ProvisioningFlow| {
            let reference = flow.spec.flow_set_ref.as_ref();
            reference.is_some_and(|reference| reference.name == name)
        };
        let count = flows.iter().filter(is_of_set).count();
        let counted = set.status.as_ref().and_then(|status| status.flows.as_ref());
        let counted = counted.is_some_and(|flows| {
            flows.total == flows.ready && usize::try_from(flows.total).unwrap() >= count
        });
        if !counted || !stands(&set) {
            left.push(format!("set {name}: {:?}", set.conditions()));
        }
    }
    for connection in env.connections().list(&all).await.unwrap() {
        if !stands(&connection) {
            left.push(format!("connection: {:?}", connection.conditions()));
        }
    }
    left
}

fn stands(object: &(impl Conditions + ResourceExt)) -> bool {
    let generation = object.meta().generation;
    let current = |one: &Condition| one.observed_generation == generation;
    ready(object) == "True/Ready"
        && object.conditions().iter().all(current)
        && !is_moving(object)
        && object.meta().deletion_timestamp.is_none()
}

/// Nothing is created while it is there: a set of a name, a flow of a type in a set.
pub fn assert_nothing_twice(journal: &Journal) {
    let (mut sets, mut flows) = (BTreeMap::new(), BTreeSet::new());
    for entry in journal.entries().iter().filter(|entry| entry.committed) {
        let id = entry.set.clone().unwrap_or_default();
        let body = entry.request.as_ref();
        let name = || body.map(|body| body["displayName"].clone());
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
pub async fn assert_all_owned(env: &TestEnv) {
    let all = ListParams::default();
    let flows = env.flows().list(&all).await.unwrap().items;
    let sets = env.sets().list(&all).await.unwrap().items;
    assert_eq!(unowned(&flows, &sets, &env.simulator.snapshot()), None);
}

/// Why not each remote object belongs to one resource, and each resource has its remote object.
pub fn unowned(
    flows: &[ProvisioningFlow],
    sets: &[OutboundProvisioningFlowSet],
    service: &Snapshot,
) -> Option<String> {
    let statuses = || flows.iter().filter_map(|flow| flow.status.as_ref());
    let of_sets = sets
        .iter()
        .filter_map(|set| set.status.as_ref()?.id.clone());
    let referred = statuses().filter_map(|status| status.flow_set_id.clone());
    let known_sets: BTreeSet<String> = of_sets
        .chain(referred)
        .map(|id| id.to_lowercase())
        .collect();
    let known_flows = statuses().filter_map(|status| status.id.clone());
    let there = service.sets.iter().flat_map(|set| {
        let flows = set.flows.iter().map(|flow| flow.id.clone());
        flows.chain([set.id.clone()])
    });
    let (known, there) = (sorted(known_flows.chain(known_sets)), sorted(there));
    (known != there).then(|| format!("resources hold {known:?}, the service has {there:?}"))
}

fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.map(|id| id.to_lowercase()).collect();
    ids.sort();
    ids
}

/// What a connection writes when it has counted the remote objects, once in a poll interval and thus after all else.
const COUNT: &str = "patch graphconnections/status ";

/// How many times these may follow: for the objects, and for which of them are declared.
const COUNTS: usize = 2;

/// Over two polls the operator writes nothing, neither to the cluster nor to the service.
pub async fn assert_at_rest(env: &TestEnv) {
    // Events and sums over flows may follow what they are about.
    env.polls(2).await;
    let mut written = activity(env).await;
    for _ in 0..COUNTS {
        if written.as_ref().is_ok_and(|written| are_counts(written)) {
            written = activity(env).await;
        }
    }
    assert_eq!(written, Ok(Vec::new()));
}

fn are_counts(written: &[String]) -> bool {
    let mut written = written.iter().peekable();
    written.peek().is_some() && written.all(|one| one.starts_with(COUNT))
}

/// What the operator writes during two polls, to the cluster and to the service.
///
/// # Errors
///
/// If there are no polls.
pub async fn activity(env: &TestEnv) -> Result<Vec<String>, String> {
    let (start, before) = (env.audit_position(), env.changes());
    env.polled(2).await?;
    let mut writes = env.writes_since(start);
    let changes = env.changes() - before;
    writes.extend((changes > 0).then(|| format!("{changes} changes at the service")));
    Ok(writes)
}
