//! `deploy/install.yaml` and `deploy/kustomize/`: made from the chart, installed on an empty cluster with one command,
//! and enough for the operator to work.

use std::collections::BTreeSet;

use industrydata_simulator::{Options, Simulator};
use industrydata_testbed::{ControlPlane, run};
use serde_json::{Value, json};

use super::{NAMESPACE, RELEASE, helm, kubectl, path};
use crate::generated::assert_generated;
use crate::manifests::{SAMPLES, sample};
use crate::process::{Launch, Process};
use crate::role::CHART;
use crate::test_env;

const ELSEWHERE: &str = "elsewhere";

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_are_what_the_chart_makes() {
    let plane = test_env::plane().await;
    assert_generated("deploy/kustomize/base/operator.yaml", &from_chart().await);
    let base = path("deploy/kustomize/base");
    let built = run(plane.kubectl().args(["kustomize", &base])).await;
    assert_generated("deploy/install.yaml", &built.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_installs_the_operator_for_all_namespaces() {
    let cluster = Cluster::empty("-f", "deploy/install.yaml").await;
    cluster.installs_once_and_for_all(&[]).await;
    cluster.admits_the_pods().await;
    let (_simulator, operator) = cluster.start_operator().await;
    for namespace in [NAMESPACE, ELSEWHERE] {
        cluster.applies_samples(namespace).await;
    }
    for namespace in [NAMESPACE, ELSEWHERE] {
        cluster.are_synced(namespace).await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_for_one_namespace_may_do_nothing_in_others() {
    let cluster = Cluster::empty("-k", "deploy/kustomize/overlays/one-namespace").await;
    cluster.installs_once_and_for_all(&[]).await;
    let (_simulator, operator) = cluster.start_operator().await;
    for namespace in [ELSEWHERE, NAMESPACE] {
        cluster.applies_samples(namespace).await;
    }
    cluster.are_synced(NAMESPACE).await;
    let status = "jsonpath={.items[*].status.conditions[*].type}";
    let looked_at = ["get", "industrydata", "-n", ELSEWHERE, "-o", status];
    assert_eq!(cluster.kubectl(&looked_at).await.trim(), "");
    let user = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
    for (namespace, may) in [(NAMESPACE, true), (ELSEWHERE, false)] {
        for resource in ["secrets", "provisioningflows"] {
            let question = [
                "auth", "can-i", "get", resource, "-n", namespace, "--as", &user,
            ];
            let answer = run(cluster.plane.kubectl().args(question)).await;
            assert_eq!(
                answer.is_ok(),
                may,
                "get {resource} in {namespace}: {answer:?}"
            );
        }
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_installed_by_server_side_apply() {
    let cluster = Cluster::empty("-k", "deploy/kustomize/overlays/highly-available").await;
    cluster.installs_once_and_for_all(&["--server-side"]).await;
    let (_simulator, operator) = cluster.start_operator().await;
    cluster.applies_samples(NAMESPACE).await;
    cluster.are_synced(NAMESPACE).await;
    operator.stop().await;
}

/// What the chart makes, but for the definitions, for those who do not use Helm.
pub async fn from_chart() -> String {
    let template = ["template", RELEASE, CHART, "--namespace", NAMESPACE];
    let without = ["--no-hooks", "--set", "crds.install=false"];
    let rendered = helm(
        &*test_env::plane().await,
        &[&template[..], &without].concat(),
    )
    .await;
    let rendered = rendered.unwrap();
    // What only Helm looks at would make others believe that Helm had installed it.
    let of_helm = ["# Source:", "helm.sh/", "managed-by: Helm"];
    let is_of_helm = |line: &&str| of_helm.iter().any(|mark| line.contains(mark));
    let lines = rendered.lines().filter(|line| !is_of_helm(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A cluster that has never seen the operator, and what is installed there.
struct Cluster {
    plane: ControlPlane,
    source: [String; 2],
}

impl Cluster {
    async fn empty(flag: &str, source: &str) -> Self {
        Self {
            plane: ControlPlane::start().await.unwrap(),
            source: [flag.to_owned(), path(source)],
        }
    }

    async fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.plane.kubectl().args(arguments)).await.unwrap()
    }

    /// A command of kubectl for all that is installed.
    async fn with_source(&self, command: &str, more: &[&str]) -> String {
        let [flag, path] = &self.source;
        let arguments = [&[command, flag, path], more].concat();
        self.kubectl(&arguments).await
    }

    /// Installs with one command. A second one changes nothing, and neither would a third.
    async fn installs_once_and_for_all(&self, mode: &[&str]) {
        self.with_source("apply", mode).await;
        self.plane.established().await.unwrap();
        let versions = r#"jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\n"}{end}"#;
        let before = self.with_source("get", &["-o", versions]).await;
        self.with_source("apply", mode).await;
        let after = self.with_source("get", &["-o", versions]).await;
        assert_eq!(before, after);
        let difference = self.with_source("diff", mode).await;
        assert_eq!(difference, "");
    }

    async fn deployment(&self) -> Value {
        let get = ["get", "deployment", RELEASE, "-n", NAMESPACE, "-o", "json"];
        serde_json::from_str(&self.kubectl(&get).await).unwrap()
    }

    /// Asks the API server whether it would let the pods in: the namespace enforces restricted Pod Security.
    async fn admits_the_pods(&self) {
        let template = self.deployment().await["spec"]["template"].take();
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": template["spec"] });
        pod["metadata"] = json!({ "name": RELEASE, "namespace": NAMESPACE });
        let create = ["create", "--dry-run=server"];
        let try_out = async |pod: &Value| kubectl(&self.plane, &create, &pod.to_string()).await;
        try_out(&pod).await.unwrap();
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let refused = try_out(&pod).await.unwrap_err();
        assert!(refused.contains("violates PodSecurity"), "{refused}");
    }

    /// Starts the operator as the pods are, as their account, but for the service that it talks to.
    async fn start_operator(&self) -> (Simulator, Process) {
        let simulator = Simulator::start(Options::default().with_application_writes())
            .await
            .unwrap();
        let account = self
            .plane
            .service_account(NAMESPACE, RELEASE)
            .await
            .unwrap();
        let operator = Launch::of(&self.deployment().await, &account)
            .flag("--graph-endpoint", &simulator.graph_endpoint())
            .flag("--authority-endpoint", &simulator.authority_endpoint());
        (simulator, operator.start().await)
    }

    async fn applies_samples(&self, namespace: &str) {
        let create = ["create", "namespace", namespace];
        let created = run(self.plane.kubectl().args(create)).await;
        assert_eq!(created.is_ok(), namespace != NAMESPACE, "{created:?}");
        for file in SAMPLES {
            // Each namespace has a set of its own name, as two must not declare the same.
            let manifest = sample(file).replace("District north", namespace);
            let applied = kubectl(&self.plane, &["apply", "-n", namespace], &manifest).await;
            applied.unwrap();
        }
    }

    async fn are_synced(&self, namespace: &str) {
        let wait = ["wait", "industrydata", "--all", "--for=condition=Synced"];
        let wait = [&wait[..], &["-n", namespace, "--timeout=2m"]].concat();
        let synced: BTreeSet<String> = self
            .kubectl(&wait)
            .await
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(synced.len(), 6, "{synced:?}");
    }
}
