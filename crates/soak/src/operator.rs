//! The operator as a process of its own.

use std::io::Read;

use anyhow::Context;
use industrydata_operator::settings::{Arguments, Settings};
use industrydata_operator::{failpoint, runtime, telemetry};
use kube::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What `main.rs` of the operator does, until SIGTERM or the end of whoever started it.
#[tokio::main]
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    std::thread::spawn(|| {
        // Nothing is ever written to it.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    let _failpoints = failpoint::set_up();
    let settings = Settings::from_arguments(arguments)?;
    telemetry::init(settings.log.format, &settings.log.directives, None)?;
    let config = Config::infer()
        .await
        .context("failed to find the cluster")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let shutdown = CancellationToken::new();
    let running = runtime::run(settings, config, None, shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = terminate.recv() => shutdown.cancel(),
    }
    Ok(running.await?)
}
