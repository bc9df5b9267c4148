//! The operator in this process, with its log in a file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Parser;
use industrydata_operator::runtime::{self, RuntimeError};
use industrydata_operator::settings::{Arguments, Settings};
use industrydata_simulator::Simulator;
use kube::Config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What is logged.
const DIRECTIVES: &str = "info,kube=warn";

/// A running operator.
pub struct Operator {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RuntimeError>>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    arguments: Arguments,
}

impl Operator {
    /// Starts it as the user of `config`, with the resources of one namespace and the simulator for a service.
    pub fn start(simulator: &Simulator, namespace: &str, config: Config) -> anyhow::Result<Self> {
        let flags = flags(simulator, namespace);
        let flags = Flags::try_parse_from(flags).context("failed to read the operator's flags")?;
        let settings = Settings::from_arguments(flags.arguments)?;
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(runtime::run(settings, config, None, shutdown.clone()));
        Ok(Self { shutdown, task })
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn failure(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => anyhow!("the operator has ended without a reason"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the operator has ended"),
            Err(error) => anyhow::Error::new(error).context("the operator has crashed"),
        }
    }

    /// Lets it finish what is under way, and stops it.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let ended = self.task.await.context("the operator has crashed")?;
        ended.context("the operator did not stop as it should")
    }
}

/// Shorter times than the defaults, so that nothing in the demo is waited for long.
fn flags(simulator: &Simulator, namespace: &str) -> Vec<String> {
    [
        "operator",
        "--graph-endpoint",
        &simulator.graph_endpoint(),
        "--authority-endpoint",
        &simulator.authority_endpoint(),
        "--watch-namespace",
        namespace,
        "--lease-namespace",
        namespace,
        "--admin-address",
        "127.0.0.1:0",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Sends the logs of this process to a file.
pub fn log_to(path: &Path) -> anyhow::Result<()> {
    let file = File::create(path)
        .with_context(|| format!("failed to create the log {}", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(DIRECTIVES)
        .with_ansi(false)
        .with_writer(Arc::new(file))
        .try_init()
        .map_err(|error| anyhow!(error).context("failed to set up logging"))
}
