//! Runs and role groups.

use std::time::Duration;

use industrydata_simulator::ReadinessScript;
use reqwest::Method;
use serde_json::json;

use crate::client::{Bench, ROOT, administrative_unit, last, security_group};

async fn start(bench: &Bench, status: u16) -> crate::client::Answer {
    bench
        .send(Method::POST, &format!("{ROOT}/runs/start"), None)
        .await
        .expect(status)
}

#[tokio::test]
async fn a_run_goes_on_for_a_while_and_is_completed_then() {
    let bench = Bench::new().await;
    assert_eq!(start(&bench, 202).await.header("location"), None);
    let runs = bench.get(&format!("{ROOT}/runs")).await.expect(200).json();
    let run = format!("{ROOT}/runs/{}", runs["value"][0]["id"].as_str().unwrap());
    assert_eq!(
        bench.get(&run).await.expect(200).json()["status"],
        "running"
    );
    start(&bench, 409).await;
    bench.simulator.advance(Duration::from_mins(1));
    assert_eq!(bench.get(&run).await.json()["status"], "completed");
}

#[tokio::test]
async fn only_ready_flows_take_part_and_their_activities_do_not_name_them() {
    let bench = Bench::switched(|behavior| behavior.readiness = ReadinessScript::manual()).await;
    let set = bench.set("north").await;
    let ready = bench.flow(&set, &security_group()).await;
    bench.flow(&set, &administrative_unit()).await;
    bench
        .simulator
        .set_readiness(last(&ready), "ready")
        .unwrap();
    start(&bench, 202).await;
    let runs = bench.get(&format!("{ROOT}/runs")).await.json();
    let activities = format!(
        "{ROOT}/runs/{}/activities",
        runs["value"][0]["id"].as_str().unwrap()
    );
    let answer = bench.get(&activities).await.expect(200);
    let values = answer.json()["value"].as_array().unwrap().clone();
    assert_eq!(values.len(), 1);
    assert_eq!(
        values[0]["@odata.type"],
        "#microsoft.graph.industryData.outboundFlowActivity"
    );
    assert_eq!(
        values[0]["displayName"],
        "securityGroupProvisioningFlow of north"
    );
    assert!(!answer.text.contains(last(&ready)));
}

#[tokio::test]
async fn the_sixth_start_in_twelve_hours_is_one_too_many() {
    let bench =
        Bench::switched(|behavior| behavior.token_lifetime = Duration::from_hours(48)).await;
    for _ in 0..5 {
        start(&bench, 202).await;
        bench.simulator.advance(Duration::from_mins(1));
    }
    assert!(start(&bench, 429).await.header("retry-after").is_some());
    bench.simulator.advance(Duration::from_hours(12));
    start(&bench, 202).await;
}

#[tokio::test]
async fn a_run_can_settle_readiness() {
    let bench = Bench::switched(|behavior| {
        behavior.run_settles_readiness = true;
        behavior.readiness = ReadinessScript::ready_after(Duration::from_hours(24));
    })
    .await;
    let path = bench.lone_flow().await;
    start(&bench, 202).await;
    assert_eq!(bench.get(&path).await.json()["readinessStatus"], "ready");
}

#[tokio::test]
async fn there_are_two_role_groups_to_read() {
    let bench = Bench::new().await;
    let groups = bench
        .get(&format!("{ROOT}/roleGroups"))
        .await
        .expect(200)
        .json();
    assert_eq!(groups["value"].as_array().unwrap().len(), 2);
    let students = bench
        .get(&format!("{ROOT}/roleGroups/students"))
        .await
        .expect(200)
        .json();
    assert_eq!(students["roles"], json!([{ "code": "student" }]));
    bench
        .get(&format!("{ROOT}/roleGroups/nobody"))
        .await
        .expect(404);
    bench
        .delete(&format!("{ROOT}/roleGroups/students"))
        .await
        .expect(405);
}
