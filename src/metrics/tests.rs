use std::collections::BTreeSet;

use tokio::time::advance;

use super::*;
use crate::api::{CredentialExpiry, Drift, GraphConnectionStatus, ProvisioningFlowStatus};
use crate::graph::Reason;
use crate::graph::model::FlowType;
use crate::plan::testing;
use crate::poll::Polled;

/// The lines of the page but those about buckets, zeros, build and process, sorted: the order within a family is
/// arbitrary.
fn lines(metrics: &Metrics) -> Vec<String> {
    let page = metrics.encode();
    assert!(page.ends_with("# EOF\n"), "{page}");
    let is_told = |line: &&str| {
        let is_other = line.starts_with('#') || line.contains("_bucket{");
        let is_constant = line.contains("build_info") || line.starts_with("process_");
        !(is_other || is_constant || line.ends_with(" 0") || line.ends_with(" 0.0"))
    };
    let lines: BTreeSet<_> = page
        .lines()
        .filter(is_told)
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

    assert_eq!(
        lines(&metrics),
        [
            r#"cluster_writes_total{kind="Lease",write="lease"} 1"#,
            r#"cluster_writes_total{kind="OutboundProvisioningFlowSet",write="status"} 1"#,
            r#"cluster_writes_total{kind="ProvisioningFlow",write="write_intent"} 1"#,
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

/// A counter that appears with the value 1 has not increased, as far as Prometheus can see.
#[test]
fn every_counter_is_zero_before_it_counts() {
    let metrics = Metrics::new();
    assert_eq!(lines(&metrics), [] as [&str; 0]);
    let page = metrics.encode();
    let count = |name: &str| {
        page.matches(&format!("\nindustrydata_operator_{name}{{"))
            .count()
    };
    assert_eq!(count("reconciles_total"), 3 * 2);
    assert_eq!(count("reconcile_triggers_total"), 3 * 2);
    assert_eq!(count("cluster_writes_total"), 3 * 7 + 1);
    assert_eq!(count("panics_total"), 3);
    assert_eq!(count("invalid_resources_total"), 3);
    let outcomes = RequestOutcome::all().count();
    assert_eq!(
        count("graph_requests_total"),
        Operation::ALL.len() * outcomes
    );
    assert_eq!(count("budget_wait_seconds_count"), Priority::ALL.len());
}

#[test]
fn a_page_states_the_version_and_the_usage_of_the_process() {
    let page = Metrics::new().encode();
    let build = concat!(
        r#"industrydata_operator_build_info{version=""#,
        env!("CARGO_PKG_VERSION"),
        r#""} 1"#
    );
    for line in [
        build,
        "\nprocess_start_time_seconds ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_virtual_memory_bytes ",
        "\nprocess_threads ",
        "\nprocess_open_fds ",
        "\nprocess_max_fds ",
    ] {
        assert!(page.contains(line), "no {line} in {page}");
    }
}

struct Known(Inventory);

impl Source for Known {
    fn inventory(&self) -> Option<Inventory> {
        Some(self.0.clone())
    }
}

fn inventory() -> Inventory {
    let mut flow = testing::flow(FlowType::User);
    let drift = Drift {
        path: "path".to_owned(),
        desired: "1".to_owned(),
        actual: "2".to_owned(),
        added: Vec::new(),
        removed: Vec::new(),
    };
    flow.status = Some(ProvisioningFlowStatus {
        readiness_status: Some("surprise".to_owned()),
        drift: vec![drift],
        ..ProvisioningFlowStatus::default()
    });
    let expiry = CredentialExpiry {
        time: "2027-01-15T08:00:00Z".to_owned(),
        reported: None,
    };
    let status = GraphConnectionStatus {
        credential_expiry: Some(expiry),
        ..GraphConnectionStatus::default()
    };
    let mut connection = testing::connection();
    connection.status = Some(status);
    let polled = Polled {
        at: "2027-01-15T08:00:00Z".parse().ok(),
        interval: Duration::from_mins(1),
    };
    let link = Link {
        namespace: "schools".to_owned(),
        name: "contoso".to_owned(),
        polled: Some(polled),
        throttled: 3,
        rate: 2.5,
    };
    Inventory {
        connections: vec![Arc::new(connection)],
        sets: Vec::new(),
        flows: vec![Arc::new(flow)],
        links: vec![link],
    }
}
/// What the metrics show of the inventory, without zeros.
fn shown(detail: Detail) -> Vec<String> {
    let metrics = Metrics::with_detail(detail);
    let source: Arc<dyn Source> = Arc::new(Known(inventory()));
    metrics.read_from(Arc::downgrade(&source));
    lines(&metrics)
}

#[test]
fn resources_and_connections_are_read_at_the_time_of_a_scrape() {
    assert_eq!(
        shown(Detail::Totals),
        [
            r#"connection_credential_expiry_timestamp_seconds{namespace="schools",name="contoso"} 1800000000"#,
            r#"connection_last_poll_timestamp_seconds{namespace="schools",name="contoso"} 1800000000"#,
            r#"connection_poll_interval_seconds{namespace="schools",name="contoso"} 60.0"#,
            r#"connection_request_rate_limit{namespace="schools",name="contoso"} 2.5"#,
            r#"connection_throttled_requests_total{namespace="schools",name="contoso"} 3"#,
            r#"drifted_resources{kind="ProvisioningFlow"} 1"#,
            r#"flows{type="user",readiness="other"} 1"#,
            r#"resources{kind="GraphConnection",state="Unknown"} 1"#,
            r#"resources{kind="ProvisioningFlow",state="Unknown"} 1"#,
        ]
    );
}

#[test]
fn each_resource_has_its_series_unless_only_totals_are_wanted() {
    let totals = shown(Detail::Totals);
    let mut each = shown(Detail::EachResource);
    each.retain(|line| !totals.contains(line));
    assert_eq!(
        each,
        [
            r#"flow_readiness{namespace="schools",name="users",flow_set="north",type="user",readiness="other"} 1"#,
            r#"resource_state{kind="GraphConnection",namespace="schools",name="contoso",state="Unknown",reason=""} 1"#,
            r#"resource_state{kind="ProvisioningFlow",namespace="schools",name="users",state="Unknown",reason=""} 1"#,
        ]
    );
}

/// Two series for each flow, which differ in length only by their names.
#[test]
#[ignore = "prints what a scrape costs"]
fn the_cost_of_a_page_with_each_resource() {
    for count in [1_000, 10_000, 50_000] {
        let mut known = inventory();
        let flows = (0..count).map(|number| {
            let mut flow = testing::flow(FlowType::User);
            flow.metadata.name = Some(format!("school-{number:05}-users"));
            Arc::new(flow)
        });
        known.flows = flows.collect();
        let metrics = Metrics::new();
        let source: Arc<dyn Source> = Arc::new(Known(known));
        metrics.read_from(Arc::downgrade(&source));
        let start = std::time::Instant::now();
        let length = metrics.encode().len();
        println!("{count} flows: {length} bytes in {:?}", start.elapsed());
    }
}

#[test]
fn a_process_that_does_not_know_the_resources_claims_nothing() {
    let metrics = Metrics::new();
    let source: Arc<dyn Source> = Arc::new(Known(inventory()));
    metrics.read_from(Arc::downgrade(&source));
    assert!(metrics.encode().contains("operator_resources{"));
    drop(source);
    assert!(!metrics.encode().contains("operator_resources"));
}

#[test]
fn requests_are_counted_and_those_that_left_are_timed() {
    let metrics = Metrics::new();
    let observe = metrics.graph_observer();

    let finished = |outcome, milliseconds| Observation::Finished {
        operation: Operation::CreateFlow,
        outcome,
        duration: Duration::from_millis(milliseconds),
    };
    observe(Observation::Admitted {
        priority: Priority::Change,
        waited: Duration::from_millis(250),
    });
    observe(finished(RequestOutcome::Success, 1500));
    observe(finished(RequestOutcome::Failure(Reason::Throttled), 0));

    assert_eq!(
        lines(&metrics),
        [
            r#"budget_wait_seconds_count{priority="change"} 1"#,
            r#"budget_wait_seconds_sum{priority="change"} 0.25"#,
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
        # HELP industrydata_operator_reconciles Reconciles that ended, by kind of resource and outcome.\n\
        # TYPE industrydata_operator_reconciles counter\n\
        industrydata_operator_reconciles_total{kind=";
    assert!(page.contains(described), "{page}");
}
