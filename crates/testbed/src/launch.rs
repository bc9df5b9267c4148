//! Starts the programs of a control plane, in order and with the arguments that they need.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use kube::config::Cluster;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::account::{self, Account};
use crate::binaries::Binaries;
use crate::certificates::Authority;
use crate::options::Options;
use crate::paths::Paths;
use crate::reaper::Reaper;
use crate::{Error, Program, ProgramName, arguments};

/// How often a start is tried anew with another port. A port is free when it is chosen; that it is
/// taken a moment later happens when many tests start at once, and hardly twice in a row.
const ATTEMPTS: u32 = 5;

/// How often `/readyz` is asked.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// How long one answer is waited for; the programs are looked after between two.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A cluster that can be used. Fields are dropped in this order: the reaper is dismissed, the
/// programs stop, the clients before their servers, and then nobody uses the directory any more.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) reaper: Reaper,
    pub(crate) programs: Vec<Program>,
    pub(crate) admin: Account,
    pub(crate) cluster: Cluster,
    pub(crate) directory: TempDir,
}

/// Starts a control plane and waits until its API server is ready.
pub(crate) async fn launch(binaries: &Binaries, options: &Options) -> Result<Running, Error> {
    let mut attempt = 1;
    loop {
        match launch_once(binaries, options).await {
            Err(error) if attempt < ATTEMPTS && lost_its_port(&error) => attempt += 1,
            outcome => return outcome,
        }
    }
}

fn lost_its_port(error: &Error) -> bool {
    matches!(error, Error::Ended { log, .. } if log.contains("address already in use"))
}

async fn launch_once(binaries: &Binaries, options: &Options) -> Result<Running, Error> {
    let directory = directory()?;
    let paths = Paths(directory.path());
    let authority = Authority::new()?;
    let port = free_port()?;
    let cluster = account::cluster(
        &format!("https://127.0.0.1:{port}"),
        authority.certificate(),
    );
    let user = |name: &str, group| {
        let credentials = account::certificate(&authority.client(name, group)?);
        let kubeconfig = account::kubeconfig(cluster.clone(), name, "default", credentials);
        Account::new(name, kubeconfig, directory.path(), binaries)
    };
    let admin = user("admin", Some("system:masters"))?;
    let controllers = user("system:kube-controller-manager", None)?;
    paths.prepare(&authority)?;

    let reaper = Reaper::of(directory.path())?;
    let mut pids = Vec::new();
    let mut start = |name, arguments: Vec<OsString>| {
        let program = Program::start(binaries, name, arguments, directory.path())?;
        pids.push(program.pid());
        reaper.watch(&pids)?;
        Ok::<_, Error>(program)
    };
    // The API server waits for etcd by itself; kube-controller-manager gives up if the API server
    // takes long.
    let etcd = start(ProgramName::Etcd, arguments::etcd(&paths, options))?;
    let api_server = start(
        ProgramName::KubeApiServer,
        arguments::api_server(&paths, port, options),
    )?;
    let mut programs = vec![api_server, etcd];
    ready(&admin, &programs, options.start_timeout).await?;
    if binaries.has(ProgramName::KubeControllerManager) {
        let arguments = arguments::controller_manager(&paths, &controllers);
        programs.insert(0, start(ProgramName::KubeControllerManager, arguments)?);
    }
    Ok(Running {
        reaper,
        programs,
        admin,
        cluster,
        directory,
    })
}

/// A new directory, which only its owner may enter.
pub(crate) fn directory() -> Result<TempDir, Error> {
    let builder = tempfile::Builder::new()
        .prefix("industrydata-testbed-")
        .tempdir();
    builder.map_err(Error::file("create a directory in", std::env::temp_dir()))
}

fn free_port() -> Result<u16, Error> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener
        .map(|address| address.port())
        .map_err(|source| Error::NoPort { source })
}

/// Waits for `/readyz`, which also means that the built-in roles are there.
pub(crate) async fn ready(
    admin: &Account,
    programs: &[Program],
    limit: Duration,
) -> Result<(), Error> {
    let mut answer = "none".to_owned();
    let wait = async {
        let mut config = admin.config().await?;
        config.read_timeout = Some(PROBE_TIMEOUT);
        config.default_retry = false;
        let client = kube::Client::try_from(config)
            .map_err(Error::request("make a client for", admin.user()))?;
        loop {
            programs.iter().try_for_each(Program::check)?;
            let Err(error) = client.request_text(probe()).await else {
                return Ok(());
            };
            answer = error.to_string();
            sleep(PROBE_INTERVAL).await;
        }
    };
    match timeout(limit, wait).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::NotReady {
            timeout: limit,
            answer,
            log: log_of(programs),
        }),
    }
}

fn probe() -> http::Request<Vec<u8>> {
    let mut request = http::Request::default();
    *request.uri_mut() = http::Uri::from_static("/readyz");
    request
}

fn log_of(programs: &[Program]) -> String {
    let api_server = programs
        .iter()
        .find(|program| program.name() == ProgramName::KubeApiServer);
    api_server.map(Program::log_tail).unwrap_or_default()
}
