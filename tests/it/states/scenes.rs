//! Resources in as many states as there are reasons, all in one namespace.

use std::time::Duration;

use industrydata_operator::api::annotation;
use industrydata_simulator::{Answer, Behavior, Effect, Operation, Options, ReadinessScript, Rule};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::conditions::{is_ready, known_id, remote_id};
use crate::manifests::{
    connection, groups_by_id, groups_in, object, other_groups, secret, security, set, with,
};
use crate::test_env::TestEnv;

const FLOW: &str = "ProvisioningFlow";
const SET: &str = "OutboundProvisioningFlowSet";
const CONNECTION: &str = "GraphConnection";

/// A resource, and the reason of its headline.
pub struct Scene {
    pub reason: &'static str,
    pub kind: &'static str,
    pub name: String,
}

/// The service of all scenes: a flow has the readiness that it is given.
pub fn service() -> Options {
    let behavior = Behavior {
        readiness: ReadinessScript::manual(),
        ..Behavior::default()
    };
    Options {
        behavior,
        ..Options::default()
    }
}

fn scene(reason: &'static str, kind: &'static str) -> Scene {
    Scene {
        reason,
        kind,
        name: reason.to_lowercase(),
    }
}

/// Requests for something of this path, always answered so.
fn refuse(env: &TestEnv, operation: Operation, part: &str, effect: Effect) {
    let rule = Rule::new(effect).on(operation).path_part(part);
    env.simulator.inject(rule.always());
}

/// A remote set for a scene of its own.
fn remote_set(env: &TestEnv, name: &str) -> String {
    let set = json!({ "displayName": name });
    env.simulator.create_set(&set).unwrap()
}

/// A flow for a reason, in a remote set of its own, that has become ready. Returns the id of the set, too.
async fn ready_flow(env: &TestEnv, reason: &'static str, spec: Value) -> (Scene, String) {
    let scene = scene(reason, FLOW);
    let set = remote_set(env, &scene.name);
    let flow = with(groups_by_id(&scene.name, &set), &spec);
    env.apply(flow).await.unwrap();
    (scene, set)
}

async fn become_ready(env: &TestEnv, scenes: &[(Scene, String)]) {
    for (scene, _) in scenes {
        let has_id = |flow: &_| known_id(flow).is_some();
        let id = remote_id(&env.flow_where(&scene.name, has_id).await);
        env.simulator.set_readiness(&id, "ready").unwrap();
    }
    for (scene, _) in scenes {
        env.flow_where(&scene.name, is_ready).await;
    }
}

fn only_scenes(scenes: Vec<(Scene, String)>) -> impl Iterator<Item = Scene> {
    scenes.into_iter().map(|(scene, _)| scene)
}

/// Applies something that others refer to, and waits until the operator knows it: what refers to something unknown would
/// begin with an event about that.
async fn apply_first(env: &TestEnv, kind: &str, name: &str, manifest: Value) {
    env.apply(manifest).await.unwrap();
    let is_known = |object: &DynamicObject| object.data["status"]["conditions"].is_array();
    env.object_where(&env.api(kind), name, is_known).await;
}

/// States that last for a minute.
pub async fn in_passing(env: &TestEnv) -> Vec<Scene> {
    // The first ends soonest: after ten seconds, the reset has no answer.
    let reasons = ["Resetting", "ResetUnknown", "DeletionBlocked", "Deleting"];
    let mut flows = Vec::new();
    for reason in reasons {
        flows.push(ready_flow(env, reason, json!({})).await);
    }
    become_ready(env, &flows).await;
    let effects = [
        (
            Operation::ResetFlow,
            Effect::DelayBefore(Duration::from_secs(50)),
        ),
        (Operation::ResetFlow, Effect::CutAfterCommit),
        (Operation::DeleteFlow, Effect::Refuse(Answer::new(403))),
    ];
    for ((operation, effect), (_, set)) in effects.into_iter().zip(&flows) {
        refuse(env, operation, set, effect);
    }
    for (scene, _) in &flows[..2] {
        env.patch_flow(&scene.name, json!({ "resetToken": "one" }))
            .await;
    }
    for (scene, _) in &flows[2..] {
        env.delete_flow(&scene.name).await;
    }
    only_scenes(flows).collect()
}

