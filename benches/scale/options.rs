//! What is measured.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use crate::subject::Subject;

#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Program {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The bare client, as a process whose CPU time and memory can be measured
    #[command(hide = true)]
    Floor(FloorArguments),
}

#[derive(Debug, Args)]
pub struct FloorArguments {
    #[arg(long)]
    pub graph_endpoint: Url,
    #[arg(long)]
    pub token: String,
}

/// Measures the operator, the bare client and the plain operator, one after the other.
#[derive(Debug, Args)]
pub struct Options {
    /// How many flows are applied, four to a set; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    pub flows: Vec<usize>,

    /// Milliseconds that the service takes for each request, beyond its own computing time
    #[arg(long, value_delimiter = ',', default_value = "50")]
    pub latency: Vec<u64>,

    /// Measures one of them only
    #[arg(long, value_enum)]
    pub only: Option<Only>,

    /// Seconds for which the rest is measured, after a pause as long as this; 0 for not at all
    #[arg(long, default_value_t = 60)]
    pub rest_seconds: u64,

    /// Requests a second, and at once, that the service allows; without it, all
    #[arg(long)]
    pub throttle: Option<f64>,

    /// Minutes after which a measurement fails
    #[arg(long, default_value_t = 30)]
    pub patience: u64,

    /// The operator's program, instead of the one that was built for this bench
    #[arg(long, default_value = env!("CARGO_BIN_EXE_industrydata-operator"))]
    pub operator: PathBuf,

    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    Ours,
    Floor,
    Peer,
}

impl Options {
    pub fn subjects(&self) -> Vec<Subject> {
        let peers = [10, 100].map(|workers| Subject::Peer { workers });
        match self.only {
            Some(Only::Ours) => vec![Subject::Ours],
            Some(Only::Floor) => vec![Subject::Floor],
            Some(Only::Peer) => peers.to_vec(),
            None => [Subject::Floor, Subject::Ours]
                .into_iter()
                .chain(peers)
                .collect(),
        }
    }

    pub fn rest(&self) -> Duration {
        Duration::from_secs(self.rest_seconds)
    }

    pub fn patience(&self) -> Duration {
        Duration::from_mins(self.patience)
    }
}
