//! A user of the cluster, and the ways to act as that user.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::{
    AuthInfo, Cluster, Config, Context, KubeConfigOptions, Kubeconfig, KubeconfigError,
    NamedAuthInfo, NamedCluster, NamedContext,
};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::binaries::Binaries;
use crate::certificates::Identity;
use crate::{Error, Proxy};

/// The name of cluster and context in every kubeconfig made here.
const TESTBED: &str = "testbed";

/// A user of the cluster: its name, its kubeconfig, and clients and commands that act as this user.
#[derive(Debug, Clone)]
pub struct Account {
    user: String,
    kubeconfig: Kubeconfig,
    path: PathBuf,
    binaries: Binaries,
}

impl Account {
    /// Writes the kubeconfig, readable by its owner only, into a directory of the control plane.
    pub(crate) fn new(
        user: impl Into<String>,
        kubeconfig: Kubeconfig,
        directory: &Path,
        binaries: &Binaries,
    ) -> Result<Self, Error> {
        let user = user.into();
        // A colon would end the path in KUBECONFIG; an underscore is in no name of a service account.
        let path = directory.join(format!("{}.kubeconfig", user.replace(':', "_")));
        let account = Self {
            user,
            kubeconfig,
            path,
            binaries: binaries.clone(),
        };
        account
            .write(directory)
            .map_err(Error::file("write", &account.path))?;
        Ok(account)
    }

    /// The same account under the name that the API server knows.
    pub(crate) fn named(self, user: String) -> Self {
        Self { user, ..self }
    }

    fn write(&self, directory: &Path) -> std::io::Result<()> {
        // Put into place as a whole, as another test may be reading an earlier one.
        let mut file = NamedTempFile::new_in(directory)?;
        // JSON is YAML too.
        file.write_all(&serde_json::to_vec_pretty(&self.kubeconfig)?)?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// The name that the API server knows the user by, such as
    /// `system:serviceaccount:default:operator`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// A file with the kubeconfig, which is there as long as the control plane.
    #[must_use]
    pub fn kubeconfig_path(&self) -> &Path {
        &self.path
    }

    /// The same user, whose requests go through a proxy before the API server.
    ///
    /// *Caveats*: a token passes the proxy, a certificate does not. So this is for service accounts.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the kubeconfig cannot be written.
    pub fn through(&self, proxy: &Proxy) -> Result<Self, Error> {
        let url = proxy.url();
        let port = url.rsplit(':').next().unwrap_or_default();
        let mut kubeconfig = self.kubeconfig.clone();
        for named in &mut kubeconfig.clusters {
            named.cluster = Some(Cluster {
                server: Some(url.clone()),
                ..Cluster::default()
            });
        }
        let file = format!("{}_{port}.kubeconfig", self.user.replace(':', "_"));
        let account = Self {
            user: self.user.clone(),
            kubeconfig,
            path: self.path.with_file_name(file),
            binaries: self.binaries.clone(),
        };
        let directory = account.path.parent().unwrap_or(Path::new(""));
        account
            .write(directory)
            .map_err(Error::file("write", &account.path))?;
        Ok(account)
    }

    /// The configuration of a client, to be changed before a client is made of it.
    ///
    /// # Errors
    ///
    /// [`Error::Kubeconfig`] if the kubeconfig is not usable.
    pub async fn config(&self) -> Result<Config, Error> {
        Config::from_custom_kubeconfig(self.kubeconfig.clone(), &KubeConfigOptions::default())
            .await
            .map_err(unusable(&self.path))
    }

    /// A new client with connections of its own.
    ///
    /// *Caveats*: a client lives no longer than the tokio runtime in which it was made, and each
    /// `#[tokio::test]` has its own runtime. So take a client in each test, also if the tests share
    /// the control plane.
    ///
    /// # Errors
    ///
    /// [`Error::Kubeconfig`] or [`Error::Request`] if the kubeconfig is not usable.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        kube::Client::try_from(self.config().await?)
            .map_err(Error::request("make a client for", &self.user))
    }

    /// A kubectl command, still without arguments.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        self.command("kubectl")
    }

    /// A helm command, still without arguments. Helm's caches and settings are those of the control
    /// plane, not the user's.
    #[must_use]
    pub fn helm(&self) -> Command {
        self.command("helm")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::from(self.binaries.command(name));
        let home = self.path.with_file_name("home");
        command
            .env("KUBECONFIG", &self.path)
            .env("KUBECACHEDIR", home.join("kube"))
            // Half of the CPU time of a short command would be garbage collection. The limit is for a long one.
            .env("GOGC", "off")
            .env("GOMEMLIMIT", "512MiB");
        for (variable, directory) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")] {
            command.env(
                format!("HELM_{variable}_HOME"),
                home.join("helm").join(directory),
            );
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
///
/// [`Error::CommandMissing`] if it cannot be run, [`Error::CommandFailed`] with its standard error
/// if it fails.
pub async fn run(command: &mut Command) -> Result<String, Error> {
    let output = command.output().await;
    said(command, output)
}

/// As [`run`], with this as the command's standard input.
///
/// # Errors
///
/// As [`run`]. A command that does not read all of it is no failure.
pub async fn run_with_input(command: &mut Command, input: &str) -> Result<String, Error> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = async {
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let write = async {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        // At once, as a full pipe in one direction would stop the other.
        tokio::join!(child.wait_with_output(), write).0
    };
    let output = output.await;
    said(command, output)
}

/// What a command wrote to standard output, if it ended well.
fn said(command: &Command, output: io::Result<Output>) -> Result<String, Error> {
    let described = shown(command.as_std());
    let output = output.map_err(|source| Error::CommandMissing {
        command: described.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned();
    Err(Error::CommandFailed {
        command: described,
        status: output.status,
        stderr,
    })
}

/// The command as one would type it, without the environment.
fn shown(command: &std::process::Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The cluster as its clients see it.
pub(crate) fn cluster(url: &str, authority: &str) -> Cluster {
    Cluster {
        server: Some(url.to_owned()),
        certificate_authority_data: Some(BASE64.encode(authority)),
        ..Cluster::default()
    }
}

/// Credentials for a user who has a certificate.
pub(crate) fn certificate(identity: &Identity) -> AuthInfo {
    AuthInfo {
        client_certificate_data: Some(BASE64.encode(&identity.certificate)),
        client_key_data: Some(BASE64.encode(&identity.key).into()),
        ..AuthInfo::default()
    }
}

/// Credentials for a user who has a token.
pub(crate) fn token(token: String) -> AuthInfo {
    AuthInfo {
        token: Some(token.into()),
        ..AuthInfo::default()
    }
}

/// A kubeconfig of one cluster and one user.
pub(crate) fn kubeconfig(
    cluster: Cluster,
    user: &str,
    namespace: &str,
    credentials: AuthInfo,
) -> Kubeconfig {
    let context = Context {
        cluster: TESTBED.to_owned(),
        user: Some(user.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..Context::default()
    };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster {
            name: TESTBED.to_owned(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: user.to_owned(),
            auth_info: Some(credentials),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: TESTBED.to_owned(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(TESTBED.to_owned()),
        ..Kubeconfig::default()
    }
}

/// The cluster that the current context of a kubeconfig names.
pub(crate) fn current_cluster(kubeconfig: &Kubeconfig) -> Option<Cluster> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == *current)?
        .context
        .as_ref()?;
    kubeconfig
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.cluster)?
        .cluster
        .clone()
}

pub(crate) fn unusable(path: &Path) -> impl FnOnce(KubeconfigError) -> Error {
    move |source| Error::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    }
}
