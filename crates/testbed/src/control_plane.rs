//! A control plane, as tests see it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use industrydata_programs::{Build, CONTROL_PLANE, Progress, Source};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::config::Kubeconfig;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::account::{self, Account, run, run_with_input};
use crate::audit::Audit;
use crate::binaries::Binaries;
use crate::etcd::Etcd;
use crate::launch::{self, Running};
use crate::options::Options;
use crate::paths::Paths;
use crate::{Error, Program, ProgramName, Upstream, existing, users};

/// Long for a start that takes seconds: a machine that runs many tests at once can be slow.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_mins(2);

/// A real control plane of a Kubernetes cluster without nodes.
///
/// *Guarantees*: several can run at once, in one process or in many; they share nothing. When it is
/// dropped, its programs are killed and waited for and its files removed. The same happens soon
/// after the death of a process that could not drop it, whatever killed it; so it may also be kept
/// in a `static`, which is never dropped.
///
/// *Caveats*: dropping blocks for some milliseconds. What is in the cluster is lost.
#[derive(Debug)]
pub struct ControlPlane {
    running: Running,
    audit: Option<Audit>,
    binaries: Binaries,
}

/// Chooses how a control plane is started. Made by [`ControlPlane::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    source: Source,
    options: Options,
    progress: Box<dyn FnMut(Progress) + Send>,
}

impl ControlPlane {
    /// Starts a control plane from [`Source::from_env`].
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// A builder with the defaults: source from the environment, audit log on, two minutes to
    /// start.
    pub fn builder() -> Builder {
        Builder {
            source: Source::from_env(),
            options: Options {
                etcd_arguments: Vec::new(),
                api_server_arguments: Vec::new(),
                audit: true,
                start_timeout: DEFAULT_START_TIMEOUT,
            },
            progress: Box::new(|_| ()),
        }
    }

    /// Stops the programs and removes their files. Dropping does the same, but cannot tell an
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the directory cannot be removed.
    pub async fn stop(self) -> Result<(), Error> {
        let Running {
            reaper,
            programs,
            directory,
            ..
        } = self.running;
        let stop = move || {
            drop(reaper);
            drop(programs);
            let path = directory.path().to_owned();
            directory.close().map_err(Error::file("remove", path))
        };
        spawn_blocking(stop)
            .await
            .map_err(|error| Error::file("stop", "the control plane")(error.into()))?
    }

    /// The administrator, a member of `system:masters` unless the cluster was already there.
    ///
    /// *Caveats*: `system:masters` passes by all roles and all limits on requests. Let what is
    /// tested run as a [service account](Self::service_account).
    #[must_use]
    pub fn admin(&self) -> &Account {
        &self.running.admin
    }

