//! Metrics of connections, as a running operator serves them.

use industrydata_simulator::{Answer, Effect, Operation, Options, Rule};

use crate::manifests::groups;
use crate::process::{Launch, Process};
use crate::test_env::TestEnv;

/// When the last complete poll of the sample connection began.
const LAST_POLL: &str = "connection_last_poll_timestamp_seconds";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_ages_the_last_complete_poll() {
    let env = TestEnv::set_up("metrics-polls", Options::default()).await;
    let operator = Launch::on(&env).start().await;
    env.ready_sample_set().await;
    env.apply_ready(groups("groups")).await;
    let last = async || of_connection(&operator, LAST_POLL).await;
    let newer_than = async |time: f64| {
        let is_newer = async || last().await > time;
        env.until("a newer complete poll", is_newer).await;
    };
    newer_than(last().await).await;

    // The list of sets goes on.
    let rule = Rule::new(Effect::Refuse(Answer::new(503))).on(Operation::ListFlows);
    env.simulator.inject(rule.always());
    env.flow_lists(2).await;
    let stale = last().await;
    env.flow_lists(2).await;
    let difference = last().await - stale;
    assert!(difference.abs() < 0.5, "a failed list is no complete poll");

    env.simulator.clear_rules();
    newer_than(stale).await;
    let interval = of_connection(&operator, "connection_poll_interval_seconds");
    assert!((interval.await - 1.0).abs() < f64::EPSILON);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_counted_by_connection_and_lowers_the_rate_that_is_shown() {
    let env = TestEnv::set_up("metrics-throttling", Options::default()).await;
    let operator = Launch::on(&env).start().await;
    env.ready_sample_set().await;
    let rate = async || of_connection(&operator, "connection_request_rate_limit").await;
    let throttled = async || of_connection(&operator, "connection_throttled_requests_total").await;
    let before = rate().await;
    assert!(throttled().await < 1.0);

    let rule = Rule::new(Effect::Refuse(Answer::new(429))).on(Operation::ListSets);
    env.simulator.inject(rule);

    let is_shown = async || throttled().await >= 1.0 && rate().await < before;
    env.until("throttling to be shown", is_shown).await;
    operator.stop().await;
}

/// The value of a metric of the only connection.
async fn of_connection(operator: &Process, name: &str) -> f64 {
    let (_, page) = operator.get("/metrics").await;
    let start = format!("industrydata_operator_{name}{{");
    let line = page.lines().find(|line| line.starts_with(&start));
    let value = line.and_then(|line| line.rsplit_once(' '));
    value.map_or(0.0, |(_, value)| value.parse().unwrap())
}
