//! What Argo CD takes resources for at each stage of their lives: its own code judges live objects.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use industrydata_testbed::Tool;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::generated::assert_generated;
use super::unsettled;
use crate::stage::{Stage, is_ready, sample};

const CONFIG: &str = "deploy/argocd/argocd-cm.yaml";

#[test]
fn argo_cd_is_given_the_same_script_for_each_kind() {
    assert_generated(CONFIG, &config());
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_takes_each_stage_for_what_it_is() {
    let mut stage = Stage::set_up("argocd", unsettled()).await;
    let argo = Argo::new();
    stage.apply_samples().await;
    argo.says(
        &stage,
        &[
            ("contoso", "Progressing"),
            ("north", "Progressing"),
            ("north-users", "Progressing"),
        ],
    )
    .await;
    stage.start_operator(&[]).await;
    argo.says(
        &stage,
        &[
            ("contoso", "Healthy"),
            ("north", "Healthy"),
            ("north-users", "Progressing"),
        ],
    )
    .await;
    let has_id = |flow: &industrydata_operator::api::ProvisioningFlow| {
        flow.status
            .as_ref()
            .is_some_and(|status| status.id.is_some())
    };
    let flow = stage.flow_where("north-class-groups", has_id).await;
    let id = flow.status.unwrap().id.unwrap();
    for (word, health) in [
        ("ready", "Healthy"),
        ("failed", "Degraded"),
        ("expired", "Degraded"),
        ("notReady", "Progressing"),
        ("ready", "Healthy"),
    ] {
        stage.simulator.set_readiness(&id, word).unwrap();
        argo.says(&stage, &[("north-class-groups", health)]).await;
    }
    stage.flow_where("north-class-groups", is_ready).await;
    stage
        .patch_flow("north-class-groups", json!({ "driftPolicy": "Report" }))
        .await;
    let drift = json!({ "configuration": {
        "additionalOptions": { "createTeam": false, "writeDisplayNameOnCreateOnly": false },
        "enrollmentMappings": {
            "ownerEnrollmentMappings": [{ "code": "teacher" }],
            "memberEnrollmentMappings": [{ "code": "student" }],
        },
    } });
    stage.simulator.update_flow(&id, &drift).unwrap();
    argo.says(&stage, &[("north-class-groups", "Degraded")])
        .await;
    stage
        .patch_flow("north-class-groups", json!({ "driftPolicy": "Correct" }))
        .await;
    argo.says(&stage, &[("north-class-groups", "Healthy")])
        .await;
    stage
        .patch_flow("north-class-groups", json!({ "suspend": true }))
        .await;
    argo.says(&stage, &[("north-class-groups", "Suspended")])
        .await;
    let secretless = sample("connection.yaml").replace("name: contoso", "name: fabrikam");
    let (_, connection) = secretless.split_once("---").unwrap();
    stage.apply(connection).await.unwrap();
    argo.says(&stage, &[("fabrikam", "Degraded")]).await;
    stage.stop_operator().await;
    stage
        .patch_flow("north-class-groups", json!({ "suspend": false }))
        .await;
    argo.says(&stage, &[("north-class-groups", "Progressing")])
        .await;
    let delete = ["delete", "flowset", "north", "--wait=false"];
    stage.kubectl(&delete).await.unwrap();
    argo.says(&stage, &[("north", "Progressing"), ("contoso", "Healthy")])
        .await;
    stage.start_operator(&[]).await;
    stage
        .kubectl(&["delete", "industrydata", "--all"])
        .await
        .unwrap();
}

/// Argo CD, as it is configured by us.
struct Argo {
    config: tempfile::NamedTempFile,
}

impl Argo {
    fn new() -> Self {
        let config = tempfile::NamedTempFile::new().unwrap();
        let object: Value = serde_saphyr::from_str(&config_text()).unwrap();
        std::fs::write(&config, object.to_string()).unwrap();
        Self { config }
    }

    /// Waits until these resources are as healthy as this.
    async fn says(&self, stage: &Stage, expected: &[(&str, &str)]) {
        let what = format!("Argo CD to say {expected:?}");
        let holds = async || {
            let healths = self.judge(stage).await;
            expected
                .iter()
                .all(|(name, health)| healths[*name] == *health)
        };
        stage.until(&what, holds).await;
    }

    /// The health of each resource.
    async fn judge(&self, stage: &Stage) -> BTreeMap<String, String> {
        let list = stage
            .kubectl(&["get", "industrydata", "--output", "json"])
            .await
            .unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let items = list["items"].as_array().unwrap();
        let mut argo = Tool::ArgoHealth.command().await.unwrap();
        argo.arg(self.config.path());
        argo.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut argo = argo.spawn().unwrap();
        let mut input = argo.stdin.take().unwrap();
        for item in items {
            input.write_all(item.to_string().as_bytes()).await.unwrap();
        }
        drop(input);
        let output = argo.wait_with_output().await.unwrap();
        assert!(
            output.status.success(),
            "argo-health ended with {}",
            output.status
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let healths = text
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned());
        let names = items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned());
        names.zip(healths).collect()
    }
}

/// The file that people have.
fn config_text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIG)).unwrap()
}

/// The file that the script makes.
fn config() -> String {
    let script = include_str!("../../../deploy/argocd/health.lua");
    let lines: String = script
        .lines()
        .flat_map(|line| ["    ", line, "\n"])
        .collect();
    let kinds = [
        "GraphConnection",
        "OutboundProvisioningFlowSet",
        "ProvisioningFlow",
    ];
    let entries = kinds.map(|kind| {
        format!("  resource.customizations.health.industrydata.dev_{kind}: |\n{lines}")
    });
    format!(
        "# Made from health.lua. Merge `data` into the ConfigMap of your Argo CD.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
         app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n{}",
        entries.concat()
    )
}