/// A change that the service does not accept, for each cause.
pub async fn of_updates(env: &TestEnv) -> Vec<Scene> {
    let details = json!([{ "code": "x", "message": "x", "target": "creationOptions/createBasedOnRoleGroup" }]);
    let error = json!({ "error": { "code": "BadRequest", "message": "x", "details": details } });
    let answer = |status| Effect::Refuse(Answer::new(status));
    let causes = [
        ("Rejected", Effect::Refuse(Answer::new(400).json(error))),
        ("Unauthorized", answer(401)),
        ("Forbidden", answer(403)),
        ("InvalidRequest", answer(405)),
        ("TimedOut", answer(408)),
        ("Locked", answer(423)),
        ("ServiceUnavailable", answer(500)),
        ("UnexpectedAnswer", Effect::Refuse(Answer::new(400).html())),
        ("Unreachable", Effect::CutBefore),
        ("Throttled", answer(429)),
    ];
    // The service throttles a connection, not a flow.
    let own = json!({ "items": [null, { "metadata": { "name": "throttled" } }] });
    let throttled = merged(connection(), own);
    apply_first(env, CONNECTION, "throttled", throttled).await;
    let mut flows = Vec::new();
    for reason in causes.iter().map(|(reason, _)| *reason) {
        let through = if reason == "Throttled" {
            "throttled"
        } else {
            "contoso"
        };
        let spec = json!({ "connectionRef": { "name": through } });
        flows.push(ready_flow(env, reason, spec).await);
    }
    become_ready(env, &flows).await;
    for ((_, effect), (scene, set)) in causes.into_iter().zip(&flows) {
        refuse(env, Operation::UpdateFlow, set, effect);
        env.patch_flow(&scene.name, other_groups()).await;
    }
    only_scenes(flows).collect()
}

/// Merges the second value into the first; lists by position.
fn merged(mut one: Value, other: Value) -> Value {
    match (&mut one, other) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, value) in others {
                let member = members.remove(&name).unwrap_or_default();
                members.insert(name, merged(member, value));
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for (item, other) in items.iter_mut().zip(others) {
                *item = merged(item.take(), other);
            }
        }
        (_, Value::Null) => {}
        (one, other) => *one = other,
    }
    one
}

/// What the service reports of a flow, and a flow that differs.
pub async fn of_readiness(env: &TestEnv) -> Vec<Scene> {
    let words = [
        ("Ready", "ready"),
        ("NotReady", "notReady"),
        ("Failed", "failed"),
        ("Expired", "expired"),
        ("Disabled", "disabled"),
        ("ReadinessUnknown", "paused"),
        ("ProgressDeadlineExceeded", "notReady"),
        ("Drifted", "ready"),
    ];
    let mut flows = Vec::new();
    for (reason, _) in words {
        let spec = match reason {
            "ProgressDeadlineExceeded" => json!({ "progressDeadline": "2s" }),
            "Drifted" => {
                json!({ "driftPolicy": "Report", "securityGroup": null, "classGroup": classes(true) })
            }
            _ => json!({}),
        };
        flows.push(ready_flow(env, reason, spec).await);
    }
    become_ready(env, &flows).await;
    for ((reason, word), (scene, _)) in words.into_iter().zip(&flows) {
        let id = remote_id(&env.flow(&scene.name).await);
        env.simulator.set_readiness(&id, word).unwrap();
        if reason == "Drifted" {
            env.simulator.update_flow(&id, &classes(false)).unwrap();
        }
    }
    only_scenes(flows).collect()
}

/// A flow of class groups with one of two lists of roles and attributes.
fn classes(is_declared: bool) -> Value {
    let (attributes, member) = if is_declared {
        (json!(["courseTitle", "courseCode"]), "student")
    } else {
        (json!(["courseTitle", "classCode"]), "aide")
    };
    json!({ "configuration": {
        "additionalAttributes": attributes,
        "additionalOptions": { "createTeam": is_declared, "writeDisplayNameOnCreateOnly": false },
        "enrollmentMappings": {
            "ownerEnrollmentMappings": [{ "code": "teacher" }],
            "memberEnrollmentMappings": [{ "code": member }],
        },
    } })
}

