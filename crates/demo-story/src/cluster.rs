//! The cluster of the demo: a control plane of its own, or one that is there already.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use industrydata_operator::api::{
    GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, definitions_as_yaml,
};
use industrydata_testbed::{ControlPlane, Source, run, run_with_input};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::screen::Screen;

/// How long the cluster may take for something of its own, such as to remove a namespace.
const PATIENCE: Duration = Duration::from_mins(1);

/// The account of the operator.
pub const ACCOUNT: &str = "operator";

/// Where the operator works.
pub struct Cluster {
    plane: ControlPlane,
    /// A client of the administrator.
    pub client: Client,
    /// The namespace of the samples and the operator.
    pub namespace: &'static str,
    context: Option<String>,
    has_namespace: bool,
    definitions: Vec<String>,
}

impl Cluster {
    /// Brings up a control plane, or looks for the cluster of a context.
    pub async fn start(context: Option<String>, screen: &Screen) -> anyhow::Result<Self> {
        let builder = ControlPlane::builder().on_progress(screen.build());
        let plane = match &context {
            None => builder
                .start()
                .await
                .context("failed to start a control plane")?,
            Some(name) => {
                let kubeconfig = kubeconfig(name)?;
                let source = Source::Existing {
                    kubeconfig: kubeconfig.path().to_owned(),
                    context: Some(name.clone()),
                };
                let plane = builder.source(source).start().await;
                plane.with_context(|| format!("failed to use the context {name}"))?
            }
        };
        Ok(Self {
            client: plane.client().await?,
            plane,
            namespace: if context.is_some() {
                "industrydata-demo"
            } else {
                "demo"
            },
            context,
            has_namespace: false,
            definitions: Vec::new(),
        })
    }

    /// Whether the cluster goes with the demo, so that nothing has to be removed from it.
    pub fn is_own(&self) -> bool {
        self.context.is_none()
    }

    /// Whether the three kinds were there before, and perhaps an operator for them.
    pub fn had_definitions(&self) -> bool {
        self.definitions.is_empty()
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        self.plane.url()
    }

    /// Creates the namespace, the definitions that are missing, and the roles of the chart for one namespace.
    pub async fn install(&mut self) -> anyhow::Result<()> {
        self.create_namespace().await?;
        self.has_namespace = true;
        self.install_definitions().await?;
        let reach = format!("watchNamespaces={{{}}}", self.namespace);
        let roles = self.plane.roles_of_chart(self.namespace, ACCOUNT, &reach);
        let mut apply = self.command(&["apply", "--filename", "-"]);
        run_with_input(&mut apply, &roles.await?).await?;
        Ok(())
    }

    /// The account of the operator, with the rights of its roles and no others.
    pub async fn operator(&self) -> anyhow::Result<Config> {
        let account = self.plane.service_account(self.namespace, ACCOUNT).await?;
        Ok(account.config().await?)
    }

    /// Runs kubectl as the administrator, in the namespace of the demo.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(run(&mut self.command(arguments)).await?)
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> &Path {
        self.plane.admin().kubeconfig_path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plane.kubectl();
        // Ctrl-C is for the demo alone.
        command.process_group(0);
        command
            .args(["--namespace", self.namespace])
            .args(arguments);
        command
    }

    /// What to type before and instead of `kubectl`, for a look around from another terminal.
    pub fn instructions(&self) -> (Vec<String>, String) {
        if let Some(context) = &self.context {
            return (
                Vec::new(),
                format!("kubectl --context {context} -n {}", self.namespace),
            );
        }
        let kubeconfig = self.plane.admin().kubeconfig_path();
        let mut lines = vec![format!("export KUBECONFIG={}", kubeconfig.display())];
        let command = self.plane.kubectl();
        let command = command.as_std();
        let program = Path::new(command.get_program());
        if command.get_args().next().is_some() {
            lines.push(format!("alias kubectl='{} kubectl'", program.display()));
        } else if program.is_absolute() {
            lines.push(format!("alias kubectl='{}'", program.display()));
        }
        (lines, format!("kubectl -n {}", self.namespace))
    }

    /// Tells of a program of the control plane that has ended.
    pub fn check(&self) -> anyhow::Result<()> {
        Ok(self.plane.check()?)
    }

    /// Removes what was installed in a cluster that is not the demo's own, or stops the demo's own. The operator has to
    /// be stopped.
    pub async fn remove(self) -> anyhow::Result<()> {
        if !self.is_own() {
            self.uninstall().await?;
        }
        Ok(self.plane.stop().await?)
    }

