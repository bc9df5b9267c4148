//! For each alert, what there is when it fires, in the notation of promtool.

use industrydata_testbed::prometheus::Case;
use serde_json::Value;

/// A case in which one alert fires.
pub struct AlertCase {
    pub alert: &'static str,
    /// When it fires at the latest.
    minutes: i64,
    /// Metrics without their prefix, with their values each minute.
    metrics: &'static [&'static str],
}

/// A system that works: its leader, and a connection that is polled.
const CALM: [&str; 3] = [
    r#"leader{namespace="industrydata-system",pod="a"} 1x200"#,
    r#"watch_healthy{namespace="industrydata-system",kind="ProvisioningFlow"} 1x200"#,
    r#"resources{namespace="industrydata-system",kind="GraphConnection",state="Stalled"} 0x200"#,
];

impl AlertCase {
    /// The time of the last evaluation, in seconds.
    pub fn end(&self) -> i64 {
        self.minutes * 60
    }

    /// The case as Prometheus evaluates it.
    pub fn with(&self, rules: &[Value]) -> Case {
        Case {
            rules: rules.to_vec(),
            series: self.series(),
            until: self.end(),
            ..Case::default()
        }
    }

    fn series(&self) -> Vec<String> {
        let is_about = |one: &&&str| {
            let name = one.split('{').next().unwrap_or_default();
            let mut own = self.metrics.iter();
            !own.any(|metric| metric.starts_with(&format!("{name}{{")))
        };
        let calm = CALM.iter().filter(is_about);
        let all = calm.chain(self.metrics);
        all.map(|metric| format!("industrydata_operator_{metric}"))
            .collect()
    }
}

