//! Where the operator is tested: a namespace of a real control plane, a simulator, and the operator itself as an
//! ordinary service account with its real role.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use industrydata_operator::api::{
    GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, definitions_as_yaml,
};
use industrydata_operator::runtime::{self, RuntimeError};
use industrydata_operator::settings::{Arguments, Settings};
use industrydata_simulator::{Behavior, Options, ReadinessScript, Simulator};
use industrydata_testbed::{Account, ControlPlane, Entry, Position, Proxy, run, run_with_input};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::manifests::{SAMPLES, connection, groups_in, polled, set};
use crate::role::{self, Reach};
use crate::times::Shorter;
use crate::waiting::PATIENCE;

/// One namespace with a simulator of its own.
pub struct TestEnv {
    pub plane: Arc<ControlPlane>,
    pub namespace: String,
    pub simulator: Simulator,
    pub client: Client,
    pub account: Account,
    /// Where the operator is installed, and has its lease.
    home: String,
    reach: Reach,
    shorter: Option<&'static Shorter>,
    operator: Option<Operator>,
}

struct Operator {
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), RuntimeError>>,
}

/// A flag that is given twice counts as given last.
#[derive(Parser)]
#[command(args_override_self = true)]
pub struct Flags {
    #[command(flatten)]
    pub arguments: Arguments,
}

impl TestEnv {
    /// An environment with the operator running.
    pub async fn open(name: &str) -> Self {
        let mut env = Self::set_up(name, Options::default()).await;
        env.start_operator(&[]).await;
        env
    }

    /// An environment without the operator.
    pub async fn set_up(name: &str, options: Options) -> Self {
        Self::set_up_on(plane().await, name, options).await
    }

    /// An environment without the operator, which is to watch all namespaces.
    pub async fn set_up_for_all_namespaces(name: &str, options: Options) -> Self {
        Self::set_up_for(plane().await, name, options, Reach::AllNamespaces).await
    }

    /// An environment without the operator, on a control plane that [`start_plane`] has made.
    pub async fn set_up_on(plane: Arc<ControlPlane>, name: &str, options: Options) -> Self {
        Self::set_up_for(plane, name, options, Reach::OneNamespace).await
    }

    /// An environment without the operator, on a control plane that [`start_plane`] has made.
    pub async fn set_up_for(
        plane: Arc<ControlPlane>,
        name: &str,
        options: Options,
        reach: Reach,
    ) -> Self {
        let account = plane.service_account(name, role::ACCOUNT).await.unwrap();
        let roles = role::rendered(&plane, name, reach).await;
        role::grant(&plane, &account, &roles).await;
        Self::of(plane, name, options, account, reach).await
    }

    /// An environment whose operator is an account that may do what it may.
    ///
    /// Applications may write, because connections sign in with a secret unless a test says otherwise. A test of another
    /// credential takes that back with `configure`.
    pub async fn of(
        plane: Arc<ControlPlane>,
        name: &str,
        options: Options,
        account: Account,
        reach: Reach,
    ) -> Self {
        let client = plane.client().await.unwrap();
        Self {
            reach,
            plane,
            namespace: name.to_owned(),
            home: name.to_owned(),
            simulator: Simulator::start(options.with_application_writes())
                .await
                .unwrap(),
            client,
            account,
            shorter: None,
            operator: None,
        }
    }

    /// With shorter times than the operator's own. To be called before the operator is started.
    pub fn shortened(mut self, shorter: &'static Shorter) -> Self {
        self.shorter = Some(shorter);
        self
    }

    /// Puts a proxy between the operator and the API server. To be called before the operator is started.
    pub async fn through_proxy(&mut self) -> Proxy {
        let proxy = Proxy::start(self.plane.upstream().unwrap()).await.unwrap();
        self.account = self.account.through(&proxy).unwrap();
        proxy
    }

    /// The flags under which the operator works on this environment.
    pub fn flags(&self) -> Vec<String> {
        let (graph, authority) = (
            self.simulator.graph_endpoint(),
            self.simulator.authority_endpoint(),
        );
        let own = [
            ("--graph-endpoint", graph.as_str()),
            ("--authority-endpoint", &authority),
            ("--lease-namespace", &self.home),
            ("--admin-address", "127.0.0.1:0"),
        ];
        // The chart calls the lease as it calls all objects: for all namespaces, after the environment.
        let place = match self.reach {
            Reach::OneNamespace => ("--watch-namespace", self.namespace.as_str()),
            Reach::AllNamespaces => ("--lease-name", self.home.as_str()),
        };
        let shorter = self.shorter.iter().flat_map(|shorter| shorter.flags);
        let flags = own.into_iter().chain(shorter.copied()).chain([place]);
        flags
            .flat_map(|(flag, value)| [flag, value].map(str::to_owned))
            .collect()
    }

