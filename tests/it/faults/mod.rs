//! Never twice, never lost: one test or more for each kind of fault, against the whole operator on a real control plane.
//!
//! The service of these environments makes a second flow of a type if it is asked to, so that whatever is sent twice
//! shows. Flows are ready at once.

mod answers;
mod blocked;
mod credentials;
mod drift;
mod load;
pub mod outages;
mod quirks;
mod random_walk;
mod rivals;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Journal, Operation};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::Value;

use crate::manifests::names;
use crate::oracle::all_ready;
use crate::test_env::{TestEnv, lenient};
use crate::times;
use crate::waiting::at;

/// The lists of the service.
pub const LISTS: [Operation; 2] = [Operation::ListSets, Operation::ListFlows];

/// An environment with the operator running.
pub async fn open(name: &str) -> TestEnv {
    let mut env = prepare(name).await;
    env.start_operator(&[]).await;
    env
}

/// An environment with an operator that has shorter times running.
async fn open_shortened(name: &str) -> TestEnv {
    let mut env = prepare(name).await.shortened(&times::FAULTS);
    env.start_operator(&[]).await;
    env
}

/// An environment without the operator.
pub async fn prepare(name: &str) -> TestEnv {
    TestEnv::set_up(name, lenient(Duration::ZERO)).await
}

/// An environment without the operator, which is to watch all namespaces, but only what has this label: the other tests'
/// resources are not its own.
pub async fn prepare_for_all(name: &str, label: &str) -> (TestEnv, Vec<String>) {
    let env = TestEnv::set_up_for_all_namespaces(name, lenient(Duration::ZERO)).await;
    let selector = ["--watch-selector".to_owned(), format!("test={label}")];
    let flags = env.flags().into_iter().chain(selector).collect();
    (env, flags)
}

/// Applies a resource that is younger than another: ages are compared in whole seconds, and then by uid.
pub async fn apply_younger(env: &TestEnv, elder: &ProvisioningFlow, manifest: &Value) {
    let born = elder.creation_timestamp().unwrap().0;
    let second = async || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i128::from(now.as_secs()) > i128::from(born.as_second())
    };
    env.until("the next second", second).await;
    env.apply(manifest).await.unwrap();
}

/// An environment without the operator, which is to watch these namespaces, each by itself.
pub async fn prepare_for_namespaces(name: &str, namespaces: &[&str]) -> (TestEnv, Vec<String>) {
    let env = TestEnv::set_up_for_all_namespaces(name, lenient(Duration::ZERO)).await;
    let flags = flags_for(&env, namespaces);
    (env, flags)
}

/// The flags of an operator that watches these namespaces, each by itself.
pub fn flags_for(env: &TestEnv, namespaces: &[&str]) -> Vec<String> {
    let watch = |namespace: &&str| ["--watch-namespace".to_owned(), (*namespace).to_owned()];
    let more = namespaces.iter().flat_map(watch);
    env.flags().into_iter().chain(more).collect()
}

/// An environment with sets and the one flow in each of them, which are ready, and their names.
pub async fn with_pairs(name: &str, count: usize) -> (TestEnv, Vec<String>) {
    let (env, names) = (open(name).await, names(count));
    env.apply_pairs(&names).await;
    all_ready(&env).await;
    (env, names)
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

/// Whether requests of a kind have been spoilt for longer than this, from the first to the last.
pub fn spoilt_for(env: &TestEnv, operation: Operation, long: SignedDuration) -> bool {
    let journal = env.simulator.journal();
    let entries = journal.entries().iter();
    let spoilt = entries.filter(|one| one.operation == operation && !one.faults.is_empty());
    let mut times = spoilt.map(|entry| at(&entry.time));
    let (first, last) = (times.next(), times.next_back());
    first.is_some_and(|first| last.is_some_and(|last| last.duration_since(first) > long))
}
