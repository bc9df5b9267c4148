//! A start over flows that are settled already.

use std::process::Stdio;
use std::time::Duration;

use industrydata_simulator::Operation;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::bed::Bed;
use crate::measure::{Start, Traffic};
use crate::options::Options;
use crate::process::Process;
use crate::subject::Subject;

/// What is sent after the last flow is known belongs to the start, too.
const AFTERMATH: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColdStart {
    /// From the start of the process until each flow has been reconciled once.
    pub known_seconds: f64,
    /// What `kubectl get -A -o json` of the flows takes.
    pub kubectl_seconds: f64,
    pub traffic: Traffic,
}

/// Restarts the subject, if it is one that keeps flows.
pub async fn measure(
    options: &Options,
    subject: Subject,
    bed: &Bed,
    process: Process,
) -> anyhow::Result<Option<ColdStart>> {
    if subject == Subject::Floor {
        return Ok(None);
    }
    process.stop().await?;
    let kubectl_seconds = kubectl(bed).await?;
    let mut process = subject.start(bed, &options.operator).await?;
    let start = Start::now(bed, &process)?;
    let deadline = Instant::now() + options.patience();
    while !is_known(subject, bed, &start).await {
        process.check()?;
        anyhow::ensure!(Instant::now() < deadline, "the flows are not known");
        sleep(Duration::from_millis(50)).await;
    }
    let known_seconds = start.seconds();
    sleep(AFTERMATH).await;
    Ok(Some(ColdStart {
        known_seconds,
        kubectl_seconds,
        traffic: start.traffic(bed)?,
    }))
}

async fn kubectl(bed: &Bed) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut kubectl = bed.plane.kubectl();
    kubectl.args([
        "get",
        "provisioningflows",
        "--all-namespaces",
        "--output",
        "json",
    ]);
    let status = kubectl.stdout(Stdio::null()).status().await?;
    anyhow::ensure!(status.success(), "kubectl failed");
    Ok(start.elapsed().as_secs_f64())
}

/// The plain operator has asked for each flow; ours has reconciled each.
async fn is_known(subject: Subject, bed: &Bed, start: &Start) -> bool {
    let known = match subject {
        Subject::Ours => reconciled(bed).await.unwrap_or_default(),
        _ => start
            .requests(bed)
            .remove(&Operation::GetFlow)
            .unwrap_or_default(),
    };
    known >= bed.flows
}

/// How many reconciles of flows have ended, or an error while the operator does not serve its metrics yet.
async fn reconciled(bed: &Bed) -> anyhow::Result<usize> {
    let metrics = reqwest::get(format!("http://{}/metrics", bed.admin))
        .await?
        .text()
        .await?;
    let name = "industrydata_operator_reconciles_total{kind=\"ProvisioningFlow\"";
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    Ok(counts.sum())
}
