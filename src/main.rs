//! The operator's program: reads arguments, starts telemetry, runs.

use std::io::Write;

use anyhow::Context;
use clap::{Parser, Subcommand};
use industrydata_operator::ready::ReadinessProbe;
use industrydata_operator::settings::{Arguments, LogSettings, Settings};
use industrydata_operator::telemetry::{self, LogFilter};
use industrydata_operator::traces::Traces;
use industrydata_operator::{api, failpoint, runtime};
use kube::Config;
use kube::config::KubeConfigOptions;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Keeps the outbound provisioning flows of Microsoft School Data Sync as Kubernetes resources declare them.
#[derive(Parser)]
#[command(version, about)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator, in a cluster or with a kubeconfig.
    Run(Box<Arguments>),
    /// Print the definitions of the three kinds, for `kubectl apply -f -`.
    Crds,
    /// Ask an operator whether it is ready, and end without an error if it is.
    Ready(ReadinessProbe),
}

fn main() -> anyhow::Result<()> {
    match Program::parse().command {
        Command::Crds => print_definitions(),
        Command::Ready(probe) => ready(probe),
        Command::Run(arguments) => run(*arguments),
    }
}

fn print_definitions() -> anyhow::Result<()> {
    let text = api::definitions_as_yaml().context("failed to write the definitions as YAML")?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("failed to write to standard output")
}

#[tokio::main]
async fn ready(probe: ReadinessProbe) -> anyhow::Result<()> {
    let body = probe.run().await?;
    writeln!(std::io::stdout(), "{body}").context("failed to write to standard output")
}

#[tokio::main]
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    disable_core_dumps()?;
    let _failpoints = failpoint::set_up();
    let settings = Settings::from_arguments(arguments)?;
    let traces = settings.traces();
    let traces = traces.map(|traces| Traces::start(&traces, Handle::current()));
    let traces = traces.transpose()?;
    let LogSettings { format, directives } = &settings.log;
    let filter = telemetry::init(*format, directives, traces.as_ref())?;
    let ended = operate(settings, filter).await;
    if let Some(traces) = traces {
        traces.end();
    }
    ended
}

/// Runs the operator until a signal stops it, or until it must stop.
async fn operate(settings: Settings, filter: LogFilter) -> anyhow::Result<()> {
    let config = cluster(settings.context.clone()).await?;
    let shutdown = CancellationToken::new();
    let running = runtime::run(settings, config, Some(filter), shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        stopped = stop_signal() => stopped?,
    }
    tracing::info!("stopping");
    shutdown.cancel();
    Ok(running.await?)
}

/// A dump of the memory would contain credentials, passwords and tokens.
fn disable_core_dumps() -> anyhow::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("failed to disable core dumps")
}

/// Returns the configuration for a context of the kubeconfig or, without a context, for the current context or the
/// cluster of the pod.
async fn cluster(context: Option<String>) -> anyhow::Result<Config> {
    let config = match context {
        None => Config::infer()
            .await
            .context("failed to find a cluster: set KUBECONFIG, or run in a pod"),
        Some(context) => {
            let options = KubeConfigOptions {
                context: Some(context.clone()),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_kubeconfig(&options).await;
            config.with_context(|| format!("failed to use the context {context} of the kubeconfig"))
        }
    };
    config.map(reached_directly)
}

/// Removes the proxy of the environment, which is for Microsoft Graph. With a kubeconfig, kube would use it for the API
/// server, too, and ignore `NO_PROXY`.
fn reached_directly(mut config: Config) -> Config {
    let variables = ["HTTPS_PROXY", "https_proxy"].map(std::env::var);
    let mut proxies = variables.into_iter().flatten();
    let of_environment = proxies.find(|proxy| !proxy.is_empty());
    config.proxy_url = config
        .proxy_url
        .filter(|proxy| of_environment.and_then(|text| text.parse().ok()).as_ref() != Some(proxy));
    config
}

/// Waits for SIGTERM, which Kubernetes sends, or SIGINT.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
