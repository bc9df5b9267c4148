//! What the chart makes of its values: what it refuses, and what the API server says of the rest.

use clap::Parser;
use industrydata_operator::settings::Settings;
use industrydata_operator::shard::ShardCount;
use serde_json::{Value, json};

use super::{NAMESPACE, everything, helm, kubectl, objects, of_kind, render, restricted_namespace};
use crate::role::CHART;
use crate::test_env::{Flags, plane};

/// As little as can be.
fn nothing() -> Value {
    json!({
        "crds": { "install": false },
        "serviceAccount": { "create": false },
        "rbac": { "create": false },
        "leaderElection": { "enabled": false },
        "networkPolicy": { "enabled": false },
        "podDisruptionBudget": { "enabled": false },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_finds_nothing_wrong_with_the_chart() {
    helm(&*plane().await, &["lint", "--strict", CHART])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_refused_with_a_message_that_names_them() {
    let both = json!({ "configMapName": "a", "secretName": "b" });
    let table = [
        (json!({ "replicaCounts": 2 }), "'replicaCounts' not allowed"),
        (
            json!({ "replicaCount": "2" }),
            "'/replicaCount': got string, want integer",
        ),
        (
            json!({ "log": { "format": "xml" } }),
            "'/log/format': value must be one of 'text', 'json'",
        ),
        (
            json!({ "relistInterval": "soon" }),
            "'/relistInterval': 'soon' does not match",
        ),
        (
            json!({ "watchNamespaces": ["A_b"] }),
            "'/watchNamespaces/0': 'A_b' does not match",
        ),
        (
            json!({ "rbac": { "secretNames": ["../a"] } }),
            "'/rbac/secretNames/0': '../a' does not match",
        ),
        (
            json!({ "image": { "digest": "abc" } }),
            "'/image/digest': 'abc' does not match",
        ),
        (
            json!({ "resources": { "limit": {} } }),
            "'/resources': additional properties 'limit'",
        ),
        (
            json!({ "podSecurityContext": { "runAsNonRoot": false } }),
            "'/podSecurityContext/runAsNonRoot': value must be true",
        ),
        (
            json!({ "podSecurityContext": { "runAsUser": 0 } }),
            "'/podSecurityContext/runAsUser': minimum: got 0, want 1",
        ),
        (
            json!({ "securityContext": { "allowPrivilegeEscalation": true } }),
            "'/securityContext/allowPrivilegeEscalation': value must be false",
        ),
        (
            json!({ "graph": { "endpoint": "http://a" } }),
            "graph.endpoint is http://a: tokens and secrets",
        ),
        (
            json!({ "traces": { "endpoint": "collector:4318" } }),
            "'/traces/endpoint': 'collector:4318' does not match",
        ),
        (
            json!({ "graph": { "visibilityWindow": "40s" } }),
            "graph.visibilityWindow is 40s: it has to be more than",
        ),
        (
            json!({ "leaderElection": { "leaseDuration": "1m" } }),
            "together 80s",
        ),
        (
            json!({ "replicaCount": 2, "leaderElection": { "enabled": false } }),
            "all replicas would write. Set leaderElection.enabled to true, or replicaCount to 1",
        ),
        (
            json!({ "shards": 17, "replicaCount": 17 }),
            "'/shards': maximum: got 17, want 16",
        ),
        (
            json!({ "shards": 2 }),
            "Set replicaCount to at least 2; one more replica takes over",
        ),
        (
            json!({ "shards": 2, "leaderElection": { "enabled": false } }),
            "each shard needs a lease",
        ),
        (
            json!({ "ca": both }),
            "ca.configMapName and ca.secretName are both set",
        ),
    ];
    for (values, told) in table {
        let said = render(&*plane().await, &values).await.expect_err(told);
        assert!(said.contains(told), "{values} is refused with: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_values_make_is_valid_to_the_api_server() {
    let plane = plane().await;
    plane.service_account(NAMESPACE, "any").await.unwrap();
    let one_team = json!({ "watchNamespaces": ["default"], "crds": { "install": false } });
    for values in [json!({}), everything(), nothing(), one_team] {
        let manifest = render(&plane, &values).await.unwrap();
        let dry_run = [
            "apply",
            "--dry-run=server",
            "--server-side",
            "--validate=strict",
            "--force-conflicts",
        ];
        kubectl(&plane, &dry_run, &manifest).await.unwrap();
    }
}

/// As `OpenShift` demands it: the namespace determines the ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_fixed_ids_is_still_no_root() {
    let without = json!({ "runAsUser": null, "runAsGroup": null, "fsGroup": null });
    let values = json!({ "podSecurityContext": without });
    let objects = objects(&render(&*plane().await, &values).await.unwrap());
    let pod = &of_kind(&objects, "Deployment")["spec"]["template"]["spec"];
    let context = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    assert_eq!(pod["securityContext"], context);
    let test = of_kind(&objects, "Pod");
    assert_eq!(test["spec"]["securityContext"], context);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_are_admitted_where_only_restricted_ones_are() {
    let plane = plane().await;
    restricted_namespace(&plane, "restricted").await;
    let create = ["create", "--dry-run=server", "--namespace", "restricted"];
    for values in [json!({}), everything()] {
        let objects = objects(&render(&plane, &values).await.unwrap());
        let template = &of_kind(&objects, "Deployment")["spec"]["template"];
        let mut test = of_kind(&objects, "Pod").clone();
        test["metadata"]["namespace"] = Value::Null;
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod" }, "spec": template["spec"] });
        for pod in [&pod, &test] {
            kubectl(&plane, &create, &pod.to_string()).await.unwrap();
        }
        pod["spec"]["containers"][0]["securityContext"]["capabilities"] = Value::Null;
        let refused = kubectl(&plane, &create, &pod.to_string())
            .await
            .unwrap_err();
        assert!(refused.contains("violates PodSecurity"), "{refused}");
    }
}

/// A token in a pod is a way to the API server for whatever gets into the pod.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_pods_of_the_operator_get_a_token() {
    for values in [json!({}), everything()] {
        let objects = objects(&render(&*plane().await, &values).await.unwrap());
        let mounts = |object: &Value| {
            let template = &object["spec"]["template"]["spec"];
            let spec = [template, &object["spec"], object];
            let of_pod = spec.map(|one| one["automountServiceAccountToken"].clone());
            of_pod.into_iter().find(|one| !one.is_null())
        };
        for (kind, expected) in [
            ("Deployment", true),
            ("Pod", false),
            ("ServiceAccount", false),
        ] {
            let found = mounts(of_kind(&objects, kind));
            assert_eq!(found, Some(json!(expected)), "{kind}");
        }
        let with_pods = |object: &&Value| {
            !object["spec"]["containers"].is_null() || !object["spec"]["template"].is_null()
        };
        assert_eq!(objects.iter().filter(with_pods).count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_other_values_the_operator_is_started_with_its_own_defaults() {
    let objects = objects(&render(&*plane().await, &json!({})).await.unwrap());
    let container = &of_kind(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let given: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let own = ["run", "--log-format=json"].map(str::to_owned);
    assert_eq!(arguments(given), arguments(own.to_vec()));
}

/// The Lease of each shard has a name of its own, which the role has to contain.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_several_shards_may_use_the_leases_that_it_names() {
    let values = json!({ "shards": 2, "replicaCount": 3 });
    let objects = objects(&render(&*plane().await, &values).await.unwrap());
    let deployment = of_kind(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 3);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let given: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let settings = Settings::from_arguments(Flags::parse_from(given).arguments).unwrap();
    let lease = settings.lease.unwrap();
    assert_eq!(lease.shards.get(), 2);
    let names: Vec<String> = (1..=ShardCount::MAX)
        .map(|number| lease.lease_name(number))
        .collect();
    let is_of_lease = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["kind"] == "Role" && name.ends_with("-lease")
    };
    let role = objects.iter().find(is_of_lease).unwrap();
    let allowed = &role["rules"][1];
    assert_eq!(allowed["verbs"], json!(["get", "update"]));
    assert_eq!(allowed["resourceNames"], json!(names));
    assert_eq!(
        of_kind(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn for_one_team_nothing_is_cluster_wide() {
    let values = json!({ "watchNamespaces": ["north", "south"], "crds": { "install": false }, "rbac": { "aggregate": false } });
    let objects = objects(&render(&*plane().await, &values).await.unwrap());
    for object in &objects {
        assert!(
            object["metadata"]["namespace"].is_string(),
            "{object} has no namespace"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_more_time_to_end_than_the_operator_takes() {
    for (grace, seconds) in [("20s", 30), ("1m30s", 100)] {
        let objects = objects(
            &render(&*plane().await, &json!({ "shutdownGrace": grace }))
                .await
                .unwrap(),
        );
        let pod = &of_kind(&objects, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], seconds);
    }
}

/// What the operator reads from these words, of which the first takes the place of the program's name.
fn arguments(words: Vec<String>) -> String {
    format!("{:#?}", Flags::parse_from(words).arguments)
}
