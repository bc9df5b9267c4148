//! Where it all happens: a control plane and a service, with a proxy before each.

use std::time::Duration;

use industrydata_operator::api::definitions_as_yaml;
use industrydata_simulator::{Behavior, Options, ReadinessScript, Simulator};
use industrydata_testbed::prometheus::Monitoring;
use industrydata_testbed::{Account, ControlPlane, Proxy, Upstream, run};
use kube::Client;

const CHART: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../charts/industrydata-operator"
);

/// The account that the operator runs as.
const ACCOUNT: &str = "operator";

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
        let account = plane.service_account(NAMESPACE, ACCOUNT).await?;
        install(&plane).await?;
        // The service does not help: what is asked for twice is made twice, and shows.
        let behavior = Behavior {
            application_writes: true,
            second_flow_of_type: None,
            readiness: ReadinessScript::ready_after(Duration::from_secs(1)),
            ..Behavior::default()
        };
        let options = Options {
            behavior,
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

    /// The alerts and dashboards of the chart.
    pub async fn monitoring(&self) -> anyhow::Result<Monitoring> {
        let mut helm = self.plane.helm();
        helm.args(["template", "industrydata-operator", CHART])
            .args(["--namespace", NAMESPACE])
            .args([
                "--set",
                "prometheusRule.enabled=true,dashboards.enabled=true",
            ]);
        Ok(Monitoring::of_manifest(&run(&mut helm).await?)?)
    }

    /// How many requests the service has had.
    pub fn requests(&self) -> u64 {
        self.simulator.count(|_| true) as u64
    }
}

/// Installs the definitions, and the roles of the chart for one namespace.
async fn install(plane: &ControlPlane) -> anyhow::Result<()> {
    let reach = format!("watchNamespaces={{{NAMESPACE}}}");
    let roles = plane.roles_of_chart(NAMESPACE, ACCOUNT, &reach).await?;
    plane.apply(&definitions_as_yaml()?).await?;
    plane.apply(&roles).await?;
    Ok(plane.established().await?)
}
