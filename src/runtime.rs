//! Starts the operator and stops it in the right order. No other module starts tasks.
//!
//! Start: the administration server, the definitions of the three kinds, the lease, the controllers. Stop: the
//! controllers (reconciles in progress are finished), the pollers, the lease, the administration server. The lease is
//! released only after all writers have stopped, because otherwise two replicas could write.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use kube::api::{Api, ListParams};
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, ReadyState, ServerState};
use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::clients::Clients;
use crate::controller::{DEFINITIONS_MISSING, FIELD_MANAGER, Scope, Spawn, run_scope};
use crate::graph::{Transport, TransportError};
use crate::lease::{self, Elector, LeaseGuard, LeaseLost, LeaseSettings};
use crate::metrics::{Component, Metrics};
use crate::settings::{self, Settings};
use crate::telemetry::with_causes;

/// Time between two checks for the definitions of the three kinds.
const DEFINITIONS_PAUSE: Duration = Duration::from_secs(5);

/// Reason why the operator could not start, or stopped.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The client for the cluster could not be created.
    #[error(
        "failed to make a client for the cluster from the kubeconfig or the pod's service account"
    )]
    Cluster(#[source] Box<kube::Error>),
    /// The client for the service could not be created.
    #[error("failed to make a client for Microsoft Graph")]
    Transport(#[source] TransportError),
    /// The administration server could not listen.
    #[error("failed to listen on {address}: choose another address with --admin-address")]
    Listen {
        /// Address of `--admin-address`.
        address: std::net::SocketAddr,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The lease was lost, so another replica may lead.
    #[error("the lease was lost, and all work was stopped; the next start stands by")]
    LeaseLost(#[source] LeaseLost),
    /// Reconciles in progress did not finish within the grace period.
    #[error(
        "work in progress did not end within the grace period of {0:?}; it resumes at the next start"
    )]
    Grace(Duration),
}

/// Runs the operator until `shutdown` is cancelled, or until it must stop.
///
/// # Errors
///
/// If it could not start, lost its lease, or did not stop in time.
pub async fn run(
    settings: Settings,
    config: Config,
    shutdown: CancellationToken,
) -> Result<(), RuntimeError> {
    let metrics = Metrics::new();
    let readiness = ReadyState::new("waiting for the CustomResourceDefinitions");
    let serving = CancellationToken::new();
    let tasks = TaskTracker::new();
    let listener = listen(&settings).await?;
    let server = admin::serve(
        listener,
        metrics.clone(),
        readiness.clone(),
        serving.clone(),
    );
    tasks.spawn(server);
    let operator = Operator {
        transport: Transport::new(settings.transport()).map_err(RuntimeError::Transport)?,
        clients: clients(&config, &settings)?,
        settings,
        metrics,
        readiness,
    };
    let ended = operator.lead(&shutdown).await;
    operator.readiness.set(ServerState::Stopping);
    serving.cancel();
    tasks.close();
    tasks.wait().await;
    ended
}

fn clients(config: &Config, settings: &Settings) -> Result<Clients, RuntimeError> {
    let lease = settings.lease.as_ref();
    let lease = lease.map_or(LeaseSettings::MIN_DURATION, LeaseSettings::request_timeout);
    Clients::new(config, lease).map_err(|error| RuntimeError::Cluster(Box::new(error)))
}

struct Operator {
    settings: Settings,
    clients: Clients,
    transport: Transport,
    metrics: Metrics,
    readiness: ReadyState,
}

impl Operator {
    /// Waits for the lease, and works until `shutdown` is cancelled or the lease is lost.
    async fn lead(&self, shutdown: &CancellationToken) -> Result<(), RuntimeError> {
        let Some(()) = shutdown.run_until_cancelled(self.definitions()).await else {
            return Ok(());
        };
        self.readiness.set(ServerState::Standby);
        let Some(settings) = &self.settings.lease else {
            return self.work(LeaseGuard::always(), shutdown).await;
        };
        let mut elector = Elector::new(
            self.clients.lease.clone(),
            settings.clone(),
            self.metrics.clone(),
        );
        let Some(lease_guard) = shutdown.run_until_cancelled(elector.acquire()).await else {
            return Ok(());
        };
        let stop = shutdown.child_token();
        let work = self.work(lease_guard, &stop);
        tokio::pin!(work);
        let ended = tokio::select! {
            ended = &mut work => ended,
            lost = elector.keep() => {
                self.metrics.leads(false);
                stop.cancel();
                work.await.and(Err(RuntimeError::LeaseLost(lost)))
            }
        };
        if ended.is_ok() {
            elector.release().await;
        }
        ended
    }

    /// Runs the controllers of all scopes until `stop` is cancelled, and waits for the reconciles in progress.
    async fn work(
        &self,
        lease_guard: LeaseGuard,
        stop: &CancellationToken,
    ) -> Result<(), RuntimeError> {
        self.metrics.leads(true);
        self.readiness.set(ServerState::Leading);
        let tasks = TaskTracker::new();
        let pollers = CancellationToken::new();
        let spawn = spawner(&tasks, &pollers, &self.metrics);
        let scopes = self.namespaces().into_iter().map(|namespace| {
            run_scope(
                self.scope(namespace, lease_guard.clone(), spawn.clone()),
                stop.clone(),
            )
        });
        let finished = join_all(scopes);
        tokio::pin!(finished);
        let in_time = tokio::select! {
            _ = &mut finished => true,
            () = stop.cancelled() => {
                self.readiness.set(ServerState::Stopping);
                let grace = self.settings.shutdown_grace;
                tokio::time::timeout(grace, finished).await.is_ok()
            }
        };
        pollers.cancel();
        tasks.close();
        tasks.wait().await;
        self.metrics.leads(false);
        in_time
            .then_some(())
            .ok_or(RuntimeError::Grace(self.settings.shutdown_grace))
    }

    fn namespaces(&self) -> Vec<Option<String>> {
        match &self.settings.scope {
            settings::Scope::AllNamespaces => vec![None],
            settings::Scope::Namespaces(names) => names.iter().cloned().map(Some).collect(),
        }
    }

    fn scope(&self, namespace: Option<String>, lease_guard: LeaseGuard, spawn: Spawn) -> Scope {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(lease::identity()),
        };
        Scope {
            namespace,
            selector: self.settings.selector.clone(),
            watches: self.clients.watches.clone(),
            cluster: self.clients.cluster.clone(),
            recorder: Recorder::new(self.clients.cluster.clone(), reporter),
            transport: self.transport.clone(),
            lease_guard,
            metrics: self.metrics.clone(),
            limits: self.settings.limits(),
            concurrency: self.settings.concurrency,
            relist_interval: self.settings.relist_interval,
            spawn,
            health: self.readiness.watches().clone(),
        }
    }

    /// Waits until the cluster serves the three kinds.
    async fn definitions(&self) {
        while let Err(error) = self.check_definitions().await {
            tracing::error!(error = with_causes(&error), "{DEFINITIONS_MISSING}");
            tokio::time::sleep(DEFINITIONS_PAUSE).await;
        }
    }

    async fn check_definitions(&self) -> Result<(), kube::Error> {
        let client = &self.clients.cluster;
        let one = ListParams::default().limit(1);
        for namespace in self.namespaces() {
            let scoped = namespace.as_deref();
            api::<GraphConnection>(client, scoped)
                .list_metadata(&one)
                .await?;
            api::<OutboundProvisioningFlowSet>(client, scoped)
                .list_metadata(&one)
                .await?;
            api::<ProvisioningFlow>(client, scoped)
                .list_metadata(&one)
                .await?;
        }
        Ok(())
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Returns a function that spawns tasks. They are tracked by `tasks`, end when `stop` is cancelled, and are counted if
/// they panic.
fn spawner(tasks: &TaskTracker, stop: &CancellationToken, metrics: &Metrics) -> Spawn {
    let (tasks, stop, metrics) = (tasks.clone(), stop.clone(), metrics.clone());
    Arc::new(move |task| {
        let (stop, metrics) = (stop.clone(), metrics.clone());
        tasks.spawn(async move {
            let task = AssertUnwindSafe(stop.run_until_cancelled(task)).catch_unwind();
            if task.await.is_err() {
                metrics.panicked(Component::Task);
            }
        });
    })
}

async fn listen(settings: &Settings) -> Result<TcpListener, RuntimeError> {
    let address = settings.admin_address;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| RuntimeError::Listen { address, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving /livez, /readyz and /metrics");
    }
    Ok(listener)
}
