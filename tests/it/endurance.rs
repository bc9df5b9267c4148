//! `kill -9` in a loop and a flaky network on both sides, while two hundred flows are created, reset and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt, stream};
use industrydata_operator::api::{ProvisioningFlow, ResetPhase};
use industrydata_simulator::{Journal, Operation};
use industrydata_testbed::{Proxy, Upstream, measured};
use kube::api::ListParams;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::conditions::{is_ready, known_id, reset_phase, stalled};
use crate::manifests::{connection, flow, passwords, set, types, users};
use crate::process::{Launch, Log};
use crate::test_env::{TestEnv, lenient};
use crate::times;

const SETS: usize = 50;
const SEED: u64 = 4;

/// Of a hundred requests on either side so many are dropped, cut, delayed or refused.
const FLAKY: f64 = 0.03;

/// How long each second process lives, in milliseconds.
const LIFE: std::ops::Range<u64> = 500..2000;

/// How long the others live. What became of a create whose answer was lost is only believed by a process that
/// has watched for a whole visibility window itself, and on a busy machine it takes seconds until a process has seen all.
const LONG_LIFE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_flows_survive_kill_9_in_a_loop_and_a_flaky_network() {
    let options = lenient(Duration::ZERO);
    let mut env = TestEnv::set_up("endurance", options).await;
    env = env.shortened(&times::ENDURANCE);
    let cluster = env.through_proxy().await;
    let upstream = Upstream::http(&env.simulator.graph_endpoint()).unwrap();
    let service = Proxy::start(upstream).await.unwrap();
    for proxy in [&cluster, &service] {
        proxy.flaky(SEED, FLAKY);
    }
    let (log, mut kills) = (Log::default(), 0);
    let resets = tokio::select! {
        () = kill_in_a_loop(&env, &service, &log, &mut kills) => unreachable!(),
        resets = create_reset_and_delete(&env) => resets,
    };
    let journal = env.simulator.journal();
    let unknown = assert_once_each(&journal, &resets);
    assert!(env.simulator.snapshot().sets.is_empty(), "left over");
    assert!(!log.lock().unwrap().contains("panicked"));
    let figure = format!(
        "killed {kills} times, {} faults before the API server, {} before the service, {} requests to it; of {} resets \
         {unknown} in doubt, as reported",
        cluster.hits().len(),
        service.hits().len(),
        journal.entries().len(),
        resets.len(),
    );
    measured("endurance", &figure).unwrap();
    assert!(kills >= 5, "killed {kills} times only");
}

async fn kill_in_a_loop(env: &TestEnv, service: &Proxy, log: &Log, kills: &mut usize) {
    let mut dice = StdRng::seed_from_u64(SEED);
    loop {
        let launch = Launch::on(env)
            .log(log)
            .flag("--graph-endpoint", &service.url())
            .flag("--authority-endpoint", &service.url());
        let mut operator = launch.start().await;
        let life = Duration::from_millis(dice.random_range(LIFE));
        let is_long = *kills % 2 == 1;
        tokio::time::sleep(if is_long { LONG_LIFE } else { life }).await;
        operator.kill().await;
        *kills += 1;
    }
}

/// Gives back what became of the reset of each remote flow.
async fn create_reset_and_delete(env: &TestEnv) -> BTreeMap<String, ResetPhase> {
    env.apply_all(manifests()).await;
    flows_are(env, is_ready).await;
    stream::iter(names())
        .for_each_concurrent(16, async |name| {
            env.patch_flow(&name, json!({ "resetToken": "again" }))
                .await;
        })
        .await;
    let flows = flows_are(env, |flow| match reset_phase(flow) {
        Some(ResetPhase::Accepted) => is_ready(flow),
        // Whoever asked for the reset is told that nobody knows.
        Some(ResetPhase::Unknown) => stalled(flow) == "True/ResetUnknown",
        _ => false,
    })
    .await;
    env.delete_flows().await;
    env.delete_sets().await;
    let gone = async || env.resources().await.len() == 1;
    env.until("all but the connection to be gone", gone).await;
    let reset = |flow: &ProvisioningFlow| Some((known_id(flow)?, reset_phase(flow)?));
    flows.iter().filter_map(reset).collect()
}

/// Waits until there are all flows and each is as `are` wants it.
async fn flows_are(
    env: &TestEnv,
    are: impl Fn(&ProvisioningFlow) -> bool,
) -> Vec<ProvisioningFlow> {
    let flows = Mutex::new(Vec::new());
    let all_are = async || {
        let listed = env.flows().list(&ListParams::default()).await.unwrap();
        let all_are = listed.items.len() == 4 * SETS && listed.iter().all(&are);
        *flows.lock().unwrap() = listed.items;
        all_are
    };
    let waited = env.eventually("all flows", all_are).await;
    let flows = flows.into_inner().unwrap();
    waited.unwrap_or_else(|error| {
        let left: Vec<_> = flows.iter().filter(|flow| !are(flow)).collect();
        panic!(
            "{error}; {} are not as they should be: {left:#?}",
            left.len()
        )
    });
    flows
}

/// Counts resets in doubt, of which each may have been made or not.
fn assert_once_each(journal: &Journal, resets: &BTreeMap<String, ResetPhase>) -> usize {
    let counts = [
        (Operation::CreateSet, SETS),
        (Operation::CreateFlow, 4 * SETS),
        (Operation::DeleteFlow, 4 * SETS),
        (Operation::DeleteSet, SETS),
    ];
    for (operation, count) in counts {
        assert_eq!(journal.committed(operation), count, "{operation:?}");
    }
    assert_eq!(resets.len(), 4 * SETS);
    let made = journal.entries().iter().filter(|entry| {
        let is_create = entry.operation == Operation::CreateFlow;
        is_create && entry.committed
    });
    let places: BTreeSet<_> = made.map(|entry| (&entry.set, entry.flow_type)).collect();
    assert_eq!(places.len(), 4 * SETS, "of each type one in each set");
    for (id, phase) in resets {
        let made = journal.resets(id);
        let right = made == 1 || made == 0 && *phase == ResetPhase::Unknown;
        assert!(right, "{made} resets of {id}, which is told as {phase:?}");
    }
    let in_doubt = resets
        .values()
        .filter(|phase| **phase == ResetPhase::Unknown);
    in_doubt.count()
}

fn names() -> Vec<String> {
    let of_set = |set| (0..4).map(move |kind| format!("set-{set}-{kind}"));
    (0..SETS).flat_map(of_set).collect()
}

fn manifests() -> Vec<Value> {
    let mut connection = connection();
    let budget = json!({ "perSecond": 200, "burst": 400 });
    connection["items"][1]["spec"]["requestBudget"] = budget;
    let mut manifests = vec![connection, passwords("Change-me-1")];
    let [groups, units, classes, _] = types().map(|(member, options, _)| (member, options));
    let users = ("user", users("users")["spec"]["user"].take());
    let types = [groups, units, classes, users];
    for name in (0..SETS).map(|set| format!("set-{set}")) {
        manifests.push(set(&name));
        manifests.extend((0..).zip(&types).map(|(place, (member, options))| {
            let reference = json!({ "name": name });
            let spec = json!({ "flowSetRef": reference, "pollInterval": null, *member: options });
            flow(&format!("{name}-{place}"), &spec)
        }));
    }
    manifests
}
