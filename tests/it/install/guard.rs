//! The guard of the chart against accidental deletions, on a control plane of its own, as it concerns all namespaces.

use industrydata_operator::api::annotation::CONFIRM_DELETION;
use industrydata_operator::plan::resource::is_deleting;
use industrydata_simulator::{Operation, Options};

use industrydata_testbed::{run, run_with_input};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{NAMESPACE, RELEASE, render};
use crate::manifests::{flow, groups, objects, types, units, with};
use crate::role::Reach;
use crate::test_env::{TestEnv, start_plane};

const REFUSED: &str = "deleting this resource deletes";

/// An environment whose control plane has the guard, and a set with three flows.
async fn guarded() -> TestEnv {
    let plane = start_plane().await;
    let values = json!({ "deletionGuard": { "enabled": true } });
    let chart = objects(&render(&plane, &values).await.unwrap());
    let is_guard = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap();
        kind.starts_with("ValidatingAdmissionPolicy")
    };
    let guard: Vec<String> = chart
        .iter()
        .filter(is_guard)
        .map(Value::to_string)
        .collect();
    assert_eq!(guard.len(), 2);
    let mut apply = plane.kubectl();
    apply.args(["apply", "--validate=strict", "--filename", "-"]);
    run_with_input(&mut apply, &guard.join("\n---\n"))
        .await
        .unwrap();
    let mut env =
        TestEnv::set_up_for(plane, "guarded", Options::default(), Reach::AllNamespaces).await;
    env.start_operator(&[]).await;
    env.apply_sample_set().await;
    let [_, _, (class_group, classes, _), _] = types();
    let classes = flow("classes", &json!({ class_group: classes }));
    for flow in [groups("groups"), units("units"), classes] {
        env.apply_ready(flow).await;
    }
    let in_force = async || {
        delete(&env, &["pflow/groups", "--dry-run=server"])
            .await
            .is_err()
    };
    env.until("the policy", in_force).await;
    env
}

async fn delete(env: &TestEnv, what: &[&str]) -> Result<String, String> {
    env.kubectl(&[&["delete"], what].concat()).await
}

async fn annotate(env: &TestEnv, resource: &str, annotation: &str) {
    let annotate = ["annotate", "--overwrite", resource, annotation];
    env.kubectl(&annotate).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_refuses_to_delete_what_exists_at_the_service() {
    let env = guarded().await;
    let confirm = |name: &str| format!("{CONFIRM_DELETION}={name}");
    annotate(&env, "pflow/classes", &confirm("groups")).await;
    for what in [
        &["pflow/groups"][..],
        &["flowset/north"],
        // The name of another resource confirms nothing.
        &["pflow/classes"],
        &["pflow", "--all"],
    ] {
        let said = delete(&env, what).await.unwrap_err();
        assert!(said.contains(REFUSED), "{what:?}: {said}");
    }
    let flow = env.flow("groups").await;
    let id = flow.status.unwrap().id.unwrap();
    let said = delete(&env, &["pflow/groups"]).await.unwrap_err();
    let remedy = format!("set the annotation {CONFIRM_DELETION} to groups");
    assert!(said.contains(&id) && said.contains(&remedy), "{said}");
    // All at once is refused as each alone is.
    let all = format!(
        "/apis/industrydata.dev/v1alpha1/namespaces/{}/provisioningflows",
        env.namespace
    );
    let said = delete(&env, &["--raw", &all]).await.unwrap_err();
    assert!(said.contains(REFUSED), "{said}");
    assert_eq!(env.committed(Operation::DeleteFlow), 0);

    annotate(&env, "pflow/groups", &confirm("groups")).await;
    delete(&env, &["pflow/groups"]).await.unwrap();
    assert_eq!(env.committed(Operation::DeleteFlow), 1);

    // A second request to delete what is being deleted already changes nothing.
    annotate(&env, "flowset/north", &confirm("north")).await;
    for _ in 0..2 {
        delete(&env, &["flowset/north", "--wait=false"])
            .await
            .unwrap();
    }
    // A namespace is deleted with all that is in it, whatever is confirmed.
    delete(&env, &["namespace", &env.namespace, "--wait=false"])
        .await
        .unwrap();
    let all_deleted = async || {
        let flows = env.flows().list(&ListParams::default()).await.unwrap();
        flows.iter().all(is_deleting)
    };
    env.until("the deletion of all flows", all_deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_lets_go_of_what_stays_at_the_service() {
    let mut env = guarded().await;
    let retain = json!({ "deletionPolicy": "Retain" });
    env.patch_flow("groups", retain).await;
    let observe = json!({ "managementPolicy": "Observe" });
    env.patch_flow("classes", observe).await;
    annotate(&env, "pflow/units", "industrydata.dev/abandon=true").await;
    for flow in ["groups", "classes", "units"] {
        delete(&env, &[&format!("pflow/{flow}")]).await.unwrap();
    }
    assert_eq!(env.committed(Operation::DeleteFlow), 0);

    // What was never created has nothing to confirm.
    env.stop_operator().await;
    let elsewhere = with(
        groups("elsewhere"),
        &json!({ "flowSetRef": { "name": "none" } }),
    );
    env.apply(&elsewhere).await.unwrap();
    delete(&env, &["pflow/elsewhere"]).await.unwrap();

    // The account of the operator needs no confirmation.
    env.start_operator(&[]).await;
    let operator = env.plane.service_account(NAMESPACE, RELEASE).await.unwrap();
    let subject = format!("--serviceaccount={NAMESPACE}:{RELEASE}");
    let role = ["create", "clusterrole", "may-delete", "--verb=delete,get"];
    let resources = ["--resource=outboundprovisioningflowsets.industrydata.dev"];
    env.kubectl(&[&role[..], &resources].concat())
        .await
        .unwrap();
    let bind = [
        "create",
        "rolebinding",
        "deletes",
        "--clusterrole=may-delete",
        &subject,
    ];
    env.kubectl(&bind).await.unwrap();
    let dry_run = ["delete", "flowset/north", "--dry-run=server", "--namespace"];
    let may_delete = async || {
        let mut kubectl = operator.kubectl();
        run(kubectl.args(dry_run).arg(&env.namespace)).await.is_ok()
    };
    env.until("the binding", may_delete).await;
    let said = delete(&env, &dry_run[1..3]).await.unwrap_err();
    assert!(said.contains(REFUSED), "{said}");
}
