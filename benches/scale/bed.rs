//! Where each subject is measured: a control plane and a service of its own, so that none finds warm caches, a grown
//! database or a longer journal than the others.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use industrydata_simulator::{Effect, Options, Rule, Simulator};
use industrydata_testbed::{Account, Audit, ControlPlane, Entry, Position};
use kube::Client;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::process::Process;
use crate::subject::Subject;
use crate::{throttling, token};

/// The namespace of everything.
pub const NAMESPACE: &str = "bench";

/// The account of the subject.
const ACCOUNT: &str = "operator";

/// The chart's roles for all namespaces, which is the chart's default.
const REACH: &str = "watchNamespaces=null";

pub struct Bed {
    pub plane: ControlPlane,
    /// The administrator's, who applies the resources.
    pub client: Client,
    pub account: Account,
    pub simulator: Simulator,
    pub token: String,
    /// Where our operator serves its metrics.
    pub admin: SocketAddr,
    /// The ids of the remote sets.
    pub sets: Vec<String>,
    pub flows: usize,
    pub latency: Duration,
    /// Requests a second that the service allows, if it throttles.
    pub throttle: Option<f64>,
}

impl Bed {
    pub async fn set_up(
        subject: Subject,
        flows: usize,
        latency: Duration,
        throttle: Option<f64>,
    ) -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let account = plane.service_account(NAMESPACE, ACCOUNT).await?;
        plane.apply(&subject.definitions()?).await?;
        let roles = match subject.roles() {
            Some(roles) => roles.to_owned(),
            None => plane.roles_of_chart(NAMESPACE, ACCOUNT, REACH).await?,
        };
        plane.apply(&roles).await?;
        plane.established().await?;
        let simulator = Simulator::start(Options::default().with_application_writes()).await?;
        let sets = (0..flows.div_ceil(4))
            .map(|number| simulator.create_set(&json!({ "displayName": format!("set {number}") })))
            .collect::<Result<_, _>>()?;
        let token = token::fetch(&simulator.authority_endpoint()).await?;
        simulator.inject(Rule::new(Effect::DelayBefore(latency)).always());
        simulator.configure(|behavior| behavior.rate_limit = throttle.map(throttling::limit));
        Ok(Self {
            client: plane.client().await?,
            plane,
            account,
            simulator,
            token,
            admin: free_address()?,
            sets,
            flows,
            latency,
            throttle,
        })
    }

    pub fn audit(&self) -> anyhow::Result<&Audit> {
        let audit = self.plane.audit();
        audit.ok_or_else(|| anyhow::anyhow!("the bench needs a control plane of its own"))
    }

    /// What the subject has asked the API server for since.
    pub fn requests_since(&self, position: Position) -> anyhow::Result<Vec<Entry>> {
        let mut entries = self.audit()?.since(position)?;
        entries.retain(|entry| entry.user == self.account.user());
        Ok(entries)
    }

    /// Waits until the subject watches the flows.
    pub async fn watched(&self, process: &mut Process) -> anyhow::Result<()> {
        let is_watch =
            |entry: &Entry| entry.verb == "watch" && entry.resource == "provisioningflows";
        let deadline = Instant::now() + Duration::from_mins(2);
        while !self
            .requests_since(Position::default())?
            .iter()
            .any(is_watch)
        {
            process.check()?;
            anyhow::ensure!(Instant::now() < deadline, "the flows are not watched");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Stops the control plane.
    pub async fn remove(self) -> anyhow::Result<()> {
        Ok(self.plane.stop().await?)
    }
}

/// An address that nothing listens on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Runs so many at a time.
pub async fn all<T>(
    tasks: impl Iterator<Item = impl Future<Output = anyhow::Result<T>>>,
    at_a_time: usize,
) -> anyhow::Result<Vec<T>> {
    let tasks = futures::stream::iter(tasks).buffer_unordered(at_a_time);
    tasks.try_collect().await
}
