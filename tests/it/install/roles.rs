//! The roles of the chart grant what the operator uses, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, stream};
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::{Entry, Position, ProxyEffect, Rule};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::DynamicObject;
use serde_json::json;

use crate::conditions::is_ready;
use crate::manifests::{flow, security};
use crate::role;
use crate::role::{Reach, rules};
use crate::test_env::{TestEnv, plane, start_plane};
use crate::waiting::PATIENCE;

/// A group, a resource with its subresource, and a verb.
type Grant = (String, String, String);

/// More at once hold each other up until they lose their leases.
const LIVES_AT_A_TIME: usize = 4;

const KINDS: [&str; 3] = [
    "graphconnections",
    "outboundprovisioningflowsets",
    "provisioningflows",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_grant_exactly_what_is_used() {
    for (name, reach) in [
        ("roles", Reach::OneNamespace),
        ("roles-of-all", Reach::AllNamespaces),
    ] {
        // Of its own, as an operator for all namespaces would meet the resources of other tests.
        let plane = match reach {
            Reach::OneNamespace => plane().await,
            Reach::AllNamespaces => start_plane().await,
        };
        let env = TestEnv::set_up_for(plane, name, Options::default(), reach).await;
        grant_exactly_what_is_used(env, reach).await;
    }
}

async fn grant_exactly_what_is_used(mut env: TestEnv, reach: Reach) {
    let (start, operator) = (env.audit_position(), env.account.user().to_owned());
    live(&mut env).await;
    let entries = env.plane.audit().unwrap().since(start).unwrap();
    let entries = entries
        .iter()
        .filter(|entry| entry.user == operator && !entry.resource.is_empty());
    let lease = match reach {
        Reach::OneNamespace => "industrydata-operator",
        Reach::AllNamespaces => &env.namespace,
    };
    let mut used = BTreeSet::new();
    for entry in entries {
        assert_ne!(entry.code, 403, "{entry:?}");
        let is_lease = entry.resource == "leases" && entry.verb != "create";
        assert!(!is_lease || entry.name == lease, "{entry:?}");
        let is_secret = entry.resource == "secrets";
        assert!(!is_secret || entry.verb == "get", "{entry:?}");
        used.insert(grant_of(entry));
    }
    let roles = role::rendered(&env.plane, &env.namespace, reach).await;
    assert_eq!(
        granted(&roles),
        used,
        "on the left is what is granted, on the right what is used"
    );
}

/// Each operator lives the same life with one permission less, until it is refused what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_operator_is_refused_something() {
    let roles = role::rendered(&*plane().await, "roles", Reach::OneNamespace).await;
    stream::iter(granted(&roles).into_iter().enumerate())
        .for_each_concurrent(LIVES_AT_A_TIME, async |(number, grant)| {
            is_missed(&grant, &format!("without-{number}")).await;
        })
        .await;
}

async fn is_missed(grant: &Grant, namespace: &str) {
    let (plane, reach) = (plane().await, Reach::OneNamespace);
    let account = plane
        .service_account(namespace, role::ACCOUNT)
        .await
        .unwrap();
    let mut roles = role::rendered(&plane, namespace, reach).await;
    for object in &mut roles {
        take(object, grant);
    }
    role::grant(&plane, &account, &roles).await;
    let user = account.user().to_owned();
    let mut env = TestEnv::of(plane, namespace, Options::default(), account, reach).await;
    let refused = tokio::time::timeout(PATIENCE, refused(env.audit_position(), user, grant));
    let life = async {
        live(&mut env).await;
        // Without some, nothing else goes wrong; that it was refused is seen in the audit log.
        std::future::pending::<()>().await;
    };
    let in_time = tokio::select! {
        () = life => unreachable!("it pends"),
        in_time = refused => in_time,
    };
    assert!(in_time.is_ok(), "{grant:?} was not missed");
    env.abandon_operator();
}

