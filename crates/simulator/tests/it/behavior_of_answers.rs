//! Switches that change how the service looks, not what it does.

use std::time::Duration;

use industrydata_simulator::{ConfigurationOrder, RateLimit, RetryAfterForm};
use serde_json::{Value, json};

use crate::{
    behavior::filtered,
    client::{Bench, SETS, class_group, flows, last, user},
};

#[tokio::test]
async fn letter_case_matters_where_the_switches_say_so() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let loud = path.replace(last(&path), &last(&path).to_uppercase());
    let mut words = class_group();
    words["configuration"]["additionalAttributes"] = json!(["COURSETITLE"]);
    bench.get(&loud).await.expect(200);
    bench.get(&path.to_lowercase()).await.expect(200);
    bench
        .post(&flows(path.split('/').nth(5).unwrap()), &words)
        .await
        .expect(400);
    bench.simulator.configure(|behavior| {
        behavior.case_sensitive_ids = true;
        behavior.case_sensitive_paths = true;
        behavior.case_sensitive_words = false;
    });
    if loud != path {
        bench.get(&loud).await.expect(404);
    }
    bench.get(&path.to_lowercase()).await.expect(404);
    let created = bench
        .post(&flows(path.split('/').nth(5).unwrap()), &words)
        .await
        .expect(201)
        .json();
    assert_eq!(
        created["configuration"]["additionalAttributes"],
        json!(["courseTitle"])
    );
}

/// Absent properties are null or absent; configurations keep their order or not.
#[tokio::test]
async fn absent_properties_and_the_order_of_configurations_vary_by_switch() {
    let bench = Bench::new().await;
    let set = bench.set("plain").await;
    let path = bench.flow(&set, &user()).await;
    let first =
        |flow: &Value| flow["creationOptions"]["configurations"][0]["roleGroup"]["id"].clone();
    assert_eq!(first(&bench.get(&path).await.json()), "students");
    let object = bench.get(&format!("{SETS}/{set}")).await.json();
    assert_eq!(object.get("filter"), Some(&Value::Null));
    bench.simulator.configure(|behavior| {
        behavior.nulls_shown = false;
        behavior.configuration_order = ConfigurationOrder::AsSent;
    });
    assert_eq!(first(&bench.get(&path).await.json()), "staff");
    assert_eq!(
        bench
            .get(&format!("{SETS}/{set}"))
            .await
            .json()
            .get("filter"),
        None
    );
}

#[tokio::test]
async fn every_write_can_be_invisible_for_a_while() {
    let bench =
        Bench::switched(|behavior| behavior.visibility_delay = Duration::from_mins(1)).await;
    let set = format!("{SETS}/{}", bench.set("slow").await);
    bench.get(&set).await.expect(404);
    assert_eq!(bench.get(SETS).await.json()["value"], json!([]));
    bench.simulator.advance(Duration::from_mins(1));
    bench.get(&set).await.expect(200);
    bench.delete(&set).await.expect(204);
    bench.get(&set).await.expect(200);
    bench.simulator.advance(Duration::from_mins(1));
    bench.get(&set).await.expect(404);
}

#[tokio::test]
async fn a_rate_limit_throttles_and_recovers_with_the_clock() {
    let limit = RateLimit {
        per_second: 0.01,
        burst: 2.0,
        retry_after: RetryAfterForm::Seconds,
    };
    let bench = Bench::switched(|behavior| behavior.rate_limit = Some(limit)).await;
    bench.get(SETS).await.expect(200);
    bench.get(SETS).await.expect(200);
    let throttled = bench.get(SETS).await.expect(429);
    assert_eq!(throttled.code(), "TooManyRequests");
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    bench.simulator.advance(Duration::from_secs(wait));
    bench.get(SETS).await.expect(200);
}

#[tokio::test]
async fn error_codes_and_limits_are_free_to_choose() {
    let bench = Bench::switched(|behavior| {
        behavior.codes.insert(404, "itemNotFound".to_owned());
        behavior.limits.display_name = Some(5);
        behavior.limits.filter_values = Some(1);
        behavior.limits.configurations = Some(1);
        behavior.limits.flow_sets = Some(1);
    })
    .await;
    assert_eq!(
        bench
            .get(&format!("{SETS}/nowhere"))
            .await
            .expect(404)
            .code(),
        "itemNotFound"
    );
    bench
        .post(SETS, &json!({ "displayName": "sixsix" }))
        .await
        .expect(400);
    bench
        .post(SETS, &filtered("five", &["a", "b"]))
        .await
        .expect(400);
    let set = bench.set("five").await;
    bench.post(&flows(&set), &user()).await.expect(400);
    bench
        .post(SETS, &json!({ "displayName": "two" }))
        .await
        .expect(400);
}
