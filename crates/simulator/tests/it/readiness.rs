//! The clock of readiness.

use std::time::Duration;

use industrydata_simulator::{ReadinessScript, ResetReadiness};
use reqwest::Method;

use crate::client::{Bench, last};

async fn word(bench: &Bench, path: &str) -> String {
    bench.get(path).await.expect(200).json()["readinessStatus"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_flow_becomes_ready_when_its_time_has_come_without_being_modified() {
    let bench = Bench::switched(|behavior| {
        behavior.readiness = ReadinessScript::ready_after(Duration::from_mins(10));
    })
    .await;
    let path = bench.lone_flow().await;
    let before = bench.get(&path).await.json();
    assert_eq!(word(&bench, &path).await, "notReady");
    bench.simulator.advance(Duration::from_mins(20));
    assert_eq!(word(&bench, &path).await, "ready");
    assert_eq!(
        bench.get(&path).await.json()["lastModifiedDateTime"],
        before["lastModifiedDateTime"]
    );
}

#[tokio::test]
async fn a_flow_says_any_word_that_it_is_told_to() {
    let bench = Bench::switched(|behavior| behavior.readiness = ReadinessScript::manual()).await;
    let path = bench.lone_flow().await;
    for status in [
        "disabled",
        "failed",
        "expired",
        "unknownFutureValue",
        "mothballed",
    ] {
        bench.simulator.set_readiness(last(&path), status).unwrap();
        assert_eq!(word(&bench, &path).await, status);
    }
}

#[tokio::test]
async fn a_script_of_one_flow_does_not_touch_another() {
    let bench = Bench::switched(|behavior| behavior.readiness = ReadinessScript::manual()).await;
    let (one, other) = (bench.lone_flow().await, bench.lone_flow().await);
    let script =
        ReadinessScript::ready_after(Duration::ZERO).then(Duration::from_mins(10), "expired");
    bench
        .simulator
        .set_readiness_script(last(&one), script)
        .unwrap();
    assert_eq!(
        (word(&bench, &one).await, word(&bench, &other).await),
        ("ready".to_owned(), "notReady".to_owned())
    );
    bench.simulator.advance(Duration::from_mins(10));
    assert_eq!(word(&bench, &one).await, "expired");
}

#[tokio::test]
async fn reset_starts_readiness_again_or_keeps_it_as_the_switch_says() {
    let bench = Bench::switched(|behavior| {
        behavior.readiness = ReadinessScript::ready_after(Duration::from_mins(10));
    })
    .await;
    let path = bench.lone_flow().await;
    bench.simulator.advance(Duration::from_mins(20));
    bench
        .simulator
        .configure(|behavior| behavior.reset_readiness = ResetReadiness::Keep);
    bench
        .send(Method::POST, &format!("{path}/reset"), None)
        .await
        .expect(202);
    assert_eq!(word(&bench, &path).await, "ready");
    bench
        .simulator
        .configure(|behavior| behavior.reset_readiness = ResetReadiness::Restart);
    bench
        .send(Method::POST, &format!("{path}/reset"), None)
        .await
        .expect(202);
    assert_eq!(word(&bench, &path).await, "notReady");
    bench.simulator.advance(Duration::from_mins(10));
    assert_eq!(word(&bench, &path).await, "ready");
}

#[tokio::test]
async fn the_date_header_goes_by_the_same_clock() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let date = async || bench.get(&path).await.header("date").unwrap().to_owned();
    let before = date().await;
    bench.simulator.advance(Duration::from_mins(20));
    assert_ne!(date().await[..22], before[..22]);
}
