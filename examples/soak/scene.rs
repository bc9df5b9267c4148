//! Where it all happens: a control plane and a service, with a proxy before each.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use industrydata_operator::api::definitions_as_yaml;
use industrydata_simulator::{Options, ReadinessScript, Simulator, Switches};
use industrydata_testbed::{Account, ControlPlane, Proxy, Upstream, run};
use kube::Client;

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
        install(&plane).await?;
        let account = plane.service_account(NAMESPACE, "operator").await?;
        plane
            .bind_cluster_role("industrydata-operator", NAMESPACE, "operator")
            .await?;
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

async fn install(plane: &ControlPlane) -> anyhow::Result<()> {
    let definitions = plane.directory().join("definitions.yaml");
    std::fs::write(&definitions, definitions_as_yaml()?)
        .context("failed to write the definitions")?;
    let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/role.yaml");
    for file in [definitions, role] {
        run(plane.kubectl().arg("apply").arg("--filename").arg(file)).await?;
    }
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    run(plane.kubectl().args(established)).await?;
    Ok(())
}
