//! How long one namespace waits for another: no longer, whatever happens there.

use std::time::Duration;

use futures::{StreamExt, stream};
use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Answer, Effect, Operation, Reception, Rule};
use kube::api::{ListParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::conditions::is_ready;
use crate::manifests::{
    connection, flow, groups_by_id, labelled, objects, sample, types, unit_options, with,
};
use crate::process::{Launch, Process};
use crate::test_env::{TestEnv, lenient};
use crate::waiting::PATIENCE;

/// Tries with each operator, which take turns. The longest but one of each is compared, as the longest shows what the
/// machine did.
const TRIES: usize = 50;

/// What the machine may add, which all processes of the test share.
const SLACK: Duration = Duration::from_millis(500);

/// The slow tenant: sets in each of its two namespaces, whose lists have a page for each flow, and an empty one after it.
/// Together these are more than there are places, and in each more than half of them, which is what a namespace may hold:
/// if they held places while they wait, there would be none left.
const SLOW_SETS: usize = 10;
const SLOW_NAMESPACES: [&str; 2] = ["turns-slow-a", "turns-slow-b"];
const FLOWS: usize = 500;
const PAGE: Duration = Duration::from_secs(5);

/// The busy tenant: sets with a flow of each of the four types.
const BUSY_SETS: usize = 1250;

/// An operator for all namespaces with its default flags, the namespaces it is for, and the service.
struct Operator {
    env: TestEnv,
    process: Process,
    label: &'static str,
    times: Vec<Duration>,
}

impl Operator {
    async fn start(label: &'static str) -> Self {
        let env = TestEnv::set_up_for_all_namespaces(label, lenient(Duration::ZERO)).await;
        // Each set is listed on its own, so that the lists of some can be slow.
        env.simulator
            .configure(|behavior| behavior.query.expand = Reception::Refuse);
        let unsupported = Answer::new(404).code("ResourceNotFound");
        let refused = Rule::new(Effect::Refuse(unsupported)).on(Operation::Batch);
        env.simulator.inject(refused.always());
        let launch = Launch::on(&env)
            .flag("--watch-selector", &format!("test={label}"))
            .flag("--log-level", "info");
        let process = launch.start().await;
        let connection = json!({ "apiVersion": "v1", "kind": "List", "items": objects(&sample("connection.yaml")) });
        env.apply(labelled(connection, label)).await.unwrap();
        Self {
            env,
            process,
            label,
            times: Vec::new(),
        }
    }

    /// Takes the time from the creation of a flow in a set until it is ready.
    async fn take_time(&mut self, name: &str) {
        let env = &self.env;
        let set = self.remote_set(name);
        let began = Instant::now();
        self.create_flow(with(
            groups_by_id(name, &set),
            &json!({ "deletionPolicy": "Retain" }),
        ))
        .await;
        let is_ready = |flow: Option<&ProvisioningFlow>| flow.is_some_and(is_ready);
        let ready = await_condition(env.flows(), name, is_ready);
        timeout(PATIENCE, ready)
            .await
            .expect("the flow becomes ready")
            .unwrap();
        self.times.push(began.elapsed());
        env.remove_flow(name).await;
    }

    async fn create_flow(&self, manifest: Value) {
        let flow = serde_json::from_value(labelled(manifest, self.label)).unwrap();
        let created = self.env.flows().create(&PostParams::default(), &flow).await;
        created.unwrap();
    }

    /// Creates flows all at once, in another namespace.
    async fn load(&mut self, namespace: &str, manifests: Vec<Value>) {
        let calm = std::mem::replace(&mut self.env.namespace, namespace.to_owned());
        self.env
            .kubectl(&["create", "namespace", namespace])
            .await
            .unwrap();
        self.env
            .apply(labelled(connection(), self.label))
            .await
            .unwrap();
        let creates = manifests.into_iter().map(|one| self.create_flow(one));
        stream::iter(creates)
            .buffer_unordered(16)
            .collect::<()>()
            .await;
        self.env.namespace = calm;
    }

    fn remote_set(&self, name: &str) -> String {
        let set = json!({ "displayName": name });
        self.env.simulator.create_set(&set).unwrap()
    }

    /// The flows of the two tenants by namespace. Each list of the first takes longer than a list may; to create those of
    /// the second takes minutes.
    fn flows_of_tenants(&self) -> Vec<(&'static str, Vec<Value>)> {
        let (types, mut unit) = (types(), unit_options());
        unit["@odata.type"] =
            json!("#microsoft.graph.industryData.administrativeUnitProvisioningFlow");
        let slow = |namespace, place| {
            let name = format!("{namespace}-{place}");
            let set = self.remote_set(&name);
            for _ in 0..FLOWS {
                self.env.simulator.create_flow(&set, &unit).unwrap();
            }
            for effect in [
                Effect::PageSize(1),
                Effect::EmptyPages,
                Effect::DelayBefore(PAGE),
            ] {
                let rule = Rule::new(effect).on(Operation::ListFlows).path_part(&set);
                self.env.simulator.inject(rule.always());
            }
            groups_by_id(&name, &set)
        };
        let busy = |place| {
            let set = self.remote_set(&format!("busy-{place}"));
            let flow = |(member, options, _): &(&str, Value, Value)| {
                let spec = json!({ "flowSetRef": null, "flowSetId": set,
                    "connectionRef": { "name": "contoso" }, *member: options });
                flow(&format!("busy-{place}-{}", member.to_lowercase()), &spec)
            };
            types.each_ref().map(flow)
        };
        let slow_flows = |namespace| {
            (
                namespace,
                (0..SLOW_SETS).map(|place| slow(namespace, place)).collect(),
            )
        };
        let busy_flows = ("turns-busy", (0..BUSY_SETS).flat_map(busy).collect());
        SLOW_NAMESPACES
            .map(slow_flows)
            .into_iter()
            .chain([busy_flows])
            .collect()
    }

    fn longest_but_one(&mut self) -> Duration {
        println!("{}: {:?}", self.label, self.times);
        self.times.sort_unstable();
        self.times[TRIES - 2]
    }

    async fn flows_ready(&mut self, namespace: &str) -> usize {
        let calm = std::mem::replace(&mut self.env.namespace, namespace.to_owned());
        let flows = self.env.flows().list(&ListParams::default()).await.unwrap();
        self.env.namespace = calm;
        flows.iter().filter(|flow| is_ready(flow)).count()
    }
}

/// Both operators have the same machine at the same time, so that the difference is what one of them has to do.
#[tokio::test(flavor = "multi_thread")]
async fn neither_slow_lists_nor_thousands_of_flows_in_other_namespaces_delay_one() {
    let mut idle = Operator::start("turns-idle").await;
    let mut loaded = Operator::start("turns-loaded").await;
    let load = loaded.flows_of_tenants();
    for (namespace, flows) in load.clone() {
        loaded.load(namespace, flows).await;
    }
    for place in 0..TRIES {
        let name = format!("try-{place}");
        idle.take_time(&name).await;
        loaded.take_time(&name).await;
    }
    for (namespace, flows) in load {
        let count = flows.len();
        let ready = loaded.flows_ready(namespace).await;
        println!("{ready} of {count} flows of {namespace} are ready");
        assert!(ready < count, "the load of {namespace} has ended");
    }
    let times = [&mut idle, &mut loaded].map(Operator::longest_but_one);
    for operator in [idle, loaded] {
        operator.process.stop().await;
    }
    let [idle, loaded] = times;
    assert!(
        loaded <= idle * 2 + SLACK,
        "ready after {loaded:?} instead of {idle:?}"
    );
}
