//! How long one namespace waits for another: no longer, whatever happens there.

use std::time::Duration;

use futures::{StreamExt, stream};
use industrydata_simulator::{Effect, Operation, Rule};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::conditions::is_ready;
use crate::faults::prepare_for_all;
use crate::manifests::{connection, flow, groups_by_id, groups_in, labelled, set, types};
use crate::test_env::TestEnv;

/// Tries before and during the load. The medians are compared.
const TRIES: usize = 5;

/// What the second in which a collection is polled next may add, and the machine, which all processes of the test share.
const SLACK: Duration = Duration::from_secs(1);

/// Two namespaces under one operator with its default flags.
struct Neighbours {
    env: TestEnv,
    calm: String,
    busy: String,
    label: String,
}

impl TestEnv {
    async fn flows_ready(&self) -> usize {
        let flows = self.flows().list(&ListParams::default()).await.unwrap();
        flows.iter().filter(|flow| is_ready(flow)).count()
    }
}

impl Neighbours {
    async fn start(label: &str) -> Self {
        let calm = format!("{label}-calm");
        let (mut env, flags) = prepare_for_all(&calm, label).await;
        let busy = format!("{label}-busy");
        env.kubectl(&["create", "namespace", &busy]).await.unwrap();
        env.start_with(flags).await;
        let label = label.to_owned();
        let mut neighbours = Self {
            env,
            calm,
            busy,
            label,
        };
        neighbours.enter_busy();
        neighbours.apply(connection()).await;
        neighbours.enter_calm();
        neighbours.apply(connection()).await;
        neighbours.ready_after("first").await;
        neighbours
    }

    fn enter_busy(&mut self) {
        self.env.namespace.clone_from(&self.busy);
    }

    fn enter_calm(&mut self) {
        self.env.namespace.clone_from(&self.calm);
    }

    async fn apply(&self, manifest: Value) {
        self.env
            .apply(labelled(manifest, &self.label))
            .await
            .unwrap();
    }

    /// Applies a set with one flow, and returns how long it takes until the flow is ready.
    async fn ready_after(&self, name: &str) -> Duration {
        let manifests = [set(name), groups_in(name, name)];
        self.env
            .apply_all(manifests.map(|one| labelled(one, &self.label)))
            .await;
        let began = Instant::now();
        self.env.flow_where(name, is_ready).await;
        began.elapsed()
    }

    async fn median(&self, name: &str) -> Duration {
        let mut times = Vec::new();
        for place in 0..TRIES {
            times.push(self.ready_after(&format!("{name}-{place}")).await);
        }
        times.sort_unstable();
        times[TRIES / 2]
    }

    /// Creates flows all at once.
    async fn create_flows(&self, manifests: Vec<Value>) {
        let flows = self.env.flows();
        let create = async |manifest: Value| {
            let flow = serde_json::from_value(labelled(manifest, &self.label)).unwrap();
            flows.create(&PostParams::default(), &flow).await.unwrap();
        };
        stream::iter(manifests)
            .for_each_concurrent(16, create)
            .await;
    }

    fn remote_sets(&self, count: usize) -> Vec<String> {
        let create = |place| {
            let set = json!({ "displayName": format!("remote {place}") });
            self.env.simulator.create_set(&set).unwrap()
        };
        (0..count).map(create).collect()
    }

    /// Compares the times on the idle operator with those during the load.
    async fn is_served(&mut self, idle: Duration) {
        self.enter_calm();
        let during = self.median("during").await;
        println!("ready after {idle:?} on the idle operator, after {during:?} during the load");
        assert!(
            during <= idle * 2 + SLACK,
            "ready after {during:?} instead of {idle:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_lists_in_one_namespace_do_not_delay_another() {
    let mut neighbours = Neighbours::start("slow").await;
    let idle = neighbours.median("idle").await;
    let sets = neighbours.remote_sets(40);
    for set in &sets {
        let slow = Rule::new(Effect::DelayBefore(Duration::from_secs(9)));
        let slow = slow.on(Operation::ListFlows).path_part(set).always();
        neighbours.env.simulator.inject(slow);
    }
    neighbours.enter_busy();
    let flows = sets.iter().enumerate();
    let flows = flows.map(|(place, set)| groups_by_id(&format!("slow-{place}"), set));
    neighbours.create_flows(flows.collect()).await;
    neighbours.is_served(idle).await;

    neighbours.enter_busy();
    let ready = neighbours.env.flows_ready().await;
    assert!(ready < sets.len(), "the load has ended");
    neighbours
        .env
        .until("slow flows", async || {
            neighbours.env.flows_ready().await == sets.len()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_new_flows_in_one_namespace_do_not_delay_another() {
    let mut neighbours = Neighbours::start("flood").await;
    let idle = neighbours.median("idle").await;
    let sets = neighbours.remote_sets(100);
    let [groups, units, _, users] = types();
    let of_set = |(place, set): (usize, &String)| {
        let flow = |(member, options, _): &(&str, Value, Value)| {
            let reference = json!({ "flowSetRef": null, "flowSetId": set,
                "connectionRef": { "name": "contoso" }, *member: options });
            flow(
                &format!("flood-{place}-{}", member.to_lowercase()),
                &reference,
            )
        };
        [&groups, &units, &users].map(flow)
    };
    let flows = sets.iter().enumerate().flat_map(of_set).collect();
    neighbours.enter_busy();
    neighbours.create_flows(flows).await;
    neighbours.is_served(idle).await;

    neighbours.enter_busy();
    let ready = neighbours.env.flows_ready().await;
    assert!(ready < 3 * sets.len(), "the load has ended");
}
