//! What a flow costs, in counts: unlike times, they are the same on every machine. `benches/scale` measures both.

use std::time::Instant;

use futures::{StreamExt, stream};
use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::Position;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::conditions::{is_ready, ready};
use crate::manifests::{connection, flow, types};
use crate::test_env::TestEnv;

const SETS: usize = 20;
const FLOWS: usize = 4 * SETS;

/// Until all are ready, beyond the POST of each flow: sweeps, of one page each.
const MAX_REQUESTS: usize = FLOWS / 2;

/// Until all are ready: the intent with the finalizer, the id, the readiness, and one event.
const MAX_WRITES: usize = 4 * FLOWS;

/// Of the connection, whatever the number of flows: that its credential may change something is recorded once, and what
/// the tenant contains once in each poll interval that begins.
const MAX_WRITES_OF_CONNECTION: usize = 2;

/// Seconds between polls until all flows are ready.
const POLL_INTERVAL: u64 = 60;

/// How many times all sets are listed at rest.
const POLLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_costs_few_requests_and_writes_and_none_at_rest() {
    let mut env = TestEnv::set_up("counts", Options::default()).await;
    env.start_operator(&[]).await;
    let begin = env.audit_position();
    connect(&env).await;
    status_is_logged(&env, begin).await;
    let (before, position) = (requests(&env), env.audit_position());
    let start = Instant::now();
    create_flows(&env).await;
    let are_ready = async || {
        let flows = env.flows().list(&ListParams::default()).await.unwrap();
        flows.iter().filter(|flow| is_ready(flow)).count() == FLOWS
    };
    env.until("all flows to be ready", are_ready).await;
    assert_eq!(env.committed(Operation::CreateFlow), FLOWS);
    let beyond = requests(&env) - before - FLOWS;
    assert!(beyond <= MAX_REQUESTS, "{beyond} requests beyond the POSTs");
    let is_of_connection = |write: &String| write.contains(" graphconnections/");
    let (connection, writes): (Vec<_>, Vec<_>) = env
        .writes_since(position)
        .into_iter()
        .partition(is_of_connection);
    assert!(writes.len() <= MAX_WRITES, "{}: {writes:#?}", writes.len());
    let intervals = usize::try_from(start.elapsed().as_secs() / POLL_INTERVAL).unwrap();
    assert!(
        connection.len() <= MAX_WRITES_OF_CONNECTION + intervals,
        "{connection:#?}"
    );

    let begin = env.audit_position();
    poll_each_second(&env).await;
    status_is_logged(&env, begin).await;
    let position = env.audit_position();
    let sweeps = env.simulator.journal().sweeps();
    let requested = requests(&env);
    let swept = || env.simulator.journal().sweeps() - sweeps;
    env.until("the polls", async || swept() >= POLLS).await;
    let requested = requests(&env) - requested;
    assert!(
        requested <= POLLS + 1,
        "{requested} requests for {POLLS} polls"
    );
    assert_eq!(env.writes_since(position), [""; 0]);
}

/// Waits until the log of the API server has a write of the connection's status. What is written can be read before it is
/// logged, so that this write might count as one of those that follow.
async fn status_is_logged(env: &TestEnv, begin: Position) {
    let is_status = |write: &String| write.ends_with("graphconnections/status contoso");
    let is_logged = async || env.writes_since(begin).iter().any(is_status);
    env.until("the status of the connection to be logged", is_logged)
        .await;
}

/// All requests to the service so far.
fn requests(env: &TestEnv) -> usize {
    env.simulator.requests().values().sum()
}

/// With the budget open, and polls that are too rare to count.
async fn connect(env: &TestEnv) {
    let mut connection = connection();
    let spec = &mut connection["items"][1]["spec"];
    spec["pollInterval"] = json!(format!("{POLL_INTERVAL}s"));
    spec["requestBudget"] = json!({ "perSecond": 1000, "burst": 1000 });
    env.apply(connection).await.unwrap();
    env.connection_where(|one| ready(one) == "True/Ready").await;
}

async fn poll_each_second(env: &TestEnv) {
    let spec = r#"{"spec":{"pollInterval":"1s"}}"#;
    env.kubectl(&["patch", "gconn/contoso", "--type=merge", "--patch", spec])
        .await
        .unwrap();
    env.connection_where(|one| {
        let observed = one.status.as_ref().map(|status| status.observed_generation);
        observed == one.metadata.generation
    })
    .await;
}

/// One flow of each type in each set, all at the same time.
async fn create_flows(env: &TestEnv) {
    let flows = (0..SETS).flat_map(|number| {
        let body = json!({ "displayName": format!("set {number}") });
        let set = env.simulator.create_set(&body).unwrap();
        types().map(|(member, options, _)| in_set(&set, number, member, &options))
    });
    let flows: Vec<Value> = flows.collect();
    let api = env.flows();
    let create = async |manifest: Value| {
        let flow: ProvisioningFlow = serde_json::from_value(manifest).unwrap();
        api.create(&PostParams::default(), &flow).await.unwrap();
    };
    stream::iter(flows).for_each_concurrent(16, create).await;
}

fn in_set(set: &str, number: usize, member: &str, options: &Value) -> Value {
    let spec = json!({
        "flowSetRef": null, "flowSetId": set, "connectionRef": { "name": "contoso" },
        "pollInterval": null, member: options,
    });
    flow(&format!("{member}-{number}").to_lowercase(), &spec)
}
