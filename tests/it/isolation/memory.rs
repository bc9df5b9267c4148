//! The memory of the operator has a bound, which no tenant can move.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use industrydata_simulator::{Effect, Operation, Quirk, Rule};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::conditions::is_ready;
use crate::manifests::{connection, groups_in, labelled, set, unit_options};
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, lenient};

/// The limit of the chart.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Flows and Secrets of the flood. A part of the flows and all Secrets have as many annotations as the API server accepts.
const FLOWS: usize = 5000;
const LOADED: usize = 300;
const SECRETS: usize = 500;
const ANNOTATIONS: usize = 256 * 1024;
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A list of 10 pages with 2,500 items of at least 2.5 KiB each: 64 MiB.
const PAGES: usize = 10;
const ITEMS: usize = 2500;
const PADDING: usize = 1900;

const LABEL: &str = "memory";

/// Label and namespace of an operator that has nothing else to do, on the same machine at the same time.
const IDLE: &str = "memory-idle";

/// Tries with each operator during the flood. The medians are compared.
const TRIES: usize = 5;

/// What the machine may add, which all processes of the test share: the second in which a collection is polled next.
const SLACK: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn neither_huge_lists_nor_huge_objects_of_one_tenant_fill_the_memory_or_delay_another() {
    let mut env = TestEnv::set_up_for_all_namespaces("memory-calm", lenient(Duration::ZERO)).await;
    let group = MemoryGroup::create("industrydata-memory-test");
    let idle = TestEnv::set_up_for_all_namespaces(IDLE, lenient(Duration::ZERO)).await;
    let idle_program = start(&idle, None).await;
    for env in [&env, &idle] {
        apply(env, connection()).await;
    }

    let calm = std::mem::replace(&mut env.namespace, "memory-flood".to_owned());
    env.kubectl(&["create", "namespace", "memory-flood"])
        .await
        .unwrap();
    let mut program = start(&env, group.as_ref()).await;
    flood(&env).await;
    let id = huge_list(&env).await;
    env.namespace = calm;
    let pages = || env.simulator.journal().lists(&id);
    let read = pages() + PAGES;
    env.until("a huge list", async || pages() > read).await;
    let [alone, flooded] = medians([&idle, &env]).await;
    idle_program.stop().await;
    let read = pages() + PAGES;
    env.until("another huge list", async || pages() > read)
        .await;
    assert_bounded(&mut program);
    program.stop().await;

    // What is there when it starts comes at once.
    let mut program = start(&env, group.as_ref()).await;
    apply_and_wait(&env, "after").await;
    let read = pages() + PAGES;
    env.until("a huge list after the start", async || pages() > read)
        .await;
    assert_bounded(&mut program);
    program.stop().await;

    assert!(
        flooded < alone * 3 / 2 + SLACK,
        "ready after {flooded:?} instead of {alone:?}"
    );
}

fn label(env: &TestEnv) -> &'static str {
    if env.namespace == IDLE { IDLE } else { LABEL }
}

async fn start(env: &TestEnv, group: Option<&MemoryGroup>) -> Process {
    let launch = Launch::on(env)
        .flag("--watch-selector", &format!("test={}", label(env)))
        .flag("--log-level", "info");
    match group {
        Some(group) => launch.within(&group.processes()).start().await,
        None => launch.start().await,
    }
}

/// Asserts that a program has not ended, nor needed more memory than the chart grants.
pub(super) fn assert_bounded(program: &mut Process) {
    assert_eq!(program.ended(), None);
    let peak = program.status()["VmHWM"].clone();
    println!("peak: {peak}");
    let peak: u64 = peak.strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(peak * 1024 < LIMIT, "{peak} KiB");
}

async fn apply(env: &TestEnv, manifest: Value) {
    env.apply(labelled(manifest, label(env))).await.unwrap();
}

