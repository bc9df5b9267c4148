//! Who is measured, and how each is started.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use industrydata_operator::api::definitions_as_yaml;
use industrydata_programs::{Build, Module};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::bed::{Bed, NAMESPACE};
use crate::process::Process;

/// Where logs and figures are kept.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench");

const PEER: Module = Module::new(
    "peer",
    &[
        ("go.mod", include_str!("../peer/go.mod")),
        ("go.sum", include_str!("../peer/go.sum")),
        ("main.go", include_str!("../peer/main.go")),
    ],
);

/// The plain operator has definitions without rules, and none of the chart's roles.
const PEER_DEFINITIONS: &str = include_str!("../peer/crds.yaml");
const PEER_ROLES: &str = include_str!("../peer/roles.yaml");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The operator.
    Ours,
    /// A bare client that sends nothing which can be avoided.
    Floor,
    /// The plain operator in Go.
    Peer { workers: u32 },
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => write!(formatter, "ours"),
            Self::Floor => write!(formatter, "floor"),
            Self::Peer { workers } => write!(formatter, "peer-{workers}"),
        }
    }
}

impl Subject {
    pub fn definitions(self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Peer { .. } => PEER_DEFINITIONS.to_owned(),
            Self::Ours | Self::Floor => definitions_as_yaml()?,
        })
    }

    /// The manifests of its roles, if they are not those of the chart.
    pub fn roles(self) -> Option<&'static str> {
        matches!(self, Self::Peer { .. }).then_some(PEER_ROLES)
    }

    /// Starts it as the account of the bed, with its log in a file.
    pub async fn start(self, bed: &Bed, operator: &Path) -> anyhow::Result<Process> {
        let graph = bed.simulator.graph_endpoint();
        let mut command = match self {
            Self::Ours => ours(operator, bed),
            Self::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["floor", "--graph-endpoint", &graph, "--token", &bed.token]);
                command
            }
            Self::Peer { workers } => {
                let mut command = Command::new(peer().await?);
                let workers = workers.to_string();
                command.args(["-graph-endpoint", &graph, "-token", &bed.token]);
                command.args(["-workers", &workers, "-poll", "1m"]);
                command
            }
        };
        command.env("KUBECONFIG", bed.account.kubeconfig_path());
        Process::start(command.stderr(self.log(bed)?).kill_on_drop(true))
    }

    fn log(self, bed: &Bed) -> anyhow::Result<File> {
        fs::create_dir_all(DIRECTORY).context("failed to create target/bench")?;
        let name = format!("{self}-{}-{}ms.log", bed.flows, bed.latency.as_millis());
        File::create(Path::new(DIRECTORY).join(name)).context("failed to create a log")
    }
}

/// With the flags that are about where it runs, and no others.
fn ours(program: &Path, bed: &Bed) -> Command {
    let service = &bed.simulator.graph_endpoint();
    let mut command = Command::new(program);
    command
        .args(["run", "--graph-endpoint", service])
        .args(["--authority-endpoint", service])
        .args(["--lease-namespace", NAMESPACE])
        .args(["--admin-address", &bed.admin.to_string()]);
    command
}

async fn peer() -> anyhow::Result<PathBuf> {
    let build = spawn_blocking(|| Build::default().ensure(&PEER, &mut |_| ()));
    Ok(build.await??)
}
