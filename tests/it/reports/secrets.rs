//! Secrets are their content, and what is known of an application outlives its credentials.

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::{Answer, Application, Effect, Operation, RetryAfter, Rule};
use kube::api::DeleteParams;
use serde_json::json;

use super::{CLIENT, connection_ready, open, other_groups, passwords, prepare, requests, users};
use crate::faults::outages::assert_pauses_are_kept;
use crate::faults::{
    all_ready, apply_all, apply_pairs, assert_healed, changes, connection, group, names, polls,
    remote_id, set,
};
use crate::stage::{Stage, flow, is_ready, ready, sample, security, stalled};

/// What people and programs do to a Secret without changing what is in it.
async fn touch(stage: &Stage, secret: &str, place: usize) {
    let value = format!("x={place}");
    let how = ["label", "annotate"][place % 2];
    let touch = [how, "secret", secret, &value, "--overwrite"];
    stage.kubectl(&touch).await.unwrap();
}

/// A stage whose flow of users was given a password.
async fn with_password(name: &str) -> Stage {
    let stage = open(name).await;
    let users = users("users", "north");
    let manifests = [connection(), passwords("Same-1"), set("north"), users];
    apply_all(&stage, manifests).await;
    assert_healed(&stage).await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_or_an_annotation_on_a_secret_sends_no_password() {
    let stage = with_password("secret-label").await;
    let before = changes(&stage);
    for place in 0..2 {
        touch(&stage, "passwords", place).await;
        polls(&stage, 4).await;
        assert_eq!(
            changes(&stage),
            before,
            "{}",
            ["label", "annotation"][place]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_made_anew_with_the_same_content_sends_no_password() {
    let stage = with_password("secret-anew").await;
    let before = changes(&stage);
    let delete = ["delete", "secret", "passwords"];
    stage.kubectl(&delete).await.unwrap();
    stage.apply(&passwords("Same-1")).await.unwrap();
    polls(&stage, 4).await;
    assert_eq!(changes(&stage), before);
    assert_healed(&stage).await;
    assert_eq!(changes(&stage), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_on_the_secret_of_a_credential_fetches_no_token() {
    let stage = open("credential-label").await;
    apply_pairs(&stage, &names(1)).await;
    assert_healed(&stage).await;
    for place in 0..2 {
        touch(&stage, "contoso", place).await;
        polls(&stage, 4).await;
    }
    assert_eq!(requests(&stage, Operation::Token), 1);
}

/// So many seconds the service asks to be left alone.
const PAUSE: u64 = 40;

/// The next request that reads is answered with 429. Gives back how many requests there were up to that one.
async fn throttled(stage: &Stage, look: impl AsyncFnOnce()) -> usize {
    let answer = Answer::new(429).retry_after(RetryAfter::Seconds(PAUSE));
    let rule = Rule::new(Effect::Refuse(answer)).method("GET");
    stage.simulator.inject(rule);
    look().await;
    let refused = || {
        let journal = stage.simulator.journal();
        let mut entries = journal.entries().iter();
        entries.position(|entry| entry.status == Some(429))
    };
    stage.until("a 429", async || refused().is_some()).await;
    refused().unwrap() + 1
}

/// Waits for the first request after the pause, which is not to come before its end.
async fn assert_pause_is_kept(stage: &Stage, throttled: usize) {
    let again = || {
        let journal = stage.simulator.journal();
        let mut after = journal.entries()[throttled..].iter();
        after.any(|entry| entry.operation != Operation::Token)
    };
    stage.until("a request", async || again()).await;
    // What came first may have come too early, and what comes next as well.
    assert_pauses_are_kept(&stage.simulator.journal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_service_is_kept_whatever_happens_to_the_secret() {
    let stage = open("pause-label").await;
    let groups = flow(
        "groups",
        &json!({ "pollInterval": null, "securityGroup": security() }),
    );
    let manifests = [sample("connection.yaml"), sample("flow-set.yaml"), groups];
    apply_all(&stage, manifests).await;
    all_ready(&stage).await;
    let now = [
        "annotate",
        "pflow",
        "groups",
        "industrydata.dev/requested-at=now",
    ];
    let throttled = throttled(&stage, async || {
        stage.kubectl(&now).await.unwrap();
    })
    .await;
    for place in 0..4 {
        touch(&stage, "contoso", place).await;
    }
    assert_pause_is_kept(&stage, throttled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_service_asks_for_outlives_the_connection() {
    let stage = open("pause-anew").await;
    let throttled = throttled(&stage, async || {
        stage.apply(&sample("connection.yaml")).await.unwrap();
    })
    .await;
    let how = DeleteParams::default();
    stage.connections().delete("contoso", &how).await.unwrap();
    stage.gone(&stage.connections(), "contoso").await;
    stage.apply(&sample("connection.yaml")).await.unwrap();
    touch(&stage, "contoso", 0).await;
    assert_pause_is_kept(&stage, throttled).await;
}

const NEXT: &str = "canary-next";

/// Gives the connection a credential that the authority does not know, and waits until the connection says so.
async fn rotate_too_early(stage: &Stage) {
    let next = connection().replace("simulator-secret", NEXT);
    stage.apply(&next).await.unwrap();
    let refused = |one: &GraphConnection| {
        let ready = connection_ready(one);
        ready.ends_with("/CredentialRefused") && !ready.starts_with("True")
    };
    let connections = stage.connections();
    stage.object_where(&connections, "contoso", refused).await;
}

/// The connection reports it.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_not_yet_known_to_the_authority_stops_nothing() {
    let stage = open("early-credential").await;
    let names = names(2);
    apply_pairs(&stage, &names).await;
    all_ready(&stage).await;
    rotate_too_early(&stage).await;
    let lists = || requests(&stage, Operation::ListFlows);
    let enough = lists() + 8;
    let looked_at = async || {
        for name in &names {
            let flow = stage.flow(name).await;
            assert_eq!(ready(&flow), "True/Ready", "{}", stalled(&flow));
        }
        lists() >= enough
    };
    stage.until("polls", looked_at).await;
    stage.simulator.rotate_secret(CLIENT, NEXT).unwrap();
    let knows = |one: &GraphConnection| connection_ready(one) == "True/Ready";
    let connections = stage.connections();
    stage.object_where(&connections, "contoso", knows).await;
    assert_healed(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_before_the_authority_knows_the_credential_is_done() {
    let stage = open("early-work").await;
    apply_pairs(&stage, &names(1)).await;
    all_ready(&stage).await;
    rotate_too_early(&stage).await;
    let id = remote_id(&stage.flow("pair-0").await);
    stage.patch_flow("pair-0", other_groups()).await;
    apply_all(&stage, [set("late"), group("late", "late")]).await;
    stage.flow_where("pair-0", is_ready).await;
    stage.flow_where("late", is_ready).await;
    assert_eq!(stage.simulator.journal().updates(&id), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_granted_works_with_the_next_few_requests() {
    /// At 30 s, 60 s and 120 s from one to the next, the third comes when the token is older than a minute.
    const MORE: usize = 3;
    let mut stage = prepare("granted").await;
    let read = "IndustryData-OutboundFlow.Read.All".to_owned();
    stage.simulator.set_permissions(CLIENT, vec![read]).unwrap();
    stage.start_operator(&[]).await;
    let set_id = stage
        .simulator
        .create_set(&json!({ "displayName": "foreign" }));
    let spec = json!({ "flowSetRef": null, "flowSetId": set_id.unwrap(),
        "connectionRef": { "name": "contoso" }, "securityGroup": security() });
    apply_all(&stage, [connection(), flow("groups", &spec)]).await;
    let forbidden = |flow: &_| stalled(flow) == "True/Forbidden";
    stage.flow_where("groups", forbidden).await;
    let refused = || stage.simulator.count(|entry| entry.status == Some(403));
    let before = refused();
    let all = Application::default().permissions;
    stage.simulator.set_permissions(CLIENT, all).unwrap();
    let works = async || {
        let more = refused() - before;
        assert!(more <= MORE, "{more} requests were refused afterwards");
        is_ready(&stage.flow("groups").await)
    };
    stage.until("the permission to work", works).await;
    assert!(requests(&stage, Operation::Token) <= 3);
}
