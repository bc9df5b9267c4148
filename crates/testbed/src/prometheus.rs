//! What Prometheus makes of metrics: [`Tool::Promql`] evaluates alerts, and the queries of dashboards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::run_with_input;
use crate::{Error, Tool};

/// The label by which the sidecar of Grafana finds dashboards.
const DASHBOARD: &str = "grafana_dashboard";

/// Rules and queries, and what there is to evaluate them over: `series` in the notation of promtool, or `pages` of metrics.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Case {
    /// Alerts, as in a `PrometheusRule`.
    pub rules: Vec<Value>,
    /// Expressions.
    pub queries: Vec<String>,
    /// Each with a value for each minute from `begin` on.
    pub series: Vec<String>,
    /// What was scraped, in any order.
    pub pages: Vec<Page>,
    /// The time of the first evaluation, in seconds since 1970.
    pub begin: i64,
    /// The time of the last one.
    pub until: i64,
    /// The interval between evaluations, in seconds; 0 for a minute.
    pub step: i64,
}

/// A page of metrics, as it was scraped.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// When, in seconds since 1970.
    pub at: i64,
    /// The labels of the target. A series keeps its own label of the same name, as with `honorLabels`.
    pub labels: BTreeMap<String, String>,
    /// The metrics in the format `OpenMetrics`; empty if the target could not be scraped.
    pub text: String,
}

/// What came out of a [`Case`].
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// Each time that an alert was active.
    pub alerts: Vec<Alert>,
    /// How many values each query has returned, at all evaluations together.
    pub results: BTreeMap<String, usize>,
}

/// One time that an alert was active: pending, or firing.
#[derive(Debug, Clone, Deserialize)]
pub struct Alert {
    /// Its name.
    #[serde(rename = "alert")]
    pub name: String,
    /// Those of the series, and of the rule.
    pub labels: BTreeMap<String, String>,
    /// Filled in as they were at the end.
    pub annotations: BTreeMap<String, String>,
    /// The first evaluation at which it was active, in seconds since 1970.
    pub since: i64,
    /// The last one.
    pub until: i64,
    /// Whether it was active for long enough to fire.
    pub fired: bool,
}

impl Case {
    /// Evaluates the case.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if the tool cannot be built, [`Error::CommandFailed`] with the rule, query or page that Prometheus
    /// does not understand.
    pub async fn ask(&self) -> Result<Answer, Error> {
        let mut promql = Tool::Promql.command().await?;
        let input = serde_json::to_string(self).map_err(not_json)?;
        let answer = run_with_input(&mut promql, &input).await?;
        serde_json::from_str(&answer).map_err(not_json)
    }
}

fn not_json(error: serde_json::Error) -> Error {
    Error::file("exchange JSON with", "tools/promql")(error.into())
}

/// The alerts and dashboards in a manifest.
#[derive(Debug, Clone)]
pub struct Monitoring {
    /// Of each `PrometheusRule`.
    pub rules: Vec<Value>,
    /// Of each `ConfigMap` for the sidecar of Grafana, in the order of the manifest.
    pub dashboards: Vec<Value>,
}

/// A panel of a dashboard that shows data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// The title of the dashboard.
    pub dashboard: String,
    /// Its own title.
    pub title: String,
    /// Its queries, with the variables filled in as Grafana does for all namespaces and jobs.
    pub queries: Vec<String>,
}

impl Monitoring {
    /// Reads a manifest, such as Helm renders it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it is not YAML, or a dashboard is not JSON.
    pub fn of_manifest(manifest: &str) -> Result<Self, Error> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(manifest)
            .map_err(|error| Error::file("parse", "a manifest")(std::io::Error::other(error)))?;
        let mut monitoring = Self {
            rules: Vec::new(),
            dashboards: Vec::new(),
        };
        for object in &objects {
            for group in items(&object["spec"]["groups"]) {
                monitoring.rules.extend(items(&group["rules"]).cloned());
            }
            if object["metadata"]["labels"][DASHBOARD] != "1" {
                continue;
            }
            for text in object["data"].as_object().into_iter().flatten() {
                let board = serde_json::from_str(text.1.as_str().unwrap_or_default());
                let board = board.map_err(|error| Error::file("parse", text.0)(error.into()))?;
                monitoring.dashboards.push(board);
            }
        }
        Ok(monitoring)
    }

    /// Returns the panels that have queries. A rate is one over `rate_interval`, such as `1m`.
    #[must_use]
    pub fn panels(&self, rate_interval: &str) -> Vec<Panel> {
        let filled = |target: &Value| {
            let query = text(&target["expr"]).replace("$__rate_interval", rate_interval);
            query.replace("$namespace", ".*").replace("$job", ".*")
        };
        let mut all = Vec::new();
        for board in &self.dashboards {
            for panel in items(&board["panels"]) {
                all.push(Panel {
                    dashboard: text(&board["title"]),
                    title: text(&panel["title"]),
                    queries: items(&panel["targets"]).map(filled).collect(),
                });
            }
        }
        all.retain(|panel| !panel.queries.is_empty());
        all
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
