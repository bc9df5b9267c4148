//! A release from its first install to its last: what helm does to a real API server, with the operator started as its
//! Deployment says, under its own service account.

use std::collections::BTreeMap;
use std::fmt::Debug;

use industrydata_operator::api::{ProvisioningFlow, annotation};
use industrydata_simulator::{Operation, Options, SetState};
use industrydata_testbed::run;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use super::{
    NAMESPACE, RELEASE, empty_plane, helm, kubectl, objects, of_kind, restricted_namespace,
};
use crate::conditions::is_ready;
use crate::process::{Launch, PROGRAM, Process};
use crate::role::{CHART, Reach};
use crate::test_env::TestEnv;

/// Where the operator works.
const HOME: &str = "district";

/// Installed, upgraded, rolled back, removed and installed again.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_through_its_whole_life_without_harm() {
    let mut release = Release::install().await;
    let first = release.start_operator().await;
    release.env.apply_samples().await;
    let flows = release
        .env
        .flows()
        .list(&ListParams::default())
        .await
        .unwrap();
    for flow in &flows {
        release.env.flow_where(&flow.name_any(), is_ready).await;
    }
    let test = release.test_command().await;
    assert_eq!(ask(&test, first.url(), &[]).await, Ok("leading\n".into()));
    release.comes_to_rest().await;
    let (uids, done) = (release.uids().await, release.done());

    let installed = release.versions().await;
    release.helm(&["upgrade", RELEASE, CHART], &[]).await;
    assert_eq!(release.versions().await, installed, "nothing is written");

    // As a rolling update does it: the new pod waits for the lease of the old one.
    let resources = release.env.versions().await;
    let next = next_release();
    let next = next.path().join(RELEASE).display().to_string();
    let two = ["--set=replicaCount=2", "--set=log.level=debug"];
    release.helm(&["upgrade", RELEASE, &next], &two).await;
    let second = release.start_operator().await;
    assert_eq!(ask(&test, second.url(), &[]).await, Ok("standby\n".into()));
    assert_eq!(
        release.env.versions().await,
        resources,
        "resources are untouched"
    );
    first.stop().await;
    release.works(&second).await;
    release
        .env
        .patch_flow("north-users", json!({ "note": "new" }))
        .await;
    assert_eq!(release.note().await, "new");

    release.helm(&["rollback", RELEASE, "1"], &[]).await;
    let third = release.start_operator().await;
    second.stop().await;
    release.works(&third).await;
    assert_eq!(release.note().await, "", "the old definitions are back");

    release.helm(&["uninstall", RELEASE], &[]).await;
    let was = third.url().to_owned();
    third.stop().await;
    let silence = ask(&test, &was, &["--within", "1s"]).await.unwrap_err();
    assert!(silence.contains("was not ready within 1s"), "{silence}");
    assert_eq!(release.uids().await, uids);

    release.helm(&["install", RELEASE, CHART], &[]).await;
    release.take_account().await;
    let fourth = release.start_operator().await;
    release.works(&fourth).await;
    assert_eq!(release.uids().await, uids);
    assert_eq!(release.done(), done, "nothing was done twice");
    fourth.stop().await;
}

/// A release, and an environment for its operator.
struct Release {
    env: TestEnv,
}

impl Release {
    /// Installs the chart where only what meets the restricted Pod Security Standard may run.
    async fn install() -> Self {
        let plane = empty_plane().await;
        restricted_namespace(&plane, NAMESPACE).await;
        let home = ["create", "namespace", HOME];
        run(plane.kubectl().args(home)).await.unwrap();
        let account = plane.admin().clone();
        let env = TestEnv::of(
            plane,
            HOME,
            Options::default(),
            account,
            Reach::AllNamespaces,
        )
        .await;
        let mut release = Self { env };
        release.helm(&["install", RELEASE, CHART], &[]).await;
        release.take_account().await;
        release
    }

    /// Takes a token of the service account that the Deployment names and the chart has made.
    async fn take_account(&mut self) {
        let deployment = self.deployment().await;
        let name = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
        let name = name.as_str().unwrap();
        self.object(&format!("serviceaccount/{name}")).await;
        let account = self.env.plane.service_account(NAMESPACE, name).await;
        self.env.account = account.unwrap();
    }

    /// Runs helm, with the values for this environment where it takes values.
    async fn helm(&self, arguments: &[&str], values: &[&str]) -> String {
        let simulator = &self.env.simulator;
        let settings = [
            format!("--set=graph.endpoint={}", simulator.graph_endpoint()),
            format!(
                "--set=graph.authorityEndpoint={}",
                simulator.authority_endpoint()
            ),
        ];
        let takes_values = ["install", "upgrade"].contains(&arguments[0]);
        let settings = settings.iter().map(String::as_str).filter(|_| takes_values);
        let all = arguments.iter().copied().chain(["--namespace", NAMESPACE]);
        let all: Vec<&str> = all.chain(settings).chain(values.iter().copied()).collect();
        helm(&self.env.plane, &all).await.unwrap()
    }

