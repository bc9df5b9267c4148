//! Each credential is replaced while flows are created.

use std::time::Duration;

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::{ClientSecret, Effect, Operation, Rule};
use serde_json::{Value, json};

use super::{
    CERTIFICATE, KEY, by_certificate, by_person, by_service_account, certificate_until,
    refresh_token, service_account, set_up, tls, trust,
};
use crate::conditions::ready;
use crate::manifests::{CLIENT, connection, connection_with, groups_in, set, types, with};
use crate::oracle::{all_ready, assert_nothing_twice};
use crate::test_env::TestEnv;

/// Sets, with a flow of each of the four types.
const SETS: usize = 50;

/// How long a create takes until all credentials have been replaced: as 16 are in progress at a time, 200 take a minute.
const CREATE: Duration = Duration::from_secs(5);

/// Waits until more flows have been created, or all of them if the machine is too busy to replace credentials in time.
async fn created(env: &TestEnv, more: usize) {
    let committed = || env.committed(Operation::CreateFlow);
    let enough = (committed() + more).min(4 * SETS);
    env.until("flows", async || committed() >= enough).await;
    println!("{} flows are there", committed());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_is_replaced_while_200_flows_are_created_and_nothing_twice() {
    let mut env = set_up("rotation").await;
    env.simulator
        .configure(|behavior| behavior.application_writes = true);
    let slow = Rule::new(Effect::DelayBefore(CREATE)).on(Operation::CreateFlow);
    let slow = env.simulator.inject(slow.always());
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    let sets = (0..SETS).flat_map(|number| {
        let name = format!("set-{number}");
        let flows = types().map(|(member, options, _)| {
            let flow = groups_in(&format!("{name}-{}", member.to_lowercase()), &name);
            with(flow, &json!({ "securityGroup": null, member: options }))
        });
        [set(&name)].into_iter().chain(flows)
    });
    env.apply_all(sets.collect::<Vec<Value>>()).await;

    let both = ["simulator-secret", "canary-second"].map(ClientSecret::from);
    env.simulator.set_secrets(CLIENT, both.into()).unwrap();
    env.apply(connection_with("canary-second")).await.unwrap();
    created(&env, 10).await;

    let second = certificate_until(2100);
    let both = vec![CERTIFICATE.to_owned(), second.clone()];
    env.simulator.set_certificates(CLIENT, both).unwrap();
    env.apply_all([tls(CERTIFICATE, KEY), by_certificate()])
        .await;
    created(&env, 10).await;
    env.apply(tls(&second, KEY)).await.unwrap();
    created(&env, 10).await;

    trust(&env, "sds").await;
    env.apply_all([service_account("sds", CLIENT), by_service_account("sds")])
        .await;
    created(&env, 10).await;

    let tokens = ["canary-refresh-0", "canary-refresh-1"].map(str::to_owned);
    env.simulator
        .set_refresh_tokens(CLIENT, tokens.into())
        .unwrap();
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    created(&env, 10).await;
    env.apply(refresh_token("canary-refresh-1")).await.unwrap();
    created(&env, 1).await;
    env.simulator.remove_rule(slow);

    all_ready(&env).await;
    env.connection_where(|one: &GraphConnection| ready(one) == "True/Ready")
        .await;
    assert_eq!(env.committed(Operation::CreateFlow), 4 * SETS);
    assert_nothing_twice(&env.simulator.journal());
}
