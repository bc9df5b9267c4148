//! Several replicas that share the tenants: each tenant is served by one of them, whatever ends and whatever changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use industrydata_simulator::{Application, Effect, Entry, Operation, Options, Rule, Tenant};
use industrydata_testbed::measured;
use serde_json::{Value, json};

use crate::conditions::is_ready;
use crate::log_assertions::{assert_no_overlap, assert_one_at_a_time};
use crate::manifests::{connection, flow, groups, groups_by_id, set, types, with};
use crate::oracle::{all_ready, assert_all_owned, assert_nothing_twice};
use crate::process::{Launch, Process};
use crate::test_env::TestEnv;

/// Tenants by number, each with its shard of two.
const TENANTS: [(u8, u8); 4] = [(1, 2), (2, 2), (4, 1), (5, 1)];

/// Sets of each tenant, with a flow of each type.
const SETS: usize = 3;

const FLOWS: usize = TENANTS.len() * SETS * 4;

fn tenant_id(tenant: u8) -> String {
    format!(
        "{}-2222-4333-8444-555555555555",
        tenant.to_string().repeat(8)
    )
}

/// The application of a tenant, by which the journal tells the tenants apart.
fn application_id(tenant: u8) -> String {
    format!(
        "{}-7777-4888-8999-000000000000",
        tenant.to_string().repeat(8)
    )
}

async fn open(name: &str) -> TestEnv {
    let tenant = |(tenant, _)| Tenant {
        id: tenant_id(tenant),
        domains: Vec::new(),
        applications: vec![Application {
            client_id: application_id(tenant),
            ..Application::default()
        }],
    };
    let options = Options {
        tenants: TENANTS.map(tenant).to_vec(),
        ..Options::default()
    };
    TestEnv::set_up(name, options).await
}

/// The connection of a tenant, with so little budget that its flows take a while.
fn connection_of(tenant: u8) -> Value {
    let mut manifest = connection();
    let connection = &mut manifest["items"][1];
    connection["metadata"]["name"] = json!(format!("tenant-{tenant}"));
    connection["spec"]["tenantId"] = json!(tenant_id(tenant));
    connection["spec"]["clientId"] = json!(application_id(tenant));
    connection["spec"]["requestBudget"] = json!({ "perSecond": 3, "burst": 3 });
    manifest
}

fn set_of(tenant: u8, number: usize) -> Value {
    let name = format!("tenant-{tenant}-set-{number}");
    let reference = json!({ "connectionRef": { "name": format!("tenant-{tenant}") } });
    with(set(&name), &reference)
}

fn flows_of(tenant: u8, number: usize) -> Vec<Value> {
    let set = format!("tenant-{tenant}-set-{number}");
    let of_type = |(member, options, _): (&str, Value, Value)| {
        let spec = json!({ "flowSetRef": { "name": set }, member: options });
        flow(&format!("{set}-{member}").to_lowercase(), &spec)
    };
    types().map(of_type).to_vec()
}

/// Everything of a tenant but its connection.
async fn apply_sets(env: &TestEnv, tenant: u8) {
    for number in 0..SETS {
        env.put(&set_of(tenant, number)).await;
        for flow in flows_of(tenant, number) {
            env.put(&flow).await;
        }
    }
}

async fn apply_all(env: &TestEnv) {
    for (tenant, _) in TENANTS {
        env.put(&connection_of(tenant)).await;
        apply_sets(env, tenant).await;
    }
}

async fn start(env: &TestEnv, name: &str, shards: u8) -> Process {
    let launch = Launch::on(env).named(&format!("{name} of {}", env.namespace));
    launch.flag("--shards", &shards.to_string()).start().await
}

/// The shard that a process leads, if it does.
async fn shard(process: &mut Process) -> Option<u8> {
    if !process.leads().await {
        return None;
    }
    let (_, line) = process.get("/readyz").await;
    let number = line.strip_prefix("leading shard ")?;
    number.split(' ').next()?.parse().ok()
}