    /// The administrator's kubeconfig. As a file: `admin().kubeconfig_path()`.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &Kubeconfig {
        self.admin().kubeconfig()
    }

    /// A new client of the administrator; see [`Account::client`] for how long it lives.
    ///
    /// # Errors
    ///
    /// As [`Account::client`].
    pub async fn client(&self) -> Result<kube::Client, Error> {
        self.admin().client().await
    }

    /// A kubectl command of the administrator, still without arguments; see [`run`](crate::run).
    #[must_use]
    pub fn kubectl(&self) -> Command {
        self.admin().kubectl()
    }

    /// A helm command of the administrator, still without arguments; see [`run`](crate::run).
    #[must_use]
    pub fn helm(&self) -> Command {
        self.admin().helm()
    }

    /// A service account with a token for a day. Account and namespace are created if they are
    /// missing.
    ///
    /// It has no rights but those of every authenticated user until a role is bound to it.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if one of them cannot be created, for example because the namespace is
    /// being deleted.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Account, Error> {
        let token = users::token(&self.client().await?, namespace, name).await?;
        let user = users::user_name(namespace, name);
        let cluster = self.running.cluster.clone();
        let kubeconfig = account::kubeconfig(cluster, &user, namespace, account::token(token));
        Account::new(user, kubeconfig, self.directory(), &self.binaries)
    }

    /// Gives a service account the rights of a cluster role, in all namespaces, and waits until
    /// they have effect.
    ///
    /// *Caveats*: the wait is for the role's first permission; if the account has that one from
    /// elsewhere, the others may follow some milliseconds later.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] if there is no such role or it cannot be bound, [`Error::NotEffective`]
    /// if the rights have no effect.
    pub async fn bind_cluster_role(
        &self,
        role: &str,
        namespace: &str,
        service_account: &str,
    ) -> Result<(), Error> {
        users::bind(&self.client().await?, role, namespace, service_account).await
    }

    /// Waits until rules that were granted to a service account, in a namespace or in all, have effect.
    ///
    /// *Caveats*: as [`bind_cluster_role`](Self::bind_cluster_role).
    ///
    /// # Errors
    ///
    /// [`Error::NotEffective`] if they have no effect.
    pub async fn in_effect(
        &self,
        account: &Account,
        namespace: Option<&str>,
        rules: &[PolicyRule],
    ) -> Result<(), Error> {
        let (client, user) = (self.client().await?, account.user().to_owned());
        users::in_effect(&client, user, namespace, rules).await
    }

    /// Applies manifests as the administrator, in YAML or JSON.
    ///
    /// # Errors
    ///
    /// [`Error::CommandFailed`] with the output of kubectl.
    pub async fn apply(&self, manifests: &str) -> Result<(), Error> {
        let mut kubectl = self.kubectl();
        let apply = kubectl.args(["apply", "--filename", "-"]);
        run_with_input(apply, manifests).await.map(drop)
    }

    /// Waits until the API server serves all kinds of which definitions were installed.
    ///
    /// # Errors
    ///
    /// [`Error::CommandFailed`] if it does not within a minute.
    pub async fn established(&self) -> Result<(), Error> {
        const PATIENCE: Duration = Duration::from_mins(1);
        let wait = ["wait", "--for=condition=Established", "crd", "--all"];
        let begun = Instant::now();
        loop {
            let mut kubectl = self.kubectl();
            match run(kubectl.args(wait).arg("--timeout=60s")).await {
                // kubectl fails at once for a definition that has no conditions yet.
                Err(_) if begun.elapsed() < PATIENCE => sleep(Duration::from_millis(100)).await,
                established => return established.map(drop),
            }
        }
    }

    /// The roles and bindings, in YAML, that the operator's chart has for a service account which is there already and
    /// which the operator is to run as.
    ///
    /// `reach` is the value of the chart that selects where it works, such as `watchNamespaces={district}`.
    ///
    /// # Errors
    ///
    /// [`Error::CommandFailed`] with the output of Helm.
    pub async fn roles_of_chart(
        &self,
        namespace: &str,
        service_account: &str,
        reach: &str,
    ) -> Result<String, Error> {
        let chart = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../charts/industrydata-operator"
        );
        let mut helm = self.helm();
        helm.args(["template", "industrydata-operator", chart])
            .args([
                "--show-only",
                "templates/rbac.yaml",
                "--namespace",
                namespace,
            ])
            .args(["--set", reach, "--set", "serviceAccount.create=false"])
            .arg(format!("--set=serviceAccount.name={service_account}"));
        run(&mut helm).await
    }

    /// Returns the audit log, or `None` if it was turned off or the cluster already existed.
    #[must_use]
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// Returns the programs, or none if the cluster already existed.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.running.programs
    }

    /// One of the programs, if it runs here.
    #[must_use]
    pub fn program(&self, name: ProgramName) -> Option<&Program> {
        self.programs()
            .iter()
            .find(|program| program.name() == name)
    }

    /// Kills a program, if it has not ended yet, and starts it again with the same arguments, files
    /// and port. Does not wait until it is of use: see [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] if the program does not run here, [`Error::Spawn`] if it cannot be started.
    pub fn restart(&self, name: ProgramName) -> Result<(), Error> {
        let program = self.program(name).ok_or(Error::NotOurs { program: name })?;
        program.restart()?;
        let pids: Vec<_> = self.programs().iter().map(Program::pid).collect();
        self.running.reaper.watch(&pids)
    }

    /// Waits until the API server is ready, for two minutes at most.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it is not in time, [`Error::Ended`] if a program has ended.
    pub async fn ready(&self) -> Result<(), Error> {
        launch::ready(self.admin(), self.programs(), DEFAULT_START_TIMEOUT).await
    }

    /// The database, for what cannot be done through the API server.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] if the cluster was already there.
    pub fn etcd(&self) -> Result<Etcd, Error> {
        let program = ProgramName::Etcd;
        self.program(program).ok_or(Error::NotOurs { program })?;
        Ok(Etcd::new(Paths(self.directory()).etcd_socket()))
    }

    /// Checks that all programs are still running, so that a test that times out can report the reason.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] with the end of its log for a program that ended unexpectedly.
    pub fn check(&self) -> Result<(), Error> {
        self.programs().iter().try_for_each(Program::check)
    }

    /// Address of the API server, such as `https://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.running.cluster.server.as_deref().unwrap_or_default()
    }

    /// The API server, to put a [`Proxy`](crate::Proxy) before it.
    ///
    /// # Errors
    ///
    /// [`Error::Upstream`] for a cluster that was already there and whose kubeconfig has no
    /// `certificate-authority-data`.
    pub fn upstream(&self) -> Result<Upstream, Error> {
        let authority = self.running.cluster.certificate_authority_data.as_deref();
        let authority = BASE64.decode(authority.unwrap_or_default());
        Upstream::https(self.url(), &authority.unwrap_or_default())
    }

    /// Address of etcd, a Unix socket, for another API server or for etcdctl; none if the cluster
    /// was already there.
    #[must_use]
    pub fn etcd_url(&self) -> Option<String> {
        self.program(ProgramName::Etcd)
            .map(|_| Paths(self.directory()).etcd_url())
    }

    /// The directory with data, logs, certificates and kubeconfigs. Others may put files there,
    /// which are removed with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.running.directory.path()
    }
}

