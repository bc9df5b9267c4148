//! Shows the operator at work: a control plane, a stand-in for Microsoft Graph, the operator, and `deploy/samples/`.
//!
//! ```console
//! $ cargo run --release --example demo -- --once
//! ```

mod arguments;
mod cluster;
mod operator;
mod screen;
mod story;
mod table;

use anyhow::{Context, bail};
use clap::Parser;
use industrydata_simulator::{Options, Simulator};
use tempfile::{Builder, TempPath};

use crate::arguments::Arguments;
use crate::cluster::Cluster;
use crate::operator::{Operator, log_to};
use crate::screen::{Screen, Steps, interrupted};
use crate::story::{SAMPLES, Story, conditions};

/// How many steps the set-up has.
const STEPS: u64 = 5;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    let ended = runtime.block_on(demonstrate(arguments));
    // A build that was interrupted is not waited for.
    runtime.shutdown_background();
    ended
}

async fn demonstrate(arguments: Arguments) -> anyhow::Result<()> {
    let screen = Screen::new();
    let log = Builder::new().prefix("industrydata-demo-").suffix(".log").tempfile();
    let log = log.context("failed to create a file for the log")?.into_temp_path();
    log_to(&log)?;
    let mut steps = screen.steps(STEPS);
    steps.begin("starting the control plane");
    let cluster = tokio::select! {
        cluster = Cluster::start(arguments.context, &screen) => cluster?,
        told = interrupted() => return told,
    };
    let ended = with_cluster(cluster, arguments.once, &screen, steps, &log).await;
    if ended.is_err() {
        let path = log.keep().context("failed to keep the log")?;
        screen.say(format_args!("The log of the operator: {}", path.display()));
    }
    ended
}

/// Shows everything in a cluster, and removes everything from it, whatever happens.
async fn with_cluster(
    mut cluster: Cluster,
    once: bool,
    screen: &Screen,
    steps: Steps,
    log: &TempPath,
) -> anyhow::Result<()> {
    let shown = tokio::select! {
        shown = install_and_show(&mut cluster, once, screen, steps, log) => shown,
        told = interrupted() => told,
    };
    screen.log("stopping");
    let removing = async {
        if !cluster.is_own() {
            cluster.let_go().await?;
        }
        cluster.remove().await
    };
    let removed = tokio::select! {
        removed = removing => removed,
        told = interrupted() => told.and_then(|()| bail!("not everything was removed from the cluster")),
    };
    shown.and(removed)
}