/// The shards that are led, each with its process.
async fn led(processes: &mut [Process]) -> BTreeMap<u8, usize> {
    let mut led = BTreeMap::new();
    for (place, process) in processes.iter_mut().enumerate() {
        if let Some(number) = shard(process).await {
            let other = led.insert(number, place);
            assert_eq!(other, None, "two lead shard {number}");
        }
    }
    led
}

async fn both_led(env: &TestEnv, processes: &mut [Process]) -> BTreeMap<u8, usize> {
    let processes = tokio::sync::Mutex::new(processes);
    let both = async || led(&mut processes.lock().await).await.len() == 2;
    env.until("both shards to be led", both).await;
    led(&mut processes.lock().await).await
}

/// The tenants for which a process has sent requests.
fn served(env: &TestEnv, log: &str) -> BTreeSet<u8> {
    let ids: BTreeSet<String> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["client_request_id"].as_str().map(str::to_owned))
        .collect();
    let journal = env.simulator.journal();
    let is_sent = |entry: &&Entry| {
        let id = entry.client_request_id.as_ref();
        id.is_some_and(|id| ids.contains(id))
    };
    let sent = journal.entries().iter().filter(is_sent);
    sent.filter_map(tenant_of).collect()
}

fn tenant_of(entry: &Entry) -> Option<u8> {
    let is_of = |tenant: u8| {
        let application = format!("application:{}", application_id(tenant));
        entry.subject.as_deref() == Some(application.as_str())
    };
    TENANTS
        .map(|(tenant, _)| tenant)
        .into_iter()
        .find(|tenant| is_of(*tenant))
}

fn tenants_in(shard: u8) -> BTreeSet<u8> {
    let tenants = TENANTS.into_iter().filter(|(_, of)| *of == shard);
    tenants.map(|(tenant, _)| tenant).collect()
}

fn flows_created(env: &TestEnv, shard: u8) -> usize {
    let tenants = tenants_in(shard);
    env.simulator.count(|entry| {
        let is_create = entry.committed && entry.operation == Operation::CreateFlow;
        is_create && tenant_of(entry).is_some_and(|tenant| tenants.contains(&tenant))
    })
}