const fn case(alert: &'static str, minutes: i64, metrics: &'static [&'static str]) -> AlertCase {
    AlertCase {
        alert,
        minutes,
        metrics,
    }
}

pub fn all(per_resource: bool) -> Vec<AlertCase> {
    let mut all = of_the_operator();
    all.extend(if per_resource {
        of_resources()
    } else {
        of_totals()
    });
    all
}

fn of_the_operator() -> Vec<AlertCase> {
    vec![
        case(
            "NobodyLeads",
            5,
            &[
                r#"leader{namespace="industrydata-system",pod="a"} 0x10"#,
                r#"shards{namespace="industrydata-system",pod="a"} 1x10"#,
                r#"leader{namespace="another",pod="a"} 1x10"#,
                r#"shards{namespace="another",pod="a"} 1x10"#,
            ],
        ),
        // No replica can be scraped.
        case(
            "NobodyLeads",
            5,
            &[
                r#"leader{namespace="another",pod="a"} 1x10"#,
                r#"shards{namespace="another",pod="a"} 1x10"#,
            ],
        ),
        // One replica leads, but there are two shards.
        case(
            "NobodyLeads",
            5,
            &[
                r#"leader{namespace="industrydata-system",pod="a"} 1x10"#,
                r#"shards{namespace="industrydata-system",pod="a"} 2x10"#,
            ],
        ),
        case(
            "WatchSilent",
            5,
            &[r#"watch_healthy{namespace="industrydata-system",kind="ProvisioningFlow"} 0x10"#],
        ),
        case(
            "ReconcilesFail",
            17,
            &[
                r#"reconciles_total{namespace="industrydata-system",kind="ProvisioningFlow",outcome="failed"} 0+1x20"#,
            ],
        ),
        case(
            "WritesAtRest",
            160,
            &[
                r#"cluster_writes_total{namespace="industrydata-system",kind="ProvisioningFlow",write="status"} 0+10x180"#,
            ],
        ),
        case(
            "PollsStale",
            19,
            &[
                r#"connection_last_poll_timestamp_seconds{namespace="schools",name="contoso"} 0x30"#,
                r#"connection_poll_interval_seconds{namespace="schools",name="contoso"} 60x30"#,
            ],
        ),
        case(
            "Throttled",
            32,
            &[r#"connection_throttled_requests_total{namespace="schools",name="contoso"} 0+1x40"#],
        ),
        case(
            "ServiceFails",
            32,
            &[
                r#"graph_requests_total{namespace="industrydata-system",operation="ListFlows",outcome="Success"} 0+1x40"#,
                r#"graph_requests_total{namespace="industrydata-system",operation="ListFlows",outcome="TimedOut"} 0+2x40"#,
            ],
        ),
        case(
            "CredentialExpires",
            60,
            &[
                r#"connection_credential_expiry_timestamp_seconds{namespace="schools",name="contoso"} 864000x70"#,
            ],
        ),
        case(
            "ResourceUnreadable",
            2,
            &[
                r#"invalid_resources_total{namespace="industrydata-system",kind="ProvisioningFlow"} 0 0 1"#,
            ],
        ),
        case(
            "OperatorPanicked",
            2,
            &[r#"panics_total{namespace="industrydata-system",component="poller"} 0 0 1"#],
        ),
        case(
            "ReadinessUnknown",
            2,
            &[r#"unknown_readiness_total{namespace="industrydata-system"} 0 0 1"#],
        ),
    ]
}

/// A change of leader, for which there are no series for a minute, does not begin the time of any alert again.
fn of_resources() -> Vec<AlertCase> {
    vec![
        case(
            "FlowStalled",
            15,
            &[
                r#"resource_state{pod="a",kind="ProvisioningFlow",namespace="schools",name="users",state="Stalled",reason="SecretNotFound"} 1x7 stale"#,
                r#"resource_state{pod="b",kind="ProvisioningFlow",namespace="schools",name="users",state="Stalled",reason="SecretNotFound"} _x9 1x10"#,
            ],
        ),
        case(
            "FlowFailedOrExpired",
            5,
            &[
                r#"flow_readiness{pod="a",namespace="schools",name="users",flow_set="north",type="user",readiness="expired"} 1x2 stale"#,
                r#"flow_readiness{pod="b",namespace="schools",name="users",flow_set="north",type="user",readiness="expired"} _x4 1x10"#,
                r#"resource_state{pod="b",kind="ProvisioningFlow",namespace="schools",name="users",state="Stalled",reason="Expired"} 1x10"#,
            ],
        ),
        case(
            "ConnectionNotReady",
            15,
            // Another reason does not begin the time again, either.
            &[
                r#"resource_state{pod="a",kind="GraphConnection",namespace="schools",name="contoso",state="Reconciling",reason="Unreachable"} 1x7 stale"#,
                r#"resource_state{pod="b",kind="GraphConnection",namespace="schools",name="contoso",state="Reconciling",reason="TimedOut"} _x9 1x10"#,
            ],
        ),
        case(
            "DeletionBlocked",
            15,
            &[
                r#"resource_state{pod="a",kind="ProvisioningFlow",namespace="schools",name="users",state="Stalled",reason="DeletionBlocked"} 1x7 stale"#,
                r#"resource_state{pod="b",kind="ProvisioningFlow",namespace="schools",name="users",state="Stalled",reason="DeletionBlocked"} _x9 1x10"#,
            ],
        ),
    ]
}

fn of_totals() -> Vec<AlertCase> {
    vec![
        case(
            "FlowStalled",
            15,
            &[
                r#"stalled_resources{pod="a",kind="ProvisioningFlow",reason="SecretNotFound"} 3x7 stale"#,
                r#"stalled_resources{pod="b",kind="ProvisioningFlow",reason="SecretNotFound"} _x9 3x10"#,
            ],
        ),
        case(
            "FlowFailedOrExpired",
            5,
            &[
                r#"flows{pod="a",type="user",readiness="failed"} 2x2 stale"#,
                r#"flows{pod="b",type="user",readiness="failed"} _x4 2x10"#,
                r#"stalled_resources{pod="b",kind="ProvisioningFlow",reason="Failed"} 2x10"#,
            ],
        ),
        case(
            "ConnectionNotReady",
            15,
            &[
                r#"resources{pod="a",kind="GraphConnection",state="Stalled"} 1x7 stale"#,
                r#"resources{pod="b",kind="GraphConnection",state="Stalled"} _x9 1x10"#,
            ],
        ),
        case(
            "DeletionBlocked",
            15,
            &[
                r#"stalled_resources{pod="a",kind="ProvisioningFlow",reason="DeletionBlocked"} 1x7 stale"#,
                r#"stalled_resources{pod="b",kind="ProvisioningFlow",reason="DeletionBlocked"} _x9 1x10"#,
            ],
        ),
    ]
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
