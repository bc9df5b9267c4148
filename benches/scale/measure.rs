//! One measurement: a subject, a number of flows, a latency.

use std::collections::BTreeMap;
use std::time::Duration;

use industrydata_simulator::Operation;
use industrydata_testbed::Position;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::apply;
use crate::bed::Bed;
use crate::cold_start::{self, ColdStart};
use crate::options::Options;
use crate::process::Process;
use crate::subject::Subject;
use crate::throttling::{self, Throttling};

/// What was measured. Times are in seconds, memory is in MiB.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    pub subject: String,
    pub flows: usize,
    pub sets: usize,
    pub latency_ms: u64,
    /// From the first flow to the last that was created.
    pub apply_seconds: f64,
    /// From the first flow to the last that became ready.
    pub ready_seconds: f64,
    pub until_ready: Traffic,
    pub cpu_seconds: f64,
    pub peak_mib: f64,
    pub throttling: Option<Throttling>,
    pub rest: Option<Rest>,
    pub cold_start: Option<ColdStart>,
}

/// What went to the service and to the cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Requests to the service, where a batch counts as one.
    pub calls: usize,
    /// By operation, with the parts of batches.
    pub remote: BTreeMap<Operation, usize>,
    /// By verb, resource and subresource.
    pub writes: BTreeMap<String, usize>,
}

/// A time in which nothing happens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    pub seconds: f64,
    pub traffic: Traffic,
    /// Percent of one core.
    pub cpu_percent: f64,
    pub resident_mib: f64,
}

/// Where counting begins.
pub struct Start {
    at: Instant,
    cpu: Duration,
    calls: usize,
    remote: BTreeMap<Operation, usize>,
    position: Position,
}

impl Start {
    pub fn now(bed: &Bed, process: &Process) -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            cpu: process.cpu()?,
            calls: calls(bed),
            remote: bed.simulator.requests(),
            position: bed.audit()?.position()?,
        })
    }

    pub fn seconds(&self) -> f64 {
        self.at.elapsed().as_secs_f64()
    }

    fn cpu_seconds(&self, process: &Process) -> anyhow::Result<f64> {
        Ok(process.cpu()?.saturating_sub(self.cpu).as_secs_f64())
    }

    /// Requests to the service since.
    pub fn requests(&self, bed: &Bed) -> BTreeMap<Operation, usize> {
        let mut requests = bed.simulator.requests();
        for (operation, before) in &self.remote {
            *requests.entry(*operation).or_default() -= before;
        }
        requests.retain(|_, count| *count > 0);
        requests
    }

    pub fn traffic(&self, bed: &Bed) -> anyhow::Result<Traffic> {
        let mut writes = BTreeMap::new();
        for entry in bed.requests_since(self.position)? {
            if entry.is_write() {
                let what = format!("{} {}/{}", entry.verb, entry.resource, entry.subresource);
                *writes
                    .entry(what.trim_end_matches('/').to_owned())
                    .or_default() += 1;
            }
        }
        Ok(Traffic {
            calls: calls(bed) - self.calls,
            remote: self.requests(bed),
            writes,
        })
    }
}

impl Traffic {
    /// Without those of the lease, which do not depend on the work.
    pub fn writes(&self) -> usize {
        let writes = self.writes.iter();
        let counted = writes.filter(|(what, _)| !what.ends_with(" leases"));
        counted.map(|(_, count)| count).sum()
    }
}

fn calls(bed: &Bed) -> usize {
    bed.simulator.count(|entry| entry.batch.is_none())
}

pub async fn measure(
    options: &Options,
    subject: Subject,
    flows: usize,
    latency_ms: u64,
) -> anyhow::Result<Measurement> {
    let bed = Bed::set_up(
        subject,
        flows,
        Duration::from_millis(latency_ms),
        options.throttle,
    )
    .await?;
    let mut process = subject.start(&bed, &options.operator).await?;
    bed.watched(&mut process).await?;
    if subject == Subject::Ours {
        apply::connect(&bed, &mut process).await?;
    }
    let start = Start::now(&bed, &process)?;
    let (applied, ready) = tokio::join!(
        apply::apply(&bed),
        apply::all_ready(&bed, &mut process, options.patience()),
    );
    ready?;
    let measurement = Measurement {
        subject: subject.to_string(),
        flows,
        sets: bed.sets.len(),
        latency_ms,
        apply_seconds: applied?.as_secs_f64(),
        ready_seconds: start.seconds(),
        cpu_seconds: start.cpu_seconds(&process)?,
        peak_mib: process.mebibytes("VmHWM")?,
        until_ready: start.traffic(&bed)?,
        throttling: throttling::measure(&bed)?,
        rest: rest(&bed, &process, options.rest()).await?,
        cold_start: cold_start::measure(options, subject, &bed, process).await?,
    };
    bed.remove().await?;
    Ok(measurement)
}

async fn rest(bed: &Bed, process: &Process, time: Duration) -> anyhow::Result<Option<Rest>> {
    if time.is_zero() {
        return Ok(None);
    }
    sleep(time).await;
    let start = Start::now(bed, process)?;
    sleep(time).await;
    let seconds = start.seconds();
    Ok(Some(Rest {
        cpu_percent: 100.0 * start.cpu_seconds(process)? / seconds,
        resident_mib: process.mebibytes("VmRSS")?,
        traffic: start.traffic(bed)?,
        seconds,
    }))
}
