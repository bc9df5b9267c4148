//! What the service returns is bounded and cleaned before it is shown.

use industrydata_operator::api::OutboundProvisioningFlowSet;
use industrydata_simulator::{Effect, Operation, Quirk, Rule};
use serde_json::json;

use crate::collector::Collector;
use crate::conditions::{advice, ready, stalled};
use crate::faults::{open, prepare, with_pairs};
use crate::manifests::{connection, flow, security, set};
use crate::oracle::assert_healed;
use crate::process::Launch;
use crate::test_env::TestEnv;

const MIB: usize = 1024 * 1024;

/// From now on all lists of a kind are odd.
fn surprise(env: &TestEnv, operation: Operation, quirk: Quirk) {
    let rule = Rule::new(Effect::Quirk(quirk)).on(operation);
    env.simulator.inject(rule.always());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readiness_of_four_mebibytes_is_cut_and_its_odd_characters_are_replaced() {
    let (env, names) = with_pairs("words-huge", 1).await;
    let word = format!("re\u{202E}ady{}", "x".repeat(4 * MIB));
    surprise(&env, Operation::ListFlows, Quirk::Readiness(word));
    let unknown = |flow: &_| ready(flow) == "Unknown/ReadinessUnknown";
    let flow = env.flow_where(&names[0], unknown).await;
    let status = flow.status.unwrap();
    let shown = status.readiness_status.unwrap();
    assert_eq!(shown, format!("re\u{FFFD}ady{}…", "x".repeat(57)));
    assert_eq!(status.readiness_history.last().unwrap().status, shown);
    env.simulator.clear_rules();
    assert_healed(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_duplicates_in_a_list_are_one_object() {
    let (env, names) = with_pairs("words-duplicates", 1).await;
    let before = env.changes();
    // A flow takes about a kilobyte, and a page may have 8 MiB.
    for (operation, times) in [(Operation::ListSets, 10_000), (Operation::ListFlows, 5000)] {
        surprise(&env, operation, Quirk::Repeated(times));
    }
    env.polls(2).await;
    assert_eq!(ready(&env.flow(&names[0]).await), "True/Ready");
    assert_eq!(env.changes(), before);
    env.simulator.clear_rules();
    assert_healed(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sets_of_one_name_make_a_message_of_ten() {
    let env = open("words-copies").await;
    let theirs = json!({ "displayName": "theirs" });
    env.simulator.create_set(&theirs).unwrap();
    surprise(&env, Operation::ListSets, Quirk::Copied(10_000));
    env.apply_all([connection(), set("theirs")]).await;
    let exists = |set: &OutboundProvisioningFlowSet| stalled(set) == "True/AlreadyExists";
    let set = env.object_where(&env.sets(), "theirs", exists).await;
    let message = advice(&set);
    assert!(message.contains(" … and 9990 more; "), "{message}");
    assert!(message.len() < 1000, "{message}");
    let told = async || env.events().await.contains("AlreadyExists");
    env.until("an event", told).await;
    assert_eq!(env.changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_secret_is_shown_nowhere_whatever_it_is_called() {
    let env = prepare("words-secrets").await;
    let collector = Collector::start().await;
    let launch = Launch::on(&env).flag("--otlp-endpoint", collector.url());
    let program = launch.start().await;
    env.apply_all([connection(), set("north")]).await;
    let spec = json!({ "securityGroup": security(), "driftPolicy": "Report" });
    env.apply_ready(flow("groups", &spec)).await;
    let secrets = json!({
        "createBasedOnRoleGroup": {
            "apiKey": "canary-1",
            "more": [{ "clientSecret": "canary-2", "credentials": { "pin": 74_656_001 } }],
        },
        "createBasedOnOrgPlusRoleGroup": { "Access_Token": ["canary-3"], "shown": "plain" },
        "initialPassword": "canary-4",
    });
    let member = |name: &str, value| Quirk::Member(name.to_owned(), value);
    surprise(
        &env,
        Operation::ListFlows,
        member("creationOptions", secrets),
    );
    surprise(
        &env,
        Operation::ListFlows,
        member("adminPassword", json!("canary-5")),
    );
    let flow = env.flow_stalled("groups", "Drifted").await;
    let drift = flow.status.unwrap().drift;
    assert_eq!(drift.len(), 2);
    assert!(
        drift.iter().all(|one| one.actual.contains("***")),
        "{drift:?}"
    );
    assert!(
        drift.iter().any(|one| one.actual.contains("plain")),
        "{drift:?}"
    );
    let shown = env
        .kubectl(&["get", "industrydata,events", "--output", "yaml"])
        .await
        .unwrap();
    let (_, metrics) = program.get("/metrics").await;
    let log = program.log();
    program.stop().await;
    let traces = collector.text();
    assert!(traces.contains("reconcile"), "{traces}");
    for text in [shown, metrics, log, traces] {
        for secret in ["canary-", "74656001"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
