//! The table, and the figures as JSON.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::measure::{Measurement, Rest};
use crate::subject::DIRECTORY;

const COLUMNS: [&str; 15] = [
    "flows",
    "ms",
    "who",
    "applied s",
    "ready s",
    "CPU s",
    "peak MiB",
    "requests/flow",
    "writes/flow",
    "throttled: refused, early, used",
    "rest: req/min",
    "writes/min",
    "CPU %",
    "MiB",
    "cold: s (kubectl), req, writes",
];

/// All measurements so far.
#[derive(Default)]
pub struct Report(Vec<Measurement>);

impl Report {
    /// Prints a row, and writes all figures to `target/bench/scale.json`, so that an aborted run loses none.
    pub fn add(&mut self, measurement: Measurement) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        if self.0.is_empty() {
            writeln!(out, "{}", row(&COLUMNS.map(str::to_owned)))?;
            writeln!(out, "{}", row(&COLUMNS.map(|_| "---".to_owned())))?;
        }
        writeln!(out, "{}", row(&cells(&measurement)))?;
        self.0.push(measurement);
        let path = Path::new(DIRECTORY).join("scale.json");
        let json = serde_json::to_string_pretty(&self.0)?;
        fs::write(path, json).context("failed to write target/bench/scale.json")
    }
}

fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn cells(one: &Measurement) -> [String; 15] {
    let a_flow = |count: usize| format!("{:.2}", ratio(count, one.flows));
    let rest =
        |figure: &dyn Fn(&Rest) -> String| one.rest.as_ref().map_or_else(String::new, figure);
    let a_minute =
        |count: usize, rest: &Rest| format!("{:.0}", 60.0 * ratio(count, 1) / rest.seconds);
    [
        one.flows.to_string(),
        one.latency_ms.to_string(),
        one.subject.clone(),
        format!("{:.1}", one.apply_seconds),
        format!("{:.1}", one.ready_seconds),
        format!("{:.2}", one.cpu_seconds),
        format!("{:.0}", one.peak_mib),
        a_flow(one.until_ready.calls),
        a_flow(one.until_ready.writes()),
        one.throttling.as_ref().map_or_else(String::new, |it| {
            format!("{}, {}, {:.2}", it.refused, it.early, it.used)
        }),
        rest(&|rest| a_minute(rest.traffic.calls, rest)),
        rest(&|rest| a_minute(rest.traffic.writes(), rest)),
        rest(&|rest| format!("{:.2}", rest.cpu_percent)),
        rest(&|rest| format!("{:.0}", rest.resident_mib)),
        one.cold_start.as_ref().map_or_else(String::new, |cold| {
            let (requests, writes) = (cold.traffic.calls, cold.traffic.writes());
            format!(
                "{:.1} ({:.1}), {requests}, {writes}",
                cold.known_seconds, cold.kubectl_seconds
            )
        }),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below the limit")]
fn ratio(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}