    async fn create_namespace(&self) -> anyhow::Result<()> {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(self.namespace.to_owned());
        let namespaces = Api::<Namespace>::all(self.client.clone());
        match namespaces.create(&PostParams::default(), &namespace).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => bail!(
                "the namespace {0} is there already; delete it if it is left from another demo (`kubectl delete \
                 namespace {0}`), and let go of the resources in it by removing their finalizers",
                self.namespace
            ),
            created => created.map(drop).context("failed to create a namespace"),
        }
    }

    async fn install_definitions(&mut self) -> anyhow::Result<()> {
        let api = Api::<CustomResourceDefinition>::all(self.client.clone());
        let yaml = definitions_as_yaml().context("failed to write the definitions")?;
        let definitions = serde_saphyr::from_multiple::<CustomResourceDefinition>(&yaml);
        for definition in definitions.context("failed to read the definitions")? {
            let name = definition.name_any();
            if api
                .get_opt(&name)
                .await
                .context("failed to look for the definitions")?
                .is_some()
            {
                continue;
            }
            let created = api.create(&PostParams::default(), &definition).await;
            created.with_context(|| format!("failed to create the definition {name}"))?;
            self.definitions.push(name.clone());
            let established = await_condition(api.clone(), &name, is_crd_established());
            let established = timeout(PATIENCE, established).await;
            established.with_context(|| format!("{name} was not established in time"))??;
        }
        Ok(())
    }

    /// Lets go of all resources of the three kinds, for when the operator can no longer do it.
    async fn let_go(&self) -> anyhow::Result<()> {
        let namespace = self.namespace;
        let client = || self.client.clone();
        let_go(&Api::<ProvisioningFlow>::namespaced(client(), namespace)).await?;
        let_go(&Api::<OutboundProvisioningFlowSet>::namespaced(
            client(),
            namespace,
        ))
        .await?;
        let_go(&Api::<GraphConnection>::namespaced(client(), namespace)).await
    }

    /// Removes everything, also if something before could not be removed, and tells of the first failure.
    async fn uninstall(&self) -> anyhow::Result<()> {
        let all = || self.client.clone();
        let mut removed = Vec::new();
        if self.has_namespace {
            removed.push(self.let_go().await);
            removed.push(delete(&Api::<Namespace>::all(all()), self.namespace).await);
        }
        for definition in &self.definitions {
            removed.push(delete(&Api::<CustomResourceDefinition>::all(all()), definition).await);
        }
        removed.into_iter().collect()
    }
}

/// A file of the project.
pub fn path(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
}

/// The files of `KUBECONFIG`, or the default one, as one file. It has to have the context.
fn kubeconfig(context: &str) -> anyhow::Result<tempfile::NamedTempFile> {
    let kubeconfig = Kubeconfig::read().context("failed to read the kubeconfig")?;
    let names: Vec<_> = kubeconfig
        .contexts
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    ensure!(
        names.contains(&context),
        "the kubeconfig has no context {context}, but these: {}",
        names.join(", ")
    );
    let file = tempfile::NamedTempFile::new().context("failed to create a temporary file")?;
    serde_json::to_writer(file.as_file(), &kubeconfig).context("failed to copy the kubeconfig")?;
    Ok(file)
}

async fn let_go<K>(api: &Api<K>) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    let objects = match api.list_metadata(&ListParams::default()).await {
        // The kind itself was not installed yet.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        objects => objects.context("failed to look for what is left")?,
    };
    for object in objects {
        let name = object.name_any();
        api.delete(&name, &DeleteParams::default())
            .await
            .with_context(|| format!("failed to delete {name}"))?;
        match api
            .patch_metadata(&name, &PatchParams::default(), &patch)
            .await
        {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            patched => drop(patched.with_context(|| format!("failed to let go of {name}"))?),
        }
    }
    Ok(())
}

/// Deletes an object of the whole cluster, and waits until it is gone.
async fn delete<K>(api: &Api<K>, name: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let described = || format!("failed to delete {} {name}", K::kind(&()));
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        deleted => drop(deleted.with_context(described)?),
    }
    let gone = async {
        while api.get_opt(name).await?.is_some() {
            sleep(Duration::from_millis(200)).await;
        }
        Ok::<(), kube::Error>(())
    };
    let in_time = timeout(PATIENCE, gone).await;
    ensure!(
        in_time.is_ok(),
        "{} {name} is still being deleted",
        K::kind(&())
    );
    in_time.with_context(described)?.with_context(described)
}
