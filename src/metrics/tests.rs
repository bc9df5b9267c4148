use std::collections::BTreeSet;

use tokio::time::advance;

use super::*;
use crate::graph::Reason;

/// The lines of the page but those about buckets, sorted: the order within a family is arbitrary.
fn lines(metrics: &Metrics) -> Vec<String> {
    let page = metrics.encode();
    assert!(page.ends_with("# EOF\n"), "{page}");
    let lines: BTreeSet<_> = page
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
        .map(|line| line.replace("industrydata_operator_", ""))
        .collect();
    lines.into_iter().collect()
}

#[test]
fn everything_that_is_counted_is_shown() {
    let metrics = Metrics::new();
    metrics.reconciled(ResourceKind::GraphConnection, ReconcileResult::Done);
    metrics.reconciled(ResourceKind::ProvisioningFlow, ReconcileResult::Failed);
    metrics.reconciled(ResourceKind::ProvisioningFlow, ReconcileResult::Failed);
    metrics.cluster_write(ResourceKind::ProvisioningFlow, Write::WriteIntent);
    metrics.cluster_write(ResourceKind::OutboundProvisioningFlowSet, Write::Status);
    metrics.lease_write();
    metrics.shards(ShardCount::ONE);
    metrics.leads(Some(Shard::ONLY));
    metrics.invalid_resource(ResourceKind::OutboundProvisioningFlowSet);
    metrics.unknown_readiness();
    metrics.triggered(ResourceKind::ProvisioningFlow, TriggerSource::Poll);
    metrics.triggered(ResourceKind::GraphConnection, TriggerSource::Related);
    metrics.panicked(Component::Poller);
    metrics.watches(&BTreeMap::from([("ProvisioningFlow", false)]));
    metrics.watches(&BTreeMap::from([("ProvisioningFlow", true)]));
    metrics.credential_expires("connection".to_owned(), Some(1_800_000_000));

    assert_eq!(
        lines(&metrics),
        [
            r#"cluster_writes_total{kind="Lease",write="lease"} 1"#,
            r#"cluster_writes_total{kind="OutboundProvisioningFlowSet",write="status"} 1"#,
            r#"cluster_writes_total{kind="ProvisioningFlow",write="write_intent"} 1"#,
            "credential_expiry_timestamp_seconds 1800000000",
            r#"invalid_resources_total{kind="OutboundProvisioningFlowSet"} 1"#,
            "leader 1",
            r#"panics_total{component="poller"} 1"#,
            r#"reconcile_triggers_total{kind="GraphConnection",source="related"} 1"#,
            r#"reconcile_triggers_total{kind="ProvisioningFlow",source="poll"} 1"#,
            r#"reconciles_total{kind="GraphConnection",outcome="done"} 1"#,
            r#"reconciles_total{kind="ProvisioningFlow",outcome="failed"} 2"#,
            "shard 1",
            "shards 1",
            "unknown_readiness_total 1",
            r#"watch_healthy{kind="ProvisioningFlow"} 1"#,
        ]
    );
}

#[test]
fn what_needs_no_label_is_shown_from_the_start() {
    let metrics = Metrics::new();

    assert_eq!(
        lines(&metrics),
        [
            "credential_expiry_timestamp_seconds 0",
            "leader 0",
            "shard 0",
            "shards 0",
            "unknown_readiness_total 0"
        ]
    );
}

#[test]
fn of_several_credentials_the_first_end_is_shown() {
    let metrics = Metrics::new();
    let shown = || lines(&metrics).remove(0);
    for (connection, expiry) in [("a", Some(300)), ("b", Some(200)), ("c", None)] {
        metrics.credential_expires(connection.to_owned(), expiry);
    }
    assert_eq!(shown(), "credential_expiry_timestamp_seconds 200");
    metrics.credential_expires("b".to_owned(), None);
    assert_eq!(shown(), "credential_expiry_timestamp_seconds 300");
    metrics.credential_expires("a".to_owned(), None);
    assert_eq!(shown(), "credential_expiry_timestamp_seconds 0");
}

#[test]
fn requests_are_counted_and_those_that_left_are_timed() {
    let metrics = Metrics::new();
    let observe = metrics.graph_observer();

    observe(
        Operation::CreateFlow,
        RequestOutcome::Success,
        Duration::from_millis(1500),
    );
    let refused = RequestOutcome::Failure(Reason::Throttled);
    observe(Operation::CreateFlow, refused, Duration::ZERO);

    assert_eq!(
        lines(&metrics)[1..5],
        [
            r#"graph_request_duration_seconds_count{operation="CreateFlow"} 1"#,
            r#"graph_request_duration_seconds_sum{operation="CreateFlow"} 1.5"#,
            r#"graph_requests_total{operation="CreateFlow",outcome="Success"} 1"#,
            r#"graph_requests_total{operation="CreateFlow",outcome="Throttled"} 1"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_is_timed_until_its_timer_is_dropped() {
    let metrics = Metrics::new();

    let timer = metrics.reconciling(ResourceKind::ProvisioningFlow);
    advance(Duration::from_secs(2)).await;
    drop(timer);

    let page = metrics.encode();
    for line in [
        r#"reconcile_duration_seconds_sum{kind="ProvisioningFlow"} 2.0"#,
        r#"reconcile_duration_seconds_bucket{le="1.0",kind="ProvisioningFlow"} 0"#,
        r#"reconcile_duration_seconds_bucket{le="2.5",kind="ProvisioningFlow"} 1"#,
    ] {
        assert!(page.contains(line), "no {line} in {page}");
    }
}

#[test]
fn the_page_explains_itself() {
    let metrics = Metrics::new();
    metrics.reconciled(ResourceKind::GraphConnection, ReconcileResult::Done);

    let page = metrics.encode();

    let described = "\
        # HELP industrydata_operator_reconciles Reconciles that ended, by kind of resource and how \
        they ended.\n\
        # TYPE industrydata_operator_reconciles counter\n\
        industrydata_operator_reconciles_total{kind=\"GraphConnection\",outcome=\"done\"} 1\n";
    assert!(page.contains(described), "{page}");
}
