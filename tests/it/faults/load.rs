//! F24: a flood of resources in one namespace, and work in another.

use futures::{StreamExt, stream};
use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Answer, Effect, FlowType, Operation, Rule};
use kube::api::{Api, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::prepare_for_all;
use crate::conditions::is_ready;
use crate::manifests::{connection, flow, groups_in, labelled, set, types};
use crate::oracle::assert_nothing_twice;
use crate::test_env::TestEnv;

/// Sets of the flood, each with three flows.
///
/// A hundred times less than the 10,000 flows that a large tenant might have: etcd, API server, operator and service
/// share two cores here, all but the first two without optimization, and each flow costs four writes to the cluster.
/// What is looked at, whether somebody else has to wait for the end of the flood, needs no more than a flood that lasts:
/// its budget spreads it over half a minute.
const SETS: usize = 80;

/// A flood in one namespace, with one flow that always fails.
#[tokio::test(flavor = "multi_thread")]
async fn f24_neither_a_flood_nor_a_failing_flow_holds_up_another_namespace() {
    let (mut env, flags) = prepare_for_all("f24-calm", "f24").await;
    let namespace = ["create", "namespace", "f24-flood"];
    env.kubectl(&namespace).await.unwrap();
    env.start_with(flags).await;
    let refuse = Rule::new(Effect::Refuse(Answer::new(400))).on(Operation::CreateFlow);
    let refuse = refuse.flow_type(FlowType::ClassGroup);
    env.simulator.inject(refuse.always());
    env.apply(labelled(connection(), "f24")).await.unwrap();
    apply_and_wait(&env, "before").await;

    let calm = std::mem::replace(&mut env.namespace, "f24-flood".to_owned());
    let mut slow = labelled(connection(), "f24");
    slow["items"][1]["spec"]["pollInterval"] = json!("60s");
    env.apply(slow).await.unwrap();
    flood(&env).await;
    let all = 3 * SETS;
    env.until("the flood", async || {
        flows_that_are(&env, is_ready).await > all / 10
    })
    .await;
    env.namespace = calm;
    apply_and_wait(&env, "during").await;
    "f24-flood".clone_into(&mut env.namespace);
    let left = all - flows_that_are(&env, is_ready).await;
    assert!(
        left > all / 4,
        "it had to wait for the flood, of which {left} are left"
    );

    env.until("all", async || flows_that_are(&env, is_ready).await == all)
        .await;
    env.flow_stalled("failing", "Rejected").await;
    let journal = env.simulator.journal();
    assert_nothing_twice(&journal);
    assert_eq!(journal.committed(Operation::CreateFlow), all + 2);
    assert_eq!(journal.committed(Operation::CreateSet), SETS + 2);
}

async fn apply_and_wait(env: &TestEnv, name: &str) {
    let manifests = [set(name), groups_in(name, name)];
    env.apply_all(manifests.map(|one| labelled(one, "f24")))
        .await;
    env.flow_where(name, is_ready).await;
}

async fn flood(env: &TestEnv) {
    let names: Vec<String> = (0..SETS).map(|place| format!("flood-{place}")).collect();
    let [groups, units, classes, users] = types();
    let of_set = |set: &String| {
        let flow = |(member, options, _): &(&str, Value, Value)| {
            let name = format!("{set}-{member}").to_lowercase();
            let reference = json!({ "name": set });
            flow(
                &name,
                &json!({ "flowSetRef": reference, "pollInterval": null, *member: options }),
            )
        };
        [&groups, &units, &users].map(flow)
    };
    let spec = json!({ "flowSetRef": { "name": names[0] }, "classGroup": classes.1 });
    let failing = flow("failing", &spec);
    create(&env.sets(), names.iter().map(|name| set(name)).collect()).await;
    let flows = names.iter().flat_map(of_set);
    create(&env.flows(), [failing].into_iter().chain(flows).collect()).await;
}

async fn create<K>(api: &Api<K>, manifests: Vec<Value>)
where
    K: Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    let create = async |manifest: Value| {
        let object = serde_json::from_value(labelled(manifest, "f24")).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    };
    stream::iter(manifests)
        .for_each_concurrent(16, create)
        .await;
}

async fn flows_that_are(env: &TestEnv, are: impl Fn(&ProvisioningFlow) -> bool) -> usize {
    let flows = env.flows().list(&ListParams::default()).await.unwrap();
    flows.iter().filter(|flow| are(flow)).count()
}