    pub async fn start_operator(&mut self, more: &[&str]) {
        let more = more.iter().map(|flag| (*flag).to_owned());
        self.start_with(self.flags().into_iter().chain(more)).await;
    }

    /// Starts the operator with these flags and no others.
    pub async fn start_with(&mut self, flags: impl IntoIterator<Item = String>) {
        // Told by cargo only where a test fails.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(
                EnvFilter::try_from_default_env()
                    .unwrap_or_else(|_| "info,kube_client=warn".into()),
            )
            .with_test_writer()
            .try_init();
        let flags = ["operator".to_owned()].into_iter().chain(flags);
        let settings = Settings::from_arguments(Flags::parse_from(flags).arguments).unwrap();
        let config = self.account.config().await.unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(runtime::run(settings, config, None, shutdown.clone()));
        self.operator = Some(Operator { shutdown, ended });
    }

    pub async fn stop_operator(&mut self) {
        let operator = self.operator.take().unwrap();
        operator.shutdown.cancel();
        operator.ended.await.unwrap().unwrap();
    }

    /// Lets the operator end when and as it can.
    pub fn abandon_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.shutdown.cancel();
        }
    }

    /// Waits until the operator has ended by itself, and gives back why.
    pub async fn operator_end(&mut self) -> Result<(), RuntimeError> {
        let ended = self.operator.take().unwrap().ended;
        let in_time = tokio::time::timeout(PATIENCE, ended).await;
        in_time.expect("the operator ends").unwrap()
    }

    /// Applies manifests as a user does, and gives back what kubectl says.
    pub async fn apply(&self, manifests: impl Display) -> Result<String, String> {
        let mut command = self.command(&["apply", "--filename", "-"]);
        let applied = run_with_input(&mut command, &manifests.to_string()).await;
        applied.map_err(|error| error.to_string())
    }

    /// Applies manifests with one command.
    pub async fn apply_all(&self, manifests: impl IntoIterator<Item = Value>) {
        let manifests: Vec<String> = manifests.into_iter().map(|one| one.to_string()).collect();
        self.apply(manifests.join("\n---\n")).await.unwrap();
    }

    /// Applies the connection, and sets with one flow of the same name in each.
    pub async fn apply_pairs(&self, names: &[String]) {
        let pairs = names
            .iter()
            .flat_map(|name| [set(name), groups_in(name, name)]);
        self.apply_all([connection()].into_iter().chain(pairs))
            .await;
    }

    /// Applies a manifest as a user does, at the cost of one request for each object.
    pub async fn put(&self, manifest: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = manifest["items"].as_array();
        for object in items.map_or(std::slice::from_ref(manifest), Vec::as_slice) {
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            let how = PatchParams::apply("user").force();
            let patched = self
                .api(&kind)
                .patch(&name, &how, &Patch::Apply(object))
                .await;
            patched.unwrap();
        }
    }

    /// Objects of a kind that tests declare.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = match kind {
            "Secret" => ApiResource::erase::<Secret>(&()),
            "GraphConnection" => ApiResource::erase::<GraphConnection>(&()),
            "OutboundProvisioningFlowSet" => ApiResource::erase::<OutboundProvisioningFlowSet>(&()),
            _ => ApiResource::erase::<ProvisioningFlow>(&()),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let said = run(&mut self.command(arguments)).await;
        said.map_err(|error| error.to_string())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plane.kubectl();
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        command
    }

    /// Applies the samples that people are given, with polls each second.
    pub async fn apply_samples(&self) {
        self.apply(SAMPLES.map(polled).join("\n---\n"))
            .await
            .unwrap();
    }

    /// The same without the flows.
    pub async fn apply_sample_set(&self) {
        let manifests = [polled(SAMPLES[0]), polled(SAMPLES[1])];
        self.apply(manifests.join("\n---\n")).await.unwrap();
    }

    pub fn connections(&self) -> Api<GraphConnection> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn sets(&self) -> Api<OutboundProvisioningFlowSet> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn flows(&self) -> Api<ProvisioningFlow> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn flow(&self, name: &str) -> ProvisioningFlow {
        self.flows().get(name).await.unwrap()
    }

    /// Changes a flow's spec as a user would.
    pub async fn patch_flow(&self, name: &str, spec: Value) {
        self.patch(name, &json!({ "spec": spec })).await;
    }

    /// Sets an annotation of a flow as a user would.
    pub async fn annotate_flow(&self, name: &str, key: &str, value: &str) {
        let metadata = json!({ "annotations": { key: value } });
        self.patch(name, &json!({ "metadata": metadata })).await;
    }

    /// Changes anything of a flow.
    pub async fn patch(&self, flow: &str, change: &Value) {
        let (how, change) = (PatchParams::default(), Patch::Merge(change));
        self.flows().patch(flow, &how, &change).await.unwrap();
    }

    pub async fn delete_flow(&self, name: &str) {
        let how = DeleteParams::default();
        self.flows().delete(name, &how).await.unwrap();
    }

    /// Deletes all flows.
    pub async fn delete_flows(&self) {
        let (how, all) = (DeleteParams::default(), ListParams::default());
        self.flows().delete_collection(&how, &all).await.unwrap();
    }

    /// Deletes all sets.
    pub async fn delete_sets(&self) {
        let (how, all) = (DeleteParams::default(), ListParams::default());
        self.sets().delete_collection(&how, &all).await.unwrap();
    }

    /// All objects of the three kinds, by kind and name.
    pub async fn resources(&self) -> BTreeMap<String, DynamicObject> {
        let mut resources = BTreeMap::new();
        for kind in [
            "GraphConnection",
            "OutboundProvisioningFlowSet",
            "ProvisioningFlow",
        ] {
            let listed = self.api(kind).list(&ListParams::default()).await.unwrap();
            let named = |object: DynamicObject| (format!("{kind}/{}", object.name_any()), object);
            resources.extend(listed.into_iter().map(named));
        }
        resources
    }

    /// Their versions.
    pub async fn versions(&self) -> BTreeMap<String, String> {
        let resources = self.resources().await.into_iter();
        let version = |(name, one): (_, DynamicObject)| (name, one.resource_version().unwrap());
        resources.map(version).collect()
    }

    /// Where the audit log of the API server is now.
    pub fn audit_position(&self) -> Position {
        self.plane.audit().unwrap().position().unwrap()
    }

    /// What the operator of this environment has asked the API server for since, but for its lease.
    pub fn requests_since(&self, position: Position) -> Vec<Entry> {
        let mut entries = self.plane.audit().unwrap().since(position).unwrap();
        let user = self.account.user();
        entries.retain(|entry| entry.user == user && entry.resource != "leases");
        entries
    }

    /// What the operator of this environment has written to the cluster since, but for its lease:
    /// `verb resource/subresource name`.
    pub fn writes_since(&self, position: Position) -> Vec<String> {
        self.requests_since(position)
            .iter()
            .filter(|entry| entry.is_write())
            .map(|entry| {
                format!(
                    "{} {}/{} {}",
                    entry.verb, entry.resource, entry.subresource, entry.name
                )
            })
            .collect()
    }
}

/// A service that does not help: it makes a second flow of a type if it is asked to, so that whatever is sent twice
/// shows. Flows are ready after `pause`.
pub fn lenient(pause: Duration) -> Options {
    let behavior = Behavior {
        second_flow_of_type: None,
        readiness: ReadinessScript::ready_after(pause),
        ..Behavior::default()
    };
    Options {
        behavior,
        ..Options::default()
    }
}

/// The control plane of this process, with the definitions installed.
pub async fn plane() -> Arc<ControlPlane> {
    static PLANE: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();
    Arc::clone(PLANE.get_or_init(start_plane).await)
}

/// A control plane with the definitions installed.
pub async fn start_plane() -> Arc<ControlPlane> {
    let plane = ControlPlane::start().await.unwrap();
    install(&plane).await;
    Arc::new(plane)
}

/// Installs the definitions as a user does.
pub async fn install(plane: &ControlPlane) {
    let definitions = definitions_as_yaml().unwrap();
    let mut kubectl = plane.kubectl();
    kubectl.args(["apply", "--filename", "-"]);
    run_with_input(&mut kubectl, &definitions).await.unwrap();
    plane.established().await.unwrap();
}