/// What a resource refers to is missing, suspended or in use.
pub async fn of_references(env: &TestEnv) -> Vec<Scene> {
    let unconnected = with(
        set("unconnected"),
        &json!({ "connectionRef": { "name": "nowhere" } }),
    );
    let orphan = with(
        groups_by_id("connectionnotfound", &remote_set(env, "orphan")),
        &json!({ "connectionRef": { "name": "nowhere" } }),
    );
    let asleep = with(
        groups_by_id("suspended", &remote_set(env, "asleep")),
        &json!({ "suspend": true }),
    );
    apply_first(env, SET, "unconnected", unconnected).await;
    apply_first(env, SET, "inuse", set("inuse")).await;
    env.apply_all([
        orphan,
        asleep,
        groups_in("flowsetnotready", "unconnected"),
        groups_in("flowsetnotfound", "nowhere"),
        groups_in("user-of-inuse", "inuse"),
    ])
    .await;
    env.flow_where("user-of-inuse", |flow| known_id(flow).is_some())
        .await;
    env.kubectl(&["delete", "flowset", "inuse", "--wait=false"])
        .await
        .unwrap();
    let flows = [
        "ConnectionNotFound",
        "Suspended",
        "FlowSetNotReady",
        "FlowSetNotFound",
    ];
    let flows = flows.map(|reason| scene(reason, FLOW)).into_iter();
    flows.chain([scene("InUse", SET)]).collect()
}

/// What the service has, or does not have, before the operator does anything.
pub async fn of_what_exists(env: &TestEnv) -> Vec<Scene> {
    let remote = |name: &str| {
        let set = remote_set(env, name);
        let mut body = security();
        body["@odata.type"] = json!("#microsoft.graph.industryData.securityGroupProvisioningFlow");
        env.simulator.create_flow(&set, &body).unwrap();
        set
    };
    let mut named = groups_by_id("remoteidnotfound", &remote("remote-id"));
    let id = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001";
    named["metadata"]["annotations"] = json!({ annotation::REMOTE_ID: id });
    let observer = with(
        groups_by_id("notfound", &remote_set(env, "empty")),
        &json!({ "managementPolicy": "Observe", "securityGroup": {} }),
    );
    let shared = remote_set(env, "shared");
    let unresolved = remote_set(env, "unresolved");
    refuse(env, Operation::CreateFlow, &unresolved, Effect::CutBefore);
    env.apply_all([
        groups_by_id("alreadyexists", &remote("exists")),
        named,
        observer,
        groups_by_id("owner-of-conflict", &shared),
        groups_by_id("createunresolved", &unresolved),
    ])
    .await;
    env.flow_where("owner-of-conflict", |flow| known_id(flow).is_some())
        .await;
    env.apply(groups_by_id("conflict", &shared)).await.unwrap();
    [
        "AlreadyExists",
        "RemoteIdNotFound",
        "NotFound",
        "Conflict",
        "CreateUnresolved",
    ]
    .map(|reason| scene(reason, FLOW))
    .into()
}

/// What the authority reports of a credential, each through a tenant of its own.
pub async fn of_credentials(env: &TestEnv) -> Vec<Scene> {
    let codes = [
        ("CredentialRefused", "AADSTS123456"),
        ("CredentialExpired", "AADSTS7000222"),
        ("ClientSecretInvalid", "AADSTS7000215"),
        ("ClientSecretMissing", "AADSTS7000218"),
        ("ApplicationNotFound", "AADSTS700016"),
        ("TenantNotFound", "AADSTS90002"),
        ("ClockWrong", "AADSTS700024"),
        ("CertificateRefused", "AADSTS700027"),
        ("FederationRefused", "AADSTS70021"),
        ("SignInExpired", "AADSTS700082"),
        ("ConsentRequired", "AADSTS65001"),
        ("ConditionalAccess", "AADSTS53003"),
    ];
    let sample = connection()["items"][1]["spec"].clone();
    let mut connections = vec![secret(
        "credential",
        &json!({ "clientSecret": "simulator-secret" }),
    )];
    for (number, (reason, code)) in codes.into_iter().enumerate() {
        let tenant = format!("00000000-0000-4000-8000-{number:012}");
        let answer = Answer::new(400).code(code);
        refuse(env, Operation::Token, &tenant, Effect::Refuse(answer));
        let declared = json!({ "tenantId": tenant });
        let declared = with(
            object(CONNECTION, &reason.to_lowercase(), &sample),
            &declared,
        );
        connections.push(declared);
    }
    let credential = |credential| json!({ "credential": credential });
    let missing =
        json!({ "clientSecret": { "secretKeyRef": { "name": "missing", "key": "clientSecret" } } });
    let nobody = json!({ "workloadIdentity": { "serviceAccountName": "missing" } });
    for (name, declared) in [
        ("secretnotfound", missing),
        ("credentialunavailable", nobody),
    ] {
        connections.push(with(
            object(CONNECTION, name, &sample),
            &credential(declared),
        ));
    }
    env.apply_all(connections).await;
    let reasons = codes.into_iter().map(|(reason, _)| reason);
    let reasons = reasons.chain(["SecretNotFound", "CredentialUnavailable"]);
    reasons.map(|reason| scene(reason, CONNECTION)).collect()
}
