//! The memory of the operator has a bound, which no tenant can move.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use industrydata_simulator::{Effect, Operation, Quirk, Rule};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::conditions::is_ready;
use crate::manifests::{connection, groups_in, labelled, set, unit_options, with};
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, lenient};

/// The limit of the chart.
const LIMIT: u64 = 256 * 1024 * 1024;

/// Flows of the flood. A part of them has as many annotations as the API server accepts.
const FLOWS: usize = 1200;
const LOADED: usize = 300;
const ANNOTATIONS: usize = 250 * 1024;

/// A list of 10 pages with 2,500 items of at least 2.5 KiB each: 64 MiB.
const PAGES: usize = 10;
const ITEMS: usize = 2500;
const PADDING: usize = 1900;

const LABEL: &str = "memory";

/// What an operation may take longer for the machine's sake: two polls, and as long for the other work of two cores.
const SLACK: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn neither_huge_lists_nor_huge_objects_of_one_tenant_fill_the_memory_or_delay_another() {
    let mut env = TestEnv::set_up_for_all_namespaces("memory-calm", lenient(Duration::ZERO)).await;
    let group = MemoryGroup::create("industrydata-memory-test");
    let program = start(&env, group.as_ref()).await;
    apply(&env, connection()).await;
    let before = [
        apply_and_wait(&env, "one").await,
        apply_and_wait(&env, "two").await,
    ];
    program.stop().await;

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
    let during = [
        apply_and_wait(&env, "three").await,
        apply_and_wait(&env, "four").await,
    ];
    let read = pages() + PAGES;
    env.until("another huge list", async || pages() > read)
        .await;
    assert_bounded(&mut program);
    program.stop().await;

    // What is there when it starts comes at once.
    let mut program = start(&env, group.as_ref()).await;
    apply_and_wait(&env, "five").await;
    let read = pages() + PAGES;
    env.until("a huge list after the start", async || pages() > read)
        .await;
    assert_bounded(&mut program);
    program.stop().await;

    let (before, during) = (
        before.into_iter().max().unwrap(),
        during.into_iter().min().unwrap(),
    );
    println!("until ready: {before:?} before, {during:?} during");
    assert!(
        during < before * 3 / 2 + SLACK,
        "{during:?} instead of {before:?}"
    );
}

async fn start(env: &TestEnv, group: Option<&MemoryGroup>) -> Process {
    let launch = Launch::on(env)
        .flag("--watch-selector", &format!("test={LABEL}"))
        .flag("--log-level", "info");
    match group {
        Some(group) => launch.within(&group.processes()).start().await,
        None => launch.start().await,
    }
}

fn assert_bounded(program: &mut Process) {
    assert_eq!(program.ended(), None);
    let peak = program.status()["VmHWM"].clone();
    println!("peak: {peak}");
    let peak: u64 = peak.strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(peak * 1024 < LIMIT, "{peak} KiB");
}

async fn apply(env: &TestEnv, manifest: Value) {
    env.apply(labelled(manifest, LABEL)).await.unwrap();
}

/// Returns how long a set and a flow take to become ready.
async fn apply_and_wait(env: &TestEnv, name: &str) -> Duration {
    let begun = Instant::now();
    let manifests = [set(name), groups_in(name, name)];
    env.apply_all(manifests.map(|one| labelled(one, LABEL)))
        .await;
    env.flow_where(name, is_ready).await;
    begun.elapsed()
}

/// Suspended flows, some with as much beside them as an object can carry.
async fn flood(env: &TestEnv) {
    apply(env, connection()).await;
    let create = async |place: usize| {
        let name = format!("flood-{place}");
        let flow = with(groups_in(&name, "flood"), &json!({ "suspend": true }));
        let mut flow = labelled(flow, LABEL);
        if place < LOADED {
            let last = "kubectl.kubernetes.io/last-applied-configuration";
            flow["metadata"]["annotations"] = json!({ last: "x".repeat(ANNOTATIONS) });
        }
        let flow = serde_json::from_value(flow).unwrap();
        env.flows()
            .create(&PostParams::default(), &flow)
            .await
            .unwrap();
    };
    stream::iter(0..FLOWS).for_each_concurrent(16, create).await;
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
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn create(name: &str) -> Option<Self> {
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

    fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
