//! What the logs of several replicas tell of who did what, and when.

use std::collections::BTreeMap;

use industrydata_simulator::{Entry, Journal};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A span of time, of one replica.
#[derive(Debug)]
struct Span {
    replica: usize,
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn overlaps(&self, other: &Self) -> bool {
        self.replica != other.replica && self.from < other.to && other.from < self.to
    }
}

/// No two replicas change the same object at the same time.
pub fn assert_no_overlap(journal: &Journal, logs: &[String]) {
    let mut changes: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for (replica, log) in logs.iter().enumerate() {
        for line in lines(log) {
            let change = change(journal, &line["client_request_id"]);
            let (Some(entry), Some(took)) = (change, line["duration_seconds"].as_f64()) else {
                continue;
            };
            let object = format!("{:?} {:?}", entry.set, entry.flow_type);
            let to = time(&line);
            let from = to - SignedDuration::from_secs_f64(took);
            changes
                .entry(object)
                .or_default()
                .push(Span { replica, from, to });
        }
    }
    assert!(!changes.is_empty(), "the logs tell of no change");
    for (object, spans) in &changes {
        assert_disjoint(object, spans);
    }
}

/// The change that the service knows by this name.
fn change<'a>(journal: &'a Journal, id: &Value) -> Option<&'a Entry> {
    let id = id.as_str()?;
    let is = |entry: &&Entry| entry.client_request_id.as_deref() == Some(id);
    journal
        .entries()
        .iter()
        .find(|entry| is(entry) && entry.operation.is_write())
}

/// No two replicas hold the lease at the same time. One that was killed held it for as long as it lived.
pub fn assert_one_at_a_time(logs: &[String]) {
    let span = |(replica, log): (usize, &String)| {
        let told = |message: &str| lines(log).find(|line| line["message"] == message);
        let from = time(&told("lease acquired")?);
        let to = time(&told("lease released").or_else(|| lines(log).last())?);
        Some(Span { replica, from, to })
    };
    let spans: Vec<Span> = logs.iter().enumerate().filter_map(span).collect();
    assert!(spans.len() > 1, "one replica led all the time");
    assert_disjoint("the lease", &spans);
}

fn assert_disjoint(what: &str, spans: &[Span]) {
    for (number, one) in spans.iter().enumerate() {
        let other = spans[number..].iter().find(|other| one.overlaps(other));
        assert!(other.is_none(), "{what}: {one:?} overlaps {other:?}");
    }
}

fn lines(log: &str) -> impl Iterator<Item = Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

fn time(line: &Value) -> Timestamp {
    line["timestamp"].as_str().unwrap().parse().unwrap()
}