impl Builder {
    /// Where the programs come from.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Adds an argument of etcd, such as `--quota-backend-bytes=2097152`; it wins over the one
    /// given by default.
    pub fn etcd_argument(mut self, argument: impl Into<OsString>) -> Self {
        self.options.etcd_arguments.push(argument.into());
        self
    }

    /// Adds an argument of kube-apiserver; it wins over the one given by default.
    pub fn api_server_argument(mut self, argument: impl Into<OsString>) -> Self {
        self.options.api_server_arguments.push(argument.into());
        self
    }

    /// Does without the audit log.
    pub fn without_audit(mut self) -> Self {
        self.options.audit = false;
        self
    }

    /// How long the API server may take to become ready; the build is not counted.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.options.start_timeout = timeout;
        self
    }

    /// Told how the build goes, if there is one to do. Called on a thread of its own.
    pub fn on_progress(mut self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Builds the programs if that has not been done yet, starts them, and waits until the API
    /// server is ready.
    ///
    /// kube-controller-manager is started last and not waited for: what it does, it begins about a
    /// second later.
    ///
    /// # Errors
    ///
    /// Whatever keeps a program from being found, built or started; with the end of its log, if it
    /// has one.
    pub async fn start(self) -> Result<ControlPlane, Error> {
        let Self {
            source,
            options,
            progress,
        } = self;
        let binaries = match source {
            Source::Built => Binaries::One(built(progress).await?),
            Source::Assets { directory } => Binaries::in_directory(directory)?,
            Source::Existing {
                kubeconfig,
                context,
            } => {
                let running = existing::attach(&kubeconfig, context).await?;
                return Ok(ControlPlane {
                    running,
                    audit: None,
                    binaries: Binaries::Path,
                });
            }
        };
        let running = launch::launch(&binaries, &options).await?;
        let audit = options
            .audit
            .then(|| Audit::new(Paths(running.directory.path()).audit_log()));
        Ok(ControlPlane {
            running,
            audit,
            binaries,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            options,
            progress: _,
        } = self;
        formatter
            .debug_struct("Builder")
            .field("source", source)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

async fn built(mut progress: Box<dyn FnMut(Progress) + Send>) -> Result<PathBuf, Error> {
    let build = spawn_blocking(move || Build::default().ensure(&CONTROL_PLANE, &mut *progress));
    build
        .await
        .map_err(|error| Error::file("wait for", "the build of the control plane")(error.into()))?
        .map_err(Error::Build)
}
