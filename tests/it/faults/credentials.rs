//! F9: tokens that are no longer good, secrets that are no longer right, permissions that are gone.

use std::time::Duration;

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::{Answer, Application, Effect, Operation, Rule};
use k8s_openapi::jiff::SignedDuration;

use super::{open, with_pairs};
use crate::conditions::stalled;
use crate::manifests::{CLIENT, connection_with, groups_in, names, set};
use crate::oracle::{all_ready, assert_healed};
use crate::test_env::TestEnv;
use crate::waiting::at;

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_token_that_is_no_longer_good_is_replaced_and_nothing_is_lost() {
    let (env, _) = with_pairs("f09-tokens", 1).await;
    let two_hours = Duration::from_hours(2);
    let mishaps: [(&str, &dyn Fn()); 2] = [
        ("revoked", &|| env.simulator.revoke_tokens()),
        ("expired", &|| env.simulator.advance(two_hours)),
    ];
    for (name, mishap) in mishaps {
        mishap();
        env.apply_all([set(name), groups_in(name, name)]).await;
        all_ready(&env).await;
    }
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::Token), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_one_token_at_a_time_is_fetched_from_a_slow_failing_authority() {
    let env = open("f09-authority").await;
    let slow = Duration::from_millis(100);
    env.simulator
        .configure(|behavior| behavior.token_lifetime = Duration::from_secs(2));
    let token = |effect| Rule::new(effect).on(Operation::Token);
    env.simulator
        .inject(token(Effect::DelayAfter(slow)).always());
    env.simulator
        .inject(token(Effect::Refuse(Answer::new(503))));
    env.simulator.inject(token(Effect::CutBefore).after(1));
    env.apply_pairs(&names(8)).await;
    assert_healed(&env).await;
    let journal = env.simulator.journal();
    let fetches = journal
        .entries()
        .iter()
        .filter(|entry| entry.operation == Operation::Token);
    let times: Vec<_> = fetches.map(|entry| at(&entry.time)).collect();
    assert!(times.len() > 3, "{times:?}");
    let apart = SignedDuration::try_from(slow).unwrap();
    for pair in times.windows(2) {
        assert!(
            pair[1].duration_since(pair[0]) >= apart,
            "two at a time: {times:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_rotated_secret_is_told_and_the_new_one_heals() {
    let env = open("f09-rotated").await;
    env.apply_pairs(&names(1)).await;
    assert_healed(&env).await;
    env.simulator
        .rotate_secret(CLIENT, "canary-rotated")
        .unwrap();
    env.simulator.revoke_tokens();
    let refused = |one: &GraphConnection| stalled(one) == "True/ClientSecretInvalid";
    env.connection_where(refused).await;
    let right = connection_with("canary-rotated");
    env.apply_all([right, set("late"), groups_in("late", "late")])
        .await;
    assert_healed(&env).await;
    let shown = ["get", "gconn,flowset,pflow,events", "--output", "yaml"];
    let shown = env.kubectl(&shown).await.unwrap();
    for secret in ["canary-rotated", "simulator-secret"] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_permission_that_is_gone_is_told_and_given_back_it_heals() {
    let env = open("f09-permission").await;
    // A token that is out keeps what it could, so let it be replaced soon.
    let soon = Duration::from_secs(2);
    env.simulator
        .configure(|behavior| behavior.token_lifetime = soon);
    let names = names(1);
    env.apply_pairs(&names).await;
    all_ready(&env).await;
    permit(&env, Vec::new());
    env.flow_stalled(&names[0], "Forbidden").await;
    permit(&env, Application::default().permissions);
    assert_healed(&env).await;
}

fn permit(env: &TestEnv, permissions: Vec<String>) {
    let changed = env.simulator.set_permissions(CLIENT, permissions);
    changed.unwrap();
}
