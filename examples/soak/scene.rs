//! Where it all happens: a control plane and a service, with a proxy before each.

use std::time::Duration;

use anyhow::Context;
use industrydata_operator::api::definitions_as_yaml;
use industrydata_simulator::{Options, ReadinessScript, Simulator, Switches};
use industrydata_testbed::{Account, ControlPlane, Proxy, Upstream, run};
use kube::Client;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/industrydata-operator");

/// The namespace of everything.
pub const NAMESPACE: &str = "soak";

/// What has been started. The clients here are a user's, and go through no proxy.
pub struct Scene {
    pub plane: ControlPlane,
    pub client: Client,
    pub simulator: Simulator,
    /// Before the API server, for the operator alone.
    pub cluster: Proxy,
    /// Before the service.
    pub service: Proxy,
    /// The operator's, through the proxy.
    pub account: Account,
}

impl Scene {
    pub async fn set_up() -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let account = plane.service_account(NAMESPACE, "operator").await?;
        install(&plane).await?;
        // The service does not help: what is asked for twice is made twice, and shows.
        let switches = Switches {
            second_flow_of_type: None,
            readiness: ReadinessScript::ready_after(Duration::from_secs(1)),
            ..Switches::default()
        };
        let options = Options {
            switches,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await?;
        let cluster = Proxy::start(plane.upstream()?).await?;
        let service = Proxy::start(Upstream::http(&simulator.graph_endpoint())?).await?;
        Ok(Self {
            client: plane.client().await?,
            account: account.through(&cluster)?,
            plane,
            simulator,
            cluster,
            service,
        })
    }

    /// How many requests the service has had.
    pub fn requests(&self) -> u64 {
        self.simulator.count(|_| true) as u64
    }
}

/// Installs the definitions, and the roles of the chart for one namespace.
async fn install(plane: &ControlPlane) -> anyhow::Result<()> {
    let definitions = plane.directory().join("definitions.yaml");
    std::fs::write(&definitions, definitions_as_yaml()?)
        .context("failed to write the definitions")?;
    let mut helm = plane.helm();
    helm.args(["template", "industrydata-operator", CHART])
        .args(["--show-only", "templates/rbac.yaml"])
        .args(["--namespace", NAMESPACE])
        .args(["--set", "serviceAccount.create=false"])
        .args(["--set", "serviceAccount.name=operator"])
        .arg(format!("--set=watchNamespaces={{{NAMESPACE}}}"));
    let roles = plane.directory().join("roles.yaml");
    std::fs::write(&roles, run(&mut helm).await?).context("failed to write the roles")?;
    for file in [definitions, roles] {
        run(plane.kubectl().arg("apply").arg("--filename").arg(file)).await?;
    }
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    run(plane.kubectl().args(established)).await?;
    Ok(())
}
