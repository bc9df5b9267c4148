//! Starts the operator and stops it in the right order. No other module starts tasks.
//!
//! Start: the administration server, the definitions of the three kinds, the lease, the controllers. Stop: the
//! controllers (reconciles in progress are finished), the pollers, the lease, the administration server. The lease is
//! released only after all writers have stopped, because otherwise two replicas could write.
//!
//! The administration server and the lease run in a runtime of their own: see `Vital`.

use std::future::pending;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use kube::api::{Api, ListParams};
use kube::runtime::events::Reporter;
use kube::{Client, Config};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::admin::{self, ReadyState, ServerState};
use crate::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use crate::clients::Clients;
use crate::controller::{
    DEFINITIONS_MISSING, FIELD_MANAGER, Publisher, Scope, Shared, Spawn, run_scope,
};
use crate::graph::{Transport, TransportError};
use crate::lease::{self, Elector, LeaseGuard, LeaseLost, LeaseSettings};
use crate::metrics::{Component, Metrics};
use crate::settings::{self, Settings, label_names};
use crate::shard::{Shard, ShardCount};
use crate::telemetry::{LogFilter, with_causes};

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
        address: SocketAddr,
        /// Error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The thread for the lease and the administration server could not be started.
    #[error("failed to start a thread: raise the limit of processes and threads")]
    Thread(#[source] std::io::Error),
    /// The lease was lost, so another replica may lead.
    #[error("the lease was lost, and all work was stopped; the next start stands by")]
    LeaseLost(#[source] LeaseLost),
    /// Reconciles in progress did not finish within the grace period.
    #[error(
        "work in progress did not end within the grace period of {0:?}; it resumes at the next start"
    )]
    Grace(Duration),
}

