//! Runs a simulator until it is told to end.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use industrydata_simulator::{
    Behavior, DEFAULT_HOSTILE_RATE, Error, Options, Simulator, Tenant, Tls,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// A stand-in for the outbound provisioning part of Microsoft Graph industryData
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where the service and the token endpoint listen
    #[arg(long, env = "SIMULATOR_ADDRESS", default_value = "127.0.0.1:8090")]
    address: SocketAddr,
    /// Where the control API listens; it has no authentication
    #[arg(
        long,
        env = "SIMULATOR_CONTROL_ADDRESS",
        default_value = "127.0.0.1:8091"
    )]
    control_address: SocketAddr,
    /// Do harm at random, as far as the contract allows it
    #[arg(long, env = "SIMULATOR_HOSTILE")]
    hostile: bool,
    /// How likely each request is to meet harm in hostile mode, from 0 to 1
    #[arg(long, env = "SIMULATOR_HOSTILE_RATE", default_value_t = DEFAULT_HOSTILE_RATE)]
    hostile_rate: f64,
    /// Source of ids and of random harm; random if absent
    #[arg(long, env = "SIMULATOR_SEED")]
    seed: Option<u64>,
    /// Switches that differ from their defaults, as JSON
    #[arg(long, env = "SIMULATOR_SWITCHES", value_parser = from_json::<Behavior>)]
    switches: Option<Behavior>,
    /// Tenants with their applications, as a JSON array; replaces the built-in tenant
    #[arg(long, env = "SIMULATOR_TENANTS", value_parser = from_json::<Tenants>)]
    tenants: Option<Tenants>,
    /// Certificate for https on the service's port, a PEM file; those that sign it may follow
    #[arg(long, env = "SIMULATOR_TLS_CERTIFICATE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Key of the certificate, a PEM file
    #[arg(long, env = "SIMULATOR_TLS_KEY", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// How the endpoints are printed
    #[arg(long, env = "SIMULATOR_OUTPUT", value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(transparent)]
struct Tenants(Vec<Tenant>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

impl Arguments {
    fn options(self) -> Result<Options, Error> {
        let defaults = Options::default();
        let tls = self.tls_certificate.zip(self.tls_key);
        let tls = tls.map(|(certificates, key)| read_tls(&certificates, &key));
        Ok(Options {
            service_address: self.address,
            control_address: self.control_address,
            seed: self.seed.unwrap_or(defaults.seed),
            hostile: self.hostile,
            hostile_rate: self.hostile_rate,
            tls: tls.transpose()?,
            tenants: self.tenants.map_or(defaults.tenants, |tenants| tenants.0),
            behavior: self.switches.unwrap_or(defaults.behavior),
        })
    }
}

fn read_tls(certificates: &Path, key: &Path) -> Result<Tls, Error> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| Error::Tls {
            message: format!("{}: {error}", path.display()),
        })
    };
    Ok(Tls {
        certificates: read(certificates)?,
        key: read(key)?,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "error: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let output = arguments.output;
    let options = arguments.options()?;
    let seed = options.seed;
    let simulator = Simulator::start(options).await?;
    // A reader that has gone away is no reason to stop.
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        announcement(&simulator, seed, output)
    );
    end().await;
    Ok(())
}

fn announcement(simulator: &Simulator, seed: u64, output: Output) -> String {
    let (graph, authority) = (simulator.graph_endpoint(), simulator.authority_endpoint());
    let control = simulator.control_endpoint();
    match output {
        Output::Json => json!({
            "graphEndpoint": graph, "authorityEndpoint": authority, "controlEndpoint": control, "seed": seed
        })
        .to_string(),
        Output::Text => format!("graph     {graph}\nauthority {authority}\ncontrol   {control}\nseed      {seed}"),
    }
}

/// Waits for SIGTERM or SIGINT.
async fn end() {
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without handlers the default action of the signals ends the process.
        _ => std::future::pending().await,
    }
}
