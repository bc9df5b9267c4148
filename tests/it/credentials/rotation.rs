//! Each credential is replaced while flows are created.

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::ClientSecret;
use serde_json::Value;

use super::{
    CERTIFICATE, KEY, by_certificate, by_person, by_service_account, certificate_until,
    refresh_token, service_account, set_up, tls, trust,
};
use crate::conditions::ready;
use crate::manifests::{CLIENT, connection, connection_with, groups_in, set};
use crate::oracle::{all_ready, assert_nothing_twice};
use crate::test_env::TestEnv;

/// Flows that are created while a credential is replaced.
const FLOWS: usize = 40;

/// Creates flows, and replaces the credential when some of them are there.
async fn replaced_under_load(env: &TestEnv, round: &str, replace: impl AsyncFnOnce()) {
    let committed = env.committed(industrydata_simulator::Operation::CreateFlow);
    let pairs = (0..FLOWS).flat_map(|number| {
        let name = format!("{round}-{number}");
        [set(&name), groups_in(&name, &name)]
    });
    env.apply_all(pairs.collect::<Vec<Value>>()).await;
    env.until("a flow", async || {
        env.committed(industrydata_simulator::Operation::CreateFlow) > committed + 2
    })
    .await;
    replace().await;
    all_ready(env).await;
    env.connection_where(|one: &GraphConnection| ready(one) == "True/Ready")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_is_replaced_under_load_without_a_restart_and_nothing_twice() {
    let mut env = set_up("rotation").await;
    env.simulator
        .configure(|behavior| behavior.application_writes = true);
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    replaced_under_load(&env, "secret", async || {
        let both = ["simulator-secret", "canary-second"].map(ClientSecret::from);
        env.simulator.set_secrets(CLIENT, both.into()).unwrap();
        env.apply(connection_with("canary-second")).await.unwrap();
    })
    .await;
    replaced_under_load(&env, "certificate", async || {
        let second = certificate_until(2100);
        let both = vec![CERTIFICATE.to_owned(), second.clone()];
        env.simulator.set_certificates(CLIENT, both).unwrap();
        env.apply_all([tls(CERTIFICATE, KEY), by_certificate()])
            .await;
        env.apply(tls(&second, KEY)).await.unwrap();
    })
    .await;
    replaced_under_load(&env, "workload", async || {
        trust(&env, "sds").await;
        env.apply_all([service_account("sds", CLIENT), by_service_account("sds")])
            .await;
    })
    .await;
    replaced_under_load(&env, "person", async || {
        let tokens = ["canary-refresh-0", "canary-refresh-1"].map(str::to_owned);
        env.simulator
            .set_refresh_tokens(CLIENT, tokens.into())
            .unwrap();
        env.apply_all([refresh_token("canary-refresh-0"), by_person()])
            .await;
        env.apply(refresh_token("canary-refresh-1")).await.unwrap();
    })
    .await;
    assert_nothing_twice(&env.simulator.journal());
}