/// Everything is as declared, and was done once.
async fn assert_complete(env: &TestEnv, logs: &[String]) {
    all_ready(env).await;
    let journal = env.simulator.journal();
    assert_nothing_twice(&journal);
    assert_all_owned(env).await;
    assert_eq!(journal.committed(Operation::CreateFlow), FLOWS);
    assert_eq!(journal.sets_created(), TENANTS.len() * SETS);
    assert_no_overlap(&journal, logs);
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_the_shard_of_a_killed_replica_goes_on_with_the_spare_and_the_other_is_not_affected() {
    let env = open("shards-killed").await;
    let mut replicas = Vec::new();
    for number in 1..=3 {
        replicas.push(start(&env, &format!("replica {number}"), 2).await);
    }
    let leaders = both_led(&env, &mut replicas).await;
    apply_all(&env).await;
    let begun = async || (1..=2).all(|shard| flows_created(&env, shard) >= 3);
    env.until("flows of both shards", begun).await;

    let (victim, other) = (leaders[&1], leaders[&2]);
    replicas[victim].kill().await;
    let (killed, before) = (
        Instant::now(),
        [1, 2].map(|shard| flows_created(&env, shard)),
    );
    assert!(before[0] < FLOWS / 2, "the replica dies while it creates");
    let successors = both_led(&env, &mut replicas).await;
    let taken = killed.elapsed();
    measured(
        "hand-over of a shard",
        &format!("{taken:.1?} after kill -9"),
    )
    .unwrap();
    assert_eq!(successors[&2], other, "the other goes on");
    assert!(flows_created(&env, 2) > before[1], "and works meanwhile");

    let logs: Vec<String> = replicas.iter().map(Process::log).collect();
    assert_complete(&env, &logs).await;
    let logs: Vec<String> = replicas.iter().map(Process::log).collect();
    assert_eq!(served(&env, &logs[victim]), tenants_in(1));
    assert_eq!(served(&env, &logs[other]), tenants_in(2));
    assert_eq!(served(&env, &logs[successors[&1]]), tenants_in(1));
    replicas.remove(victim);
    for replica in replicas {
        replica.stop().await;
    }
}

/// As a Deployment whose `--shards` changes: new pods start while old ones work, and one after the other ends.
#[tokio::test(flavor = "multi_thread")]
async fn f33_the_number_of_shards_changes_under_load_and_no_two_numbers_work_at_once() {
    let env = open("shards-changed").await;
    let mut old = start(&env, "of one shard", 1).await;
    env.until("the old one to lead", async || {
        old.get("/readyz").await.1 == "leading\n"
    })
    .await;
    let mut new = Vec::new();
    for number in 1..=2 {
        new.push(start(&env, &format!("of two shards, {number}"), 2).await);
    }
    apply_all(&env).await;
    let created = || env.committed(Operation::CreateFlow);
    env.until("some flows", async || created() >= FLOWS / 4)
        .await;
    assert!(led(&mut new).await.is_empty() && old.leads().await);
    assert!(created() < FLOWS);
    old.terminate().await;
    assert!(old.wait().await.success());
    both_led(&env, &mut new).await;
    env.until("more flows", async || created() >= FLOWS / 2)
        .await;

    // And back, but one of the two dies, and its lease outlives it.
    let last = start(&env, "of one shard again", 1).await;
    let leaders = led(&mut new).await;
    new[leaders[&2]].kill().await;
    let first = &mut new[leaders[&1]];
    first.terminate().await;
    assert!(first.wait().await.success());
    env.until("the last one to lead", async || {
        last.get("/readyz").await.1 == "leading\n"
    })
    .await;
    all_ready(&env).await;
    let [old, last] = [old.log(), last.log()];
    let new: Vec<String> = new.iter().map(Process::log).collect();
    let logs: Vec<String> = [old.clone(), last.clone()]
        .into_iter()
        .chain(new.clone())
        .collect();
    assert_complete(&env, &logs).await;
    for one in &new {
        assert_one_at_a_time(&[old.clone(), one.clone(), last.clone()]);
    }
    for (number, place) in leaders {
        assert_eq!(served(&env, &new[place]), tenants_in(number));
    }
}

/// A resource whose connection is not known belongs to the first shard, and then to that of its tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_connection_comes_later_goes_to_the_shard_of_its_tenant() {
    let env = open("shards-late").await;
    let mut replicas = Vec::new();
    for number in 1..=2 {
        replicas.push(start(&env, &format!("replica {number}"), 2).await);
    }
    let leaders = both_led(&env, &mut replicas).await;
    let (tenant, _) = TENANTS[0];
    let reference = json!({ "connectionRef": { "name": format!("tenant-{tenant}") } });
    env.put(&with(set("north"), &reference)).await;
    env.put(&groups("of-a-set")).await;
    let id = env
        .simulator
        .create_set(&json!({ "displayName": "known" }))
        .unwrap();
    env.put(&with(groups_by_id("of-an-id", &id), &reference))
        .await;
    for name in ["of-a-set", "of-an-id"] {
        env.flow_where(name, |flow| flow.status.is_some()).await;
    }
    // An answer that is late, so that the other shard would have the time to interfere.
    let late = Effect::DelayAfter(Duration::from_secs(3));
    env.simulator
        .inject(Rule::new(late).on(Operation::CreateFlow).always());
    env.put(&connection_of(tenant)).await;
    for name in ["of-a-set", "of-an-id"] {
        env.flow_where(name, is_ready).await;
    }
    assert_eq!(env.committed(Operation::CreateFlow), 2);
    assert_eq!(env.requests(Operation::CreateFlow), 2);
    assert_eq!(served(&env, &replicas[leaders[&1]].log()), BTreeSet::new());
    assert_eq!(
        served(&env, &replicas[leaders[&2]].log()),
        BTreeSet::from([tenant])
    );
    for replica in replicas {
        replica.stop().await;
    }
}
