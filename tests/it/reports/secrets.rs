//! Secrets are their content, and what is known of an application outlives its credentials.

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::{Answer, Application, Effect, Operation, RetryAfter, Rule};
use kube::api::DeleteParams;
use serde_json::json;

use crate::conditions::{is_ready, ready, remote_id, stalled};
use crate::faults::outages::assert_pauses_are_kept;
use crate::faults::{open, prepare, with_pairs};
use crate::manifests::{
    CLIENT, SAMPLES, connection, connection_with, flow, groups_by_id, groups_in, names,
    other_groups, passwords, sample, security, set, users,
};
use crate::oracle::{all_ready, assert_healed};
use crate::test_env::TestEnv;

/// What people and programs do to a Secret without changing what is in it.
async fn touch(env: &TestEnv, secret: &str, place: usize) {
    let value = format!("x={place}");
    let how = ["label", "annotate"][place % 2];
    let touch = [how, "secret", secret, &value, "--overwrite"];
    env.kubectl(&touch).await.unwrap();
}

/// An environment whose flow of users was given a password.
async fn with_password(name: &str) -> TestEnv {
    let env = open(name).await;
    let users = users("users");
    let manifests = [connection(), passwords("Same-1"), set("north"), users];
    env.apply_all(manifests).await;
    assert_healed(&env).await;
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_or_an_annotation_on_a_secret_sends_no_password() {
    let env = with_password("secret-label").await;
    let before = env.changes();
    for place in 0..2 {
        touch(&env, "passwords", place).await;
        env.polls(4).await;
        assert_eq!(env.changes(), before, "{}", ["label", "annotation"][place]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_made_anew_with_the_same_content_sends_no_password() {
    let env = with_password("secret-anew").await;
    let before = env.changes();
    let delete = ["delete", "secret", "passwords"];
    env.kubectl(&delete).await.unwrap();
    env.apply(passwords("Same-1")).await.unwrap();
    env.polls(4).await;
    assert_eq!(env.changes(), before);
    assert_healed(&env).await;
    assert_eq!(env.changes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_on_the_secret_of_a_credential_fetches_no_token() {
    let env = open("credential-label").await;
    env.apply_pairs(&names(1)).await;
    assert_healed(&env).await;
    for place in 0..2 {
        touch(&env, "contoso", place).await;
        env.polls(4).await;
    }
    assert_eq!(env.requests(Operation::Token), 1);
}

/// So many seconds the service asks to be left alone.
const PAUSE: u64 = 40;

/// The next request that reads is answered with 429. Gives back how many requests there were up to that one.
async fn throttled(env: &TestEnv, look: impl AsyncFnOnce()) -> usize {
    let answer = Answer::new(429).retry_after(RetryAfter::Seconds(PAUSE));
    let rule = Rule::new(Effect::Refuse(answer)).method("GET");
    env.simulator.inject(rule);
    look().await;
    let refused = || {
        let journal = env.simulator.journal();
        let mut entries = journal.entries().iter();
        entries.position(|entry| entry.status == Some(429))
    };
    env.until("a 429", async || refused().is_some()).await;
    refused().unwrap() + 1
}

/// Waits for the first request after the pause, which is not to come before its end.
async fn assert_pause_is_kept(env: &TestEnv, throttled: usize) {
    let again = || {
        let journal = env.simulator.journal();
        let mut after = journal.entries()[throttled..].iter();
        after.any(|entry| entry.operation != Operation::Token)
    };
    env.until("a request", async || again()).await;
    // What came first may have come too early, and what comes next as well.
    assert_pauses_are_kept(&env.simulator.journal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_service_is_kept_whatever_happens_to_the_secret() {
    let env = open("pause-label").await;
    for file in &SAMPLES[..2] {
        env.apply(sample(file)).await.unwrap();
    }
    let spec = json!({ "pollInterval": null, "securityGroup": security() });
    env.apply(flow("groups", &spec)).await.unwrap();
    all_ready(&env).await;
    let now = [
        "annotate",
        "pflow",
        "groups",
        "industrydata.dev/requested-at=now",
    ];
    let throttled = throttled(&env, async || {
        env.kubectl(&now).await.unwrap();
    })
    .await;
    for place in 0..4 {
        touch(&env, "contoso", place).await;
    }
    assert_pause_is_kept(&env, throttled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_service_asks_for_outlives_the_connection() {
    let env = open("pause-anew").await;
    let throttled = throttled(&env, async || {
        env.apply(sample("connection.yaml")).await.unwrap();
    })
    .await;
    let how = DeleteParams::default();
    env.connections().delete("contoso", &how).await.unwrap();
    env.gone(&env.connections(), "contoso").await;
    env.apply(sample("connection.yaml")).await.unwrap();
    touch(&env, "contoso", 0).await;
    assert_pause_is_kept(&env, throttled).await;
}

const NEXT: &str = "canary-next";

/// Gives the connection a credential that the authority does not know, and waits until the connection says so.
async fn rotate_too_early(env: &TestEnv) {
    env.apply(connection_with(NEXT)).await.unwrap();
    let refused = |one: &GraphConnection| {
        let ready = ready(one);
        ready.ends_with("/ClientSecretInvalid") && !ready.starts_with("True")
    };
    env.connection_where(refused).await;
}

/// The connection reports it.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_not_yet_known_to_the_authority_stops_nothing() {
    let (env, names) = with_pairs("early-credential", 2).await;
    rotate_too_early(&env).await;
    let lists = || env.requests(Operation::ListFlows);
    let enough = lists() + 8;
    let looked_at = async || {
        for name in &names {
            let flow = env.flow(name).await;
            assert_eq!(ready(&flow), "True/Ready", "{}", stalled(&flow));
        }
        lists() >= enough
    };
    env.until("polls", looked_at).await;
    env.simulator.rotate_secret(CLIENT, NEXT).unwrap();
    let knows = |one: &GraphConnection| ready(one) == "True/Ready";
    env.connection_where(knows).await;
    assert_healed(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_before_the_authority_knows_the_credential_is_done() {
    let (env, _) = with_pairs("early-work", 1).await;
    rotate_too_early(&env).await;
    let id = remote_id(&env.flow("pair-0").await);
    env.patch_flow("pair-0", other_groups()).await;
    env.apply_all([set("late"), groups_in("late", "late")])
        .await;
    env.flow_where("pair-0", is_ready).await;
    env.flow_where("late", is_ready).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_granted_works_with_the_next_few_requests() {
    /// Resources whose changes are refused. One of them finds out for all that the permission was granted.
    const FLOWS: usize = 20;
    /// Requests that are refused afterwards: the first has a new token, unless the last one was obtained just before.
    const MORE: usize = 3;
    let mut env = prepare("granted").await;
    let read = "IndustryData-OutboundFlow.Read.All".to_owned();
    env.simulator.set_permissions(CLIENT, vec![read]).unwrap();
    env.start_operator(&[]).await;
    let names: Vec<String> = (0..FLOWS)
        .map(|number| format!("groups-{number}"))
        .collect();
    let flow = |name: &String| {
        let set = json!({ "displayName": name });
        groups_by_id(name, &env.simulator.create_set(&set).unwrap())
    };
    env.apply(connection()).await.unwrap();
    env.apply_all(names.iter().map(flow)).await;
    for name in &names {
        env.flow_stalled(name, "Forbidden").await;
    }
    let refused = || env.simulator.count(|entry| entry.status == Some(403));
    let before = refused();
    let all = Application::default().permissions;
    env.simulator.set_permissions(CLIENT, all).unwrap();
    let works = async || {
        let more = refused() - before;
        assert!(more <= MORE, "{more} requests were refused afterwards");
        is_ready(&env.flow(&names[0]).await)
    };
    env.until("the permission to work", works).await;
    for name in &names {
        env.flow_where(name, is_ready).await;
    }
    assert!(env.requests(Operation::Token) <= 3);
}
