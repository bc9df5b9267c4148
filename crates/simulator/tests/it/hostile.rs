//! Hostile mode.

use industrydata_simulator::{Options, Simulator};
use reqwest::Method;
use serde_json::json;

use crate::client::{Bench, SETS};

/// What happened to each of a fixed sequence of requests.
async fn history(seed: u64) -> Vec<(Option<u16>, Vec<String>)> {
    let bench = Bench::new().await;
    bench.simulator.set_hostile(seed, 0.4);
    for number in 0..30 {
        // Broken connections and refusals are what is being looked for.
        let _ = bench
            .attempt(
                Method::POST,
                SETS,
                Some(&json!({ "displayName": number.to_string() })),
            )
            .await;
        let _ = bench.attempt(Method::GET, SETS, None).await;
    }
    bench
        .simulator
        .journal()
        .entries()
        .iter()
        .map(|entry| (entry.status, entry.faults.clone()))
        .collect()
}

#[tokio::test]
async fn the_same_seed_and_requests_meet_the_same_trouble() {
    let (one, same, other) = tokio::join!(history(7), history(7), history(8));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(one.iter().any(|(status, _)| status.is_none()));
}

#[tokio::test]
async fn calm_is_the_default_and_can_be_had_back() {
    let bench = Bench::new().await;
    for _ in 0..50 {
        bench.get(SETS).await.expect(200);
    }
    bench.simulator.set_hostile(1, 1.0);
    // With a rate of one, something happens to every request.
    let _ = bench.attempt(Method::GET, SETS, None).await;
    assert!(
        !bench
            .simulator
            .journal()
            .entries()
            .last()
            .unwrap()
            .faults
            .is_empty()
    );
    bench.simulator.set_calm();
    bench.get(SETS).await.expect(200);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_ids() {
    let body = json!({ "displayName": "x" });
    let start = || {
        Simulator::start(Options {
            seed: 5,
            ..Options::default()
        })
    };
    let (one, other) = (start().await.unwrap(), start().await.unwrap());
    assert_eq!(
        one.create_set(&body).unwrap(),
        other.create_set(&body).unwrap()
    );
}
