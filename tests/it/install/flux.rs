//! What Flux makes of resources: its kustomize-controller applies them from an artifact, waits for their health, and
//! prunes them. The test stands in for the source controller.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use industrydata_image::sha256;
use industrydata_simulator::FlowState;
use industrydata_testbed::{ControlPlane, Tool, published, run};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Child;

use super::notifications::applications;
use super::{kubectl, path, unsettled};
use crate::manifests::{SAMPLES, sample};
use crate::test_env::{TestEnv, start_plane};

const CONTROLLER: &str = "github.com/fluxcd/kustomize-controller@v1.9.6";
const SOURCES: &str = "github.com/fluxcd/source-controller@v1.9.0";
const ARGO: &str = "github.com/argoproj/argo-cd/v3@v3.2.0";
const HELM: &str = "github.com/fluxcd/helm-controller@v1.4.0";
const NOTIFICATIONS: &str = "github.com/fluxcd/notification-controller@v1.6.0";

#[tokio::test(flavor = "multi_thread")]
async fn flux_waits_for_flows_tells_which_has_failed_and_prunes_what_is_gone() {
    let flux = Flux::start().await;
    let env = &flux.env;
    let flows = async || {
        let sets = env.simulator.snapshot().sets;
        sets.first().map_or(0, |set| set.flows.len())
    };
    let four = async || flows().await == 4;
    flux.publish("one", &SAMPLES, |text| text).await;
    flux.kustomize(&json!({})).await;
    env.until("four flows at the service", four).await;
    flux.until("Unknown", "Progressing", "one").await;
    let ids = flux.make_ready();
    flux.until("True", "ReconciliationSucceeded", "one").await;

    let versions = env.versions().await;
    for _ in 0..2 {
        flux.reconcile().await;
    }
    let unchanged = "Flux and the operator leave each other alone";
    assert_eq!(env.versions().await, versions, "{unchanged}");

    env.simulator.set_readiness(&ids[0], "failed").unwrap();
    flux.tells_of_a_failed_flow("one").await;
    env.simulator.set_readiness(&ids[0], "ready").unwrap();
    flux.until("True", "ReconciliationSucceeded", "one").await;

    let without_team = |text: String| text.replace("createTeam: true", "createTeam: false");
    flux.publish("two", &SAMPLES, without_team).await;
    flux.until("True", "ReconciliationSucceeded", "two").await;
    assert!(flux.has_no_team(), "Flux waited for the update");
    let report =
        |text: String| text.replace("  classGroup:", "  driftPolicy: Report\n  classGroup:");
    flux.publish("three", &SAMPLES, report).await;
    flux.tells_of_a_failed_flow("three").await;
    assert!(flux.has_no_team(), "the difference is only told");

    flux.publish("four", &SAMPLES[..2], |text| text).await;
    flux.until("True", "ReconciliationSucceeded", "four").await;
    let none = async || flows().await == 0;
    env.until("no flow at the service", none).await;

    flux.publish("five", &SAMPLES, |text| text).await;
    env.until("four flows at the service", four).await;
    flux.make_ready();
    flux.until("True", "ReconciliationSucceeded", "five").await;
    let delete = ["delete", "kustomization", "provisioning"];
    env.kubectl(&delete).await.unwrap();
    env.until("nothing at the service", async || {
        env.simulator.snapshot().sets.is_empty()
    })
    .await;
    env.until("nothing in the cluster", async || {
        env.versions().await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_need_not_wait_for_a_run_of_the_service() {
    let flux = Flux::start().await;
    let example = std::fs::read_to_string(path("deploy/flux/synced.yaml")).unwrap();
    let example: Value = serde_saphyr::from_str(&example).unwrap();
    let expressions = example["spec"]["healthCheckExprs"].clone();
    flux.publish("one", &SAMPLES, |text| text).await;
    flux.kustomize(&json!({ "healthCheckExprs": expressions }))
        .await;
    flux.until("True", "ReconciliationSucceeded", "one").await;
    let set = flux.env.simulator.snapshot().sets.remove(0);
    assert_eq!(set.flows.len(), 4);
    let not_ready = |flow: &FlowState| flow.resource["readinessStatus"] == "notReady";
    assert!(set.flows.iter().all(not_ready), "{:?}", set.flows);

    let suspended =
        |text: String| text.replace("  securityGroup:", "  suspend: true\n  securityGroup:");
    flux.publish("two", &SAMPLES, suspended).await;
    flux.until("True", "ReconciliationSucceeded", "two").await;

    let is_of_classes = |flow: &&FlowState| flow.resource.to_string().contains("classGroup");
    let flow = set.flows.iter().find(is_of_classes).unwrap();
    flux.env
        .simulator
        .set_readiness(&flow.id, "failed")
        .unwrap();
    flux.tells_of_a_failed_flow("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_what_flux_and_argo_cd_take() {
    let plane = ControlPlane::start().await.unwrap();
    let argo = published(ARGO).await.unwrap();
    let argo = argo.join("manifests/crds/application-crd.yaml");
    run(plane.kubectl().args(["create", "--filename"]).arg(argo))
        .await
        .unwrap();
    define(&plane, &[CONTROLLER, SOURCES, HELM, NOTIFICATIONS]).await;
    for namespace in ["argocd", "flux-system"] {
        let create = ["create", "namespace", namespace];
        run(plane.kubectl().args(create)).await.unwrap();
    }
    let mut apply = plane.kubectl();
    apply
        .args(["apply", "--dry-run=server", "--validate=strict"])
        .args(["--filename", "deploy/flux", "--filename", "deploy/argocd"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    run(&mut apply).await.unwrap();
    let checked = ["apply", "--dry-run=server", "--validate=strict"];
    for application in applications() {
        let taken = kubectl(&plane, &checked, &application.to_string()).await;
        taken.unwrap();
    }
    // As the manual has it, an alert of Flux cannot be about our kinds.
    let alert = std::fs::read_to_string(path("deploy/flux/alert.yaml")).unwrap();
    let ours = alert.replace("kind: Kustomization", "kind: ProvisioningFlow");
    let refused = kubectl(&plane, &checked, &ours).await.unwrap_err();
    let what = r#"Unsupported value: "ProvisioningFlow""#;
    assert!(refused.contains(what), "{refused}");
}

/// The artifacts that are served, by revision.
type Artifacts = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Flux at work on an environment.
struct Flux {
    env: TestEnv,
    artifacts: Artifacts,
    address: String,
    /// It ends with this.
    _controller: Child,
}

impl Flux {
    async fn start() -> Self {
        let plane = start_plane().await;
        define(&plane, &[CONTROLLER, SOURCES]).await;
        let mut env = TestEnv::set_up_on(Arc::clone(&plane), "flux", unsettled()).await;
        env.start_operator(&[]).await;
        let artifacts = Artifacts::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = async |State(artifacts): State<Artifacts>, Path(name): Path<String>| {
            artifacts.lock().unwrap()[&name].clone()
        };
        let router = Router::new()
            .route("/{name}", get(serve))
            .with_state(artifacts.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        let mut controller = Tool::KustomizeController.command().await.unwrap();
        let log =
            std::fs::File::create(plane.directory().join("kustomize-controller.log")).unwrap();
        controller
            .args(["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"])
            .env("RUNTIME_NAMESPACE", "flux")
            .env("KUBECONFIG", plane.admin().kubeconfig_path())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self {
            env,
            artifacts,
            address,
            _controller: controller.spawn().unwrap(),
        }
    }

    /// Makes these samples, changed, the newest revision of the source.
    async fn publish(&self, revision: &str, samples: &[&str], change: impl Fn(String) -> String) {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for name in samples {
            let text = change(sample(name).replace("pollInterval: 60s", "pollInterval: 1s"));
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        let mut encoder = archive.into_inner().unwrap();
        encoder.flush().unwrap();
        let artifact = encoder.finish().unwrap();
        let name = format!("{revision}.tar.gz");
        let status = json!({ "status": { "artifact": {
            "digest": sha256(&artifact),
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "path": name,
            "revision": revision,
            "size": artifact.len(),
            "url": format!("http://{}/{name}", self.address),
        }, "conditions": [{ "type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }] } });
        self.artifacts.lock().unwrap().insert(name, artifact);
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": "provisioning" },
            "spec": { "interval": "1h", "url": "https://git.example.com/provisioning.git" },
        });
        self.env.apply(&source.to_string()).await.unwrap();
        let api = self.api("source.toolkit.fluxcd.io", "GitRepository");
        api.patch_status(
            "provisioning",
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await
        .unwrap();
    }

    async fn kustomize(&self, more: &Value) {
        let mut kustomization = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": "provisioning" },
            "spec": {
                "interval": "2s", "retryInterval": "1s", "timeout": "2m", "prune": true, "wait": true,
                "path": "./", "targetNamespace": self.env.namespace,
                "sourceRef": { "kind": "GitRepository", "name": "provisioning" },
            },
        });
        let spec = kustomization["spec"].as_object_mut().unwrap();
        spec.extend(more.as_object().unwrap().clone());
        self.env.apply(&kustomization).await.unwrap();
    }

    /// Waits until the Kustomization says which flow is in its way, which it does at once.
    async fn tells_of_a_failed_flow(&self, revision: &str) {
        let message = self.until("False", "HealthCheckFailed", revision).await;
        let told = message.contains("ProvisioningFlow/") && message.contains("'Failed'");
        assert!(told, "{message}");
    }

    /// Whether the service has a flow that makes no teams.
    fn has_no_team(&self) -> bool {
        let flows = &self.env.simulator.snapshot().sets[0].flows;
        let mut texts = flows.iter().map(|flow| flow.resource.to_string());
        texts.any(|text| text.contains("\"createTeam\":false"))
    }

    /// Has the service say that all flows are ready. Gives back their ids.
    fn make_ready(&self) -> Vec<String> {
        let simulator = &self.env.simulator;
        let flows = simulator.snapshot().sets.remove(0).flows;
        let ready = |flow: FlowState| {
            simulator.set_readiness(&flow.id, "ready").unwrap();
            flow.id
        };
        flows.into_iter().map(ready).collect()
    }

    /// Waits until the Kustomization says this of a revision, and gives back its message.
    async fn until(&self, status: &str, reason: &str, revision: &str) -> String {
        let said = |object: &DynamicObject| {
            let conditions = object.data["status"]["conditions"].as_array()?;
            let ready = conditions.iter().find(|one| one["type"] == "Ready")?;
            (ready["status"] == status
                && ready["reason"] == reason
                && object.data["status"]["lastAttemptedRevision"]
                    .as_str()
                    .unwrap_or(revision)
                    == revision)
                .then(|| ready["message"].as_str().unwrap().to_owned())
        };
        let api = self.api("kustomize.toolkit.fluxcd.io", "Kustomization");
        let object = self
            .env
            .object_where(&api, "provisioning", |object| said(object).is_some())
            .await;
        said(&object).unwrap()
    }

    /// Has Flux reconcile, and waits until it has.
    async fn reconcile(&self) {
        let now = uuid::Uuid::new_v4().to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={now}");
        let annotate = [
            "annotate",
            "--overwrite",
            "kustomization/provisioning",
            &annotation,
        ];
        self.env.kubectl(&annotate).await.unwrap();
        let api = self.api("kustomize.toolkit.fluxcd.io", "Kustomization");
        let handled = |object: &DynamicObject| {
            object.data["status"]["lastHandledReconcileAt"] == now.as_str()
        };
        self.env.object_where(&api, "provisioning", handled).await;
        self.until("True", "ReconciliationSucceeded", "one").await;
    }

    fn api(&self, group: &str, kind: &str) -> Api<DynamicObject> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        Api::namespaced_with(self.env.client.clone(), &self.env.namespace, &kind)
    }
}

/// Installs the definitions of these modules.
async fn define(plane: &ControlPlane, modules: &[&str]) {
    for module in modules {
        let definitions = published(module).await.unwrap().join("config/crd/bases");
        let mut kubectl = plane.kubectl();
        kubectl.args(["create", "--filename"]).arg(definitions);
        run(&mut kubectl).await.unwrap();
    }
    plane.established().await.unwrap();
}