/// Waits until somebody is refused something.
async fn refused(mut position: Position, user: String, grant: &Grant) {
    let plane = plane().await;
    let audit = plane.audit().unwrap();
    loop {
        let from = std::mem::replace(&mut position, audit.position().unwrap());
        let entries = audit.since(from).unwrap();
        let is_refusal =
            |entry: &Entry| entry.code == 403 && entry.user == user && grant_of(entry) == *grant;
        if entries.iter().any(is_refusal) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// All that an operator can meet: what is created, adopted, updated, reset and deleted, Secrets that change, events that
/// repeat, writes of others in between, a lease that is taken and released.
async fn live(env: &mut TestEnv) {
    let proxy = env.through_proxy().await;
    let conflict = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409, "reason": "Conflict" });
    for kind in KINDS {
        let conflict = ProxyEffect::answer(409, conflict.to_string());
        proxy.inject(
            Rule::new(conflict)
                .method("PATCH")
                .path_part(&format!("/{kind}/")),
        );
    }
    env.start_operator(&[]).await;
    env.apply_samples().await;
    let done = |operation| env.committed(operation);
    let (flow_name, users) = ("north-security-groups", "north-users");
    for name in [flow_name, users] {
        env.flow_where(name, is_ready).await;
    }
    for (times, age) in [(1, "adult"), (2, "minor"), (3, "adult")] {
        let options =
            json!({ "managementOptions": { "additionalOptions": { "studentAgeGroup": age } } });
        env.patch_flow(users, json!({ "user": options })).await;
        env.until("an update", async || done(Operation::UpdateFlow) >= times)
            .await;
        env.flow_where(users, is_ready).await;
    }
    env.patch_flow(flow_name, json!({ "resetToken": "again" }))
        .await;
    env.until("a reset", async || done(Operation::ResetFlow) == 1)
        .await;
    let passwords = [
        "patch",
        "secret",
        "passwords",
        "--patch",
        r#"{"stringData":{"staff":"Change-me-2"}}"#,
    ];
    env.kubectl(&passwords).await.unwrap();
    env.until("new passwords", async || done(Operation::UpdateFlow) >= 4)
        .await;

    env.patch_flow(flow_name, json!({ "deletionPolicy": "Retain" }))
        .await;
    env.remove_flow(flow_name).await;
    let adopting = json!({ "securityGroup": security(), "adoptionPolicy": "IfExists" });
    env.apply(flow(flow_name, &adopting)).await.unwrap();
    env.flow_where(flow_name, is_ready).await;
    env.kubectl(&["delete", "industrydata", "--all"])
        .await
        .unwrap();
    env.stop_operator().await;
}

fn grant_of(entry: &Entry) -> Grant {
    let resource = match entry.subresource.as_str() {
        "" => entry.resource.clone(),
        subresource => format!("{}/{subresource}", entry.resource),
    };
    (entry.group.clone(), resource, entry.verb.clone())
}

/// What these roles grant.
fn granted(roles: &[DynamicObject]) -> BTreeSet<Grant> {
    let all = roles.iter().flat_map(rules);
    all.flat_map(|rule| grants(&rule)).collect()
}

fn grants(rule: &PolicyRule) -> Vec<Grant> {
    let mut grants = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let grant = |verb: &String| (group.clone(), resource.clone(), verb.clone());
            grants.extend(rule.verbs.iter().map(grant));
        }
    }
    grants
}

/// Takes one permission from a role.
fn take(object: &mut DynamicObject, (group, resource, verb): &Grant) {
    let mut left = Vec::new();
    for rule in rules(object) {
        for grant in grants(&rule) {
            if grant != (group.clone(), resource.clone(), verb.clone()) {
                let (group, resource, verb) = grant;
                let (api_groups, resources) = (Some(vec![group]), Some(vec![resource]));
                left.push(PolicyRule {
                    api_groups,
                    resources,
                    verbs: vec![verb],
                    ..rule.clone()
                });
            }
        }
    }
    if object.data.get("rules").is_some() {
        object.data["rules"] = json!(left);
    }
}