/// Returns how long a set and a flow take to become ready.
async fn apply_and_wait(env: &TestEnv, name: &str) -> Duration {
    let begun = Instant::now();
    let manifests = [set(name), groups_in(name, name)];
    env.apply_all(manifests.map(|one| labelled(one, label(env))))
        .await;
    env.flow_where(name, is_ready).await;
    begun.elapsed()
}

/// Returns the medians of how long a set and a flow take, in turns.
async fn medians(envs: [&TestEnv; 2]) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for place in 0..TRIES {
        for (env, times) in envs.iter().zip(&mut times) {
            times.push(apply_and_wait(env, &format!("during-{place}")).await);
        }
    }
    println!("idle and flooded: {times:?}");
    times.map(|mut times| {
        times.sort_unstable();
        times[TRIES / 2]
    })
}

/// Flows and Secrets, with as much beside them as an object can carry.
async fn flood(env: &TestEnv) {
    apply(env, connection()).await;
    let (flows, secrets): (_, Api<Secret>) = (
        env.flows(),
        Api::namespaced(env.client.clone(), &env.namespace),
    );
    let create_flow = async |place: usize| {
        let name = format!("flood-{place}");
        let mut flow = labelled(groups_in(&name, "flood"), LABEL);
        if place < LOADED {
            load(&mut flow);
        }
        let flow = serde_json::from_value(flow).unwrap();
        flows.create(&PostParams::default(), &flow).await.unwrap();
    };
    let create_secret = async |place: usize| {
        let mut secret = json!({ "metadata": { "name": format!("flood-{place}") } });
        load(&mut secret);
        let secret = serde_json::from_value(secret).unwrap();
        secrets
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    };
    stream::iter(0..SECRETS)
        .for_each_concurrent(16, create_secret)
        .await;
    stream::iter(0..FLOWS)
        .for_each_concurrent(16, create_flow)
        .await;
}

fn load(object: &mut Value) {
    // The API server counts the keys, too.
    let value = "x".repeat(ANNOTATIONS - ANNOTATION.len());
    object["metadata"]["annotations"] = json!({ ANNOTATION: value });
}

/// A set whose flows take 64 MiB to list, and its id.
async fn huge_list(env: &TestEnv) -> String {
    apply_and_wait(env, "huge").await;
    let set = env.sets().get("huge").await.unwrap();
    let id = set.status.unwrap().id.unwrap();
    let mut unit = unit_options();
    unit["@odata.type"] = json!("#microsoft.graph.industryData.administrativeUnitProvisioningFlow");
    for _ in 1..PAGES {
        env.simulator.create_flow(&id, &unit).unwrap();
    }
    let padding = json!("x".repeat(PADDING));
    for effect in [
        Effect::PageSize(1),
        Effect::Quirk(Quirk::Copied(ITEMS)),
        Effect::Quirk(Quirk::Member("padding".to_owned(), padding)),
    ] {
        let rule = Rule::new(effect).on(Operation::ListFlows).path_part(&id);
        env.simulator.inject(rule.always());
    }
    id
}

/// A control group of the kernel with the limit of the chart, where the machine allows one to be made.
pub(super) struct MemoryGroup(PathBuf);

impl MemoryGroup {
    pub(super) fn create(name: &str) -> Option<Self> {
        let name = format!("{name}-{}", std::process::id());
        let second = Path::new("/sys/fs/cgroup").join(&name);
        let first = Path::new("/sys/fs/cgroup/memory").join(&name);
        [(second, "memory.max"), (first, "memory.limit_in_bytes")]
            .into_iter()
            .find_map(|(path, limit)| {
                fs::create_dir(&path).ok()?;
                let group = Self(path);
                let limited = group.0.join(limit);
                let is_there = limited.exists() && group.processes().exists();
                let made = is_there && fs::write(limited, LIMIT.to_string()).is_ok();
                println!("{}: {made}", group.0.display());
                made.then_some(group)
            })
    }

    pub(super) fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