    /// Starts the operator as the Deployment says, and waits until it is ready.
    async fn start_operator(&self) -> Process {
        let deployment = self.deployment().await;
        let operator = Launch::of(&deployment, &self.env.account).start().await;
        let ready = async || operator.get("/readyz").await.0 == 200;
        self.env.until("the operator to be ready", ready).await;
        operator
    }

    /// Asks for a look at a flow, and waits until this operator, as the leader, has had it.
    async fn works(&self, operator: &Process) {
        let leads = async || operator.get("/readyz").await.1 == "leading\n";
        self.env.until("the operator to lead", leads).await;
        let (asked, flow) = (Uuid::new_v4().to_string(), "north-users");
        self.env
            .annotate_flow(flow, annotation::REQUESTED_AT, &asked)
            .await;
        let handled = |flow: &ProvisioningFlow| {
            let status = flow.status.as_ref();
            is_ready(flow)
                && status.and_then(|one| one.last_handled_reconcile_at.as_ref()) == Some(&asked)
        };
        self.env.flow_where(flow, handled).await;
    }

    /// Waits until nothing is written any more.
    async fn comes_to_rest(&self) {
        let lists = || self.env.requests(Operation::ListFlows);
        let rests = async || {
            let (before, enough) = (self.env.versions().await, lists() + 2);
            self.env.until("polls", async || lists() >= enough).await;
            self.env.versions().await == before
        };
        self.env.until("rest", rests).await;
    }

    /// What was done to each object at the service.
    fn done(&self) -> impl PartialEq + Debug + use<> {
        let flows = |set: &SetState| {
            (
                set.id.clone(),
                set.flows
                    .iter()
                    .map(|flow| flow.id.clone())
                    .collect::<Vec<_>>(),
            )
        };
        let sets: Vec<_> = self
            .env
            .simulator
            .snapshot()
            .sets
            .iter()
            .map(flows)
            .collect();
        (sets, self.env.simulator.journal().tally().objects)
    }

    /// The new field of the next release, as it is kept.
    async fn note(&self) -> String {
        let path = [
            "get",
            "provisioningflow",
            "north-users",
            "--output",
            "jsonpath={.spec.note}",
        ];
        self.env.kubectl(&path).await.unwrap()
    }

    /// The resources: which they are, and that none is being deleted.
    async fn uids(&self) -> String {
        let columns = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.deletionTimestamp}{'\\n'}{end}";
        let all = ["get", "industrydata", "--output", columns];
        self.env.kubectl(&all).await.unwrap()
    }

    /// The versions of all objects of the release.
    async fn versions(&self) -> BTreeMap<String, String> {
        let manifest = self.helm(&["get", "manifest", RELEASE], &[]).await;
        let get = ["get", "--output", "json"];
        let list = kubectl(&self.env.plane, &get, &manifest).await.unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let version = |object: &Value| {
            let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
            (name, object["metadata"]["resourceVersion"].to_string())
        };
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(version)
            .collect()
    }

    async fn deployment(&self) -> Value {
        self.object(&format!("deployment/{RELEASE}")).await
    }

    async fn object(&self, name: &str) -> Value {
        let get = ["get", name, "--namespace", NAMESPACE, "--output", "json"];
        let text = run(self.env.plane.kubectl().args(get)).await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// What the pod of `helm test` runs, after it was found to ask the Service, and the Service to lead to the operator.
    async fn test_command(&self) -> Vec<String> {
        let hooks = objects(&self.helm(&["get", "hooks", RELEASE], &[]).await);
        let pod = of_kind(&hooks, "Pod");
        assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
        let service = self.object(&format!("service/{RELEASE}")).await;
        let template = &self.deployment().await["spec"]["template"];
        for (label, value) in service["spec"]["selector"].as_object().unwrap() {
            assert_eq!(template["metadata"]["labels"][label], *value);
            assert_ne!(pod["metadata"]["labels"].get(label), None);
        }
        let port = &service["spec"]["ports"][0];
        assert_eq!(
            port["targetPort"],
            template["spec"]["containers"][0]["ports"][0]["name"]
        );
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
        let url = format!("http://{RELEASE}.{NAMESPACE}.svc:{}", port["port"]);
        assert_eq!(arguments[1..], [json!(url)]);
        arguments
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Runs what the pod of `helm test` runs, with the name of the Service leading to `operator`.
async fn ask(command: &[String], operator: &str, more: &[&str]) -> Result<String, String> {
    let mut program = Command::new(PROGRAM);
    program.arg(&command[0]).arg(operator).args(more);
    run(&mut program).await.map_err(|error| error.to_string())
}

/// A copy of the chart with a later version and a new field.
fn next_release() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-r", CHART])
        .arg(directory.path())
        .status();
    assert!(copied.unwrap().success());
    let edit = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = directory.path().join(RELEASE).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut value: Value = serde_saphyr::from_str(&text).unwrap();
        change(&mut value);
        std::fs::write(path, value.to_string()).unwrap();
    };
    edit("Chart.yaml", &|chart| {
        chart["version"] = "0.2.0".into();
        chart["appVersion"] = "0.2.0".into();
    });
    edit("files/crds/provisioningflows.yaml", &|definition| {
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"]["note"] =
            json!({ "type": "string", "maxLength": 9 });
    });
    directory
}