/// Runs the operator until `shutdown` is cancelled, or until it must stop. The administration server changes `filter`, that
/// of the log, on request.
///
/// # Errors
///
/// If it could not start, lost its lease, or did not stop in time.
pub async fn run(
    settings: Settings,
    config: Config,
    filter: Option<LogFilter>,
    shutdown: CancellationToken,
) -> Result<(), RuntimeError> {
    let metrics = Metrics::with_detail(settings.detail);
    let lease = settings.lease.as_ref();
    metrics.shards(lease.map_or(ShardCount::ONE, |lease| lease.shards));
    let readiness = ReadyState::new("waiting for the CustomResourceDefinitions");
    let serving = CancellationToken::new();
    let tasks = TaskTracker::new();
    let vital = Vital::start().map_err(RuntimeError::Thread)?;
    let listener = vital.run(listen(settings.admin_address)).await?;
    let server = admin::serve(
        listener,
        metrics.clone(),
        readiness.clone(),
        filter,
        serving.clone(),
    );
    tasks.spawn(vital.run(server));
    let operator = Operator {
        transport: Transport::new(settings.transport()).map_err(RuntimeError::Transport)?,
        clients: clients(&config, &settings, &vital)?,
        vital,
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

fn clients(config: &Config, settings: &Settings, vital: &Vital) -> Result<Clients, RuntimeError> {
    let lease = settings.lease.as_ref();
    let lease = lease.map_or(LeaseSettings::MIN_DURATION, LeaseSettings::request_timeout);
    let labels = settings.selector.iter().flat_map(label_names).collect();
    Clients::new(config, lease, labels, &vital.handle())
        .map_err(|error| RuntimeError::Cluster(Box::new(error)))
}

struct Operator {
    vital: Vital,
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
            return self.work(Shard::ONLY, LeaseGuard::always(), shutdown).await;
        };
        let mut elector = Elector::new(&self.clients.lease, settings, self.metrics.clone());
        let acquired = self.vital.run(async move {
            let (shard, lease_guard) = elector.acquire().await;
            (elector, shard, lease_guard)
        });
        let acquired = shutdown.run_until_cancelled(acquired).await;
        let Some((elector, shard, lease_guard)) = acquired else {
            return Ok(());
        };
        let stop = shutdown.child_token();
        let finished = CancellationToken::new();
        let keeping = self.vital.run(keep(elector, finished.clone()));
        let work = self.work(shard, lease_guard, &stop);
        tokio::pin!(work, keeping);
        let (ended, elector) = tokio::select! {
            ended = &mut work => {
                finished.cancel();
                (ended, keeping.await.0)
            }
            (elector, lost) = &mut keeping => {
                self.metrics.leads(None);
                stop.cancel();
                let lost = lost.map_or(Ok(()), |lost| Err(RuntimeError::LeaseLost(lost)));
                (work.await.and(lost), elector)
            }
        };
        if ended.is_ok() {
            self.vital.run(elector.release()).await;
        }
        ended
    }

    /// Runs the controllers of all scopes, for one shard, until `stop` is cancelled. Waits for the reconciles in progress.
    async fn work(
        &self,
        led: Shard,
        lease_guard: LeaseGuard,
        stop: &CancellationToken,
    ) -> Result<(), RuntimeError> {
        self.metrics.leads(Some(led));
        self.readiness.set(ServerState::Leading(led));
        let tasks = TaskTracker::new();
        let pollers = CancellationToken::new();
        let spawn = spawner(&tasks, &pollers, &self.metrics);
        let exchanges = TaskTracker::new();
        let detach = spawner(&exchanges, &CancellationToken::new(), &self.metrics);
        let namespaces = self.namespaces();
        let shared = Shared::of(namespaces.len(), self.settings.concurrency, led);
        let scopes = namespaces.into_iter().map(|namespace| {
            let scope = self.scope(namespace, &shared, &lease_guard, [&spawn, &detach]);
            run_scope(scope, stop.clone())
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
        // They have time limits, and their results would be lost.
        exchanges.close();
        exchanges.wait().await;
        self.metrics.leads(None);
        in_time
            .then_some(())
            .ok_or(RuntimeError::Grace(self.settings.shutdown_grace))
    }

    fn namespaces(&self) -> Vec<Option<String>> {
        match &self.settings.scope {
            settings::WatchedNamespaces::All => vec![None],
            settings::WatchedNamespaces::Only(names) => names.iter().cloned().map(Some).collect(),
        }
    }

    fn scope(
        &self,
        namespace: Option<String>,
        shared: &Shared,
        lease_guard: &LeaseGuard,
        [spawn, detach]: [&Spawn; 2],
    ) -> Scope {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(lease::identity()),
        };
        Scope {
            namespace,
            shared: shared.clone(),
            selector: self.settings.selector.clone(),
            watches: self.clients.watches.clone(),
            cluster: self.clients.cluster.clone(),
            secrets: self.clients.secrets.clone(),
            publisher: Publisher::new(self.clients.cluster.clone(), reporter),
            transport: self.transport.clone(),
            workload_identity_audience: self.settings.workload_identity_audience.clone(),
            lease_guard: lease_guard.clone(),
            metrics: self.metrics.clone(),
            limits: self.settings.limits(),
            relist_interval: self.settings.relist_interval,
            spawn: spawn.clone(),
            detach: detach.clone(),
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

/// Keeps the lease until it is lost, or until the work is finished.
async fn keep(mut elector: Elector, finished: CancellationToken) -> (Elector, Option<LeaseLost>) {
    let lost = finished.run_until_cancelled(elector.keep()).await;
    (elector, lost)
}

/// A runtime with a thread of its own for what must go on whatever the rest of the program computes: the renewals of the
/// lease, without which another replica takes it, and the answers of the administration server, without which the pod is
/// restarted.
struct Vital(Option<tokio::runtime::Runtime>);

impl Vital {
    fn start() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("vital").enable_all();
        builder.build().map(|runtime| Self(Some(runtime)))
    }

    fn handle(&self) -> Handle {
        // The runtime is taken only when this is dropped.
        let runtime = self.0.as_ref();
        runtime.map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }

    /// Runs a task, which ends early if the future that is returned is dropped. A panic continues in the caller.
    fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let running = AbortOnDropHandle::new(self.handle().spawn(task));
        async move {
            match running.await {
                Ok(output) => output,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // Only dropping the handle, or the runtime at the very end, cancels the task.
                Err(_) => pending().await,
            }
        }
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        // A runtime that is dropped in another one must not wait for its threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RuntimeError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| RuntimeError::Listen { address, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving /livez, /readyz and /metrics");
    }
    Ok(listener)
}

#[cfg(test)]
mod tests;
