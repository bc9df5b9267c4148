//! The operator at scale, beside the least that a client can do and beside a plain operator in Go, in the same run.
//!
//! ```console
//! $ cargo bench --bench scale -- --flows 1000,10000,50000 --latency 5,50,200
//! ```
//!
//! `docs/performance.md` describes the method and has figures.

mod apply;
mod bed;
mod cold_start;
mod floor;
mod measure;
mod options;
mod process;
mod report;
mod subject;
mod throttling;
mod token;

use clap::Parser;

use crate::options::{Command, Options, Program};
use crate::report::Report;

fn main() -> anyhow::Result<()> {
    // reqwest is built without a default, and fails if there is one already, which does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let program = Program::parse();
    match program.command {
        Some(Command::Floor(arguments)) => floor::run(arguments),
        None => bench(&program.options),
    }
}

#[tokio::main]
async fn bench(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::default();
    for &flows in &options.flows {
        for &latency in &options.latency {
            for subject in options.subjects() {
                let measured = measure::measure(options, subject, flows, latency).await?;
                report.add(measured)?;
            }
        }
    }
    Ok(())
}
