//! What people see of the three kinds through kubectl.

use industrydata_operator::api::custom_resource_definitions;
use industrydata_simulator::Options;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::test_env::TestEnv;

/// One flow by reference and one by id.
const FLOWS: &str = "
apiVersion: industrydata.dev/v1alpha1
kind: ProvisioningFlow
metadata: { name: by-id }
spec:
  flowSetId: 11111111-2222-4333-8444-08dd00000001
  connectionRef: { name: contoso }
  user: { managementOptions: { additionalOptions: {} } }
---
apiVersion: industrydata.dev/v1alpha1
kind: ProvisioningFlow
metadata: { name: by-reference }
spec:
  flowSetRef: { name: north }
  user: { managementOptions: { additionalOptions: {} } }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_object_was_never_observed() {
    let env = TestEnv::set_up("definitions-new", Options::default()).await;
    env.apply_samples().await;
    for kind in ["gconn", "flowset", "pflow"] {
        let query = "jsonpath={range .items[*]}{.status.observedGeneration} {.metadata.generation}{'\\n'}{end}";
        let seen = env.kubectl(&["get", kind, "-o", query]).await.unwrap();
        assert!(
            !seen.is_empty() && seen.lines().all(|line| line == "-1 1"),
            "{kind}:\n{seen}"
        );
    }
    let connection = env.connections().get("contoso").await.unwrap();
    assert_eq!(connection.status.unwrap().observed_generation, -1);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_shows_flows_in_columns() {
    let env = TestEnv::set_up("definitions-columns", Options::default()).await;
    env.apply(FLOWS).await.unwrap();
    let conditions = ["Ready", "Synced"].map(|type_| {
        json!({
            "type": type_,
            "status": "False",
            "reason": "NotReady",
            "message": "being prepared",
            "lastTransitionTime": "2026-01-05T08:00:00Z",
        })
    });
    let status = json!({ "status": {
        "observedGeneration": 1,
        "id": "remote-id",
        "type": "user",
        "flowSet": "north",
        "readinessStatus": "notReady",
        "conditions": conditions,
    } });
    for flow in ["by-id", "by-reference"] {
        let parameters = PatchParams::default();
        env.flows()
            .patch_status(flow, &parameters, &Patch::Merge(&status))
            .await
            .unwrap();
    }

    let narrow = table(&env, &["get", "pflow"]).await;
    assert_eq!(
        narrow[0],
        ["NAME", "TYPE", "SET", "READINESS", "READY", "REASON", "AGE"]
    );
    assert_eq!(
        narrow[1][..6],
        ["by-id", "user", "north", "notReady", "False", "NotReady"]
    );

    let wide = table(&env, &["get", "pflow", "-o", "wide"]).await;
    let more = ["SYNCED", "SUSPENDED", "ID", "SINCE", "MESSAGE"];
    assert_eq!(wide[0][..7], narrow[0]);
    assert_eq!(wide[0][7..], more);
    assert_eq!(wide[2][7..10], ["False", "false", "remote-id"]);
    assert_eq!(wide[2][11..], ["being", "prepared"]);
}

/// Some clients evaluate the paths of columns with a library of their own, and understand members and the usual filter
/// for a condition, but no unions and no other filters.
#[test]
fn columns_have_plain_paths() {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for definition in custom_resource_definitions() {
        for version in &definition.spec.versions {
            for column in version.additional_printer_columns.iter().flatten() {
                let path = column.json_path.clone();
                let plain = ["Ready", "Synced"]
                    .iter()
                    .fold(path.clone(), |path, type_| {
                        path.replace(&format!(r#"[?(@.type=="{type_}")]"#), "")
                    });
                let members = plain.strip_prefix('.').unwrap_or_default();
                assert!(members.split('.').all(is_name), "{}: {path}", column.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_shows_all_three_kinds_by_their_category() {
    let env = TestEnv::set_up("definitions-category", Options::default()).await;
    env.apply_samples().await;
    let listed = env
        .kubectl(&["get", "industrydata", "-o", "name"])
        .await
        .unwrap();
    let names = [
        "graphconnection.industrydata.dev/contoso",
        "outboundprovisioningflowset.industrydata.dev/north",
        "provisioningflow.industrydata.dev/north-users",
    ];
    for name in names {
        assert!(
            listed.lines().any(|line| line == name),
            "{name} is not in:\n{listed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explain_shows_the_fields() {
    let env = TestEnv::set_up("definitions-explain", Options::default()).await;
    // The API server publishes the schema a moment after it serves the kind.
    let explain = async || {
        env.kubectl(&["explain", "pflow.spec.user", "--recursive"])
            .await
    };
    env.until("a published schema", async || explain().await.is_ok())
        .await;
    let told = explain().await.unwrap();
    for words in [
        "Provisions users.",
        "createUnmatchedUsers",
        "configurations",
        "roleGroup",
        "secretKeyRef",
    ] {
        assert!(told.contains(words), "{words} is not in:\n{told}");
    }
    let told = env
        .kubectl(&["explain", "pflow.spec.progressDeadline"])
        .await
        .unwrap();
    assert!(
        told.contains("How long the flow may stay not ready"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_right_to_the_last_field() {
    let env = TestEnv::set_up("definitions-samples", Options::default()).await;
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/samples");
    let apply = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        samples,
    ];
    let applied = env.kubectl(&apply).await.unwrap();
    let created = |line: &str| line.ends_with("created (server dry run)");
    assert!(applied.lines().all(created), "{applied}");
    assert!(
        env.flows()
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_field_is_named() {
    let env = TestEnv::set_up("definitions-mistyped", Options::default()).await;
    let told = env
        .apply(&FLOWS.replace("flowSetId", "flowsetId"))
        .await
        .unwrap_err();
    assert!(told.contains(r#"unknown field "spec.flowsetId""#), "{told}");
    let flows = env
        .flows()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    assert!(flows.iter().all(|flow| flow.name_any() == "by-reference"));
}

/// What kubectl prints as a table, by words.
async fn table(env: &TestEnv, arguments: &[&str]) -> Vec<Vec<String>> {
    let printed = env.kubectl(arguments).await.unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    printed.lines().map(words).collect()
}
