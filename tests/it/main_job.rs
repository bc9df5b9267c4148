//! The main job: apply, create, poll, mirror, reset, delete.

use industrydata_operator::api::{OutboundProvisioningFlowSet, ProvisioningFlow};
use industrydata_simulator::{FlowType, Operation, Options};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::conditions::{
    has_accepted, headline, is_ready, known_id, ready, remote_id, stalled, told,
};
use crate::manifests::{groups, groups_by_id, sample, secret, units, with};
use crate::test_env::TestEnv;

const FLOWS: [(&str, FlowType); 4] = [
    ("north-administrative-units", FlowType::AdministrativeUnit),
    ("north-class-groups", FlowType::ClassGroup),
    ("north-security-groups", FlowType::SecurityGroup),
    ("north-users", FlowType::User),
];

async fn samples_ready(env: &TestEnv) {
    env.apply_samples().await;
    for (name, _) in FLOWS {
        env.flow_where(name, is_ready).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_costs_four_writes_until_it_is_ready_and_none_after() {
    let env = TestEnv::open("cost").await;
    // A flow whose set is not there in time says so, which is a write more.
    env.apply_sample_set().await;
    let there = |set: &OutboundProvisioningFlowSet| {
        let status = set.status.as_ref();
        status.is_some_and(|status| status.id.is_some())
    };
    env.object_where(&env.sets(), "north", there).await;
    let start = env.audit_position();
    samples_ready(&env).await;
    let wait = [
        "wait",
        "--for=condition=Ready",
        "pflow",
        "--all",
        "--timeout=60s",
    ];
    env.kubectl(&wait).await.unwrap();
    let writes = env.writes_since(start);
    for (name, _) in FLOWS {
        let of_flow =
            |write: &&String| write.contains("provisioningflows") && write.ends_with(name);
        let patches = writes.iter().filter(of_flow).count();
        let events = writes
            .iter()
            .filter(|write| write.contains(&format!("{name}.")))
            .count();
        assert!(patches + events <= 4, "{name}: {writes:#?}");
    }
    let status = env.flow(FLOWS[0].0).await.status.unwrap();
    let set = status.flow_set_id.unwrap();
    let journal = env.simulator.journal();
    for (_, kind) in FLOWS {
        assert_eq!(journal.flows_created(&set, kind), 1);
    }
    assert_eq!(
        journal.requests(Operation::GetFlow),
        0,
        "flows are listed by set, never got one by one"
    );

    // The set's own status may still follow its flows.
    env.polls(2).await;
    let (versions, start) = (env.versions().await, env.audit_position());
    env.polls(4).await;
    assert_eq!(env.versions().await, versions);
    assert_eq!(env.writes_since(start), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_serves_all_flows_that_are_created_together() {
    let mut env = TestEnv::set_up("lists", Options::default()).await;
    env.apply_samples().await;
    env.start_operator(&[]).await;
    for (name, _) in FLOWS {
        env.flow_where(name, |flow| known_id(flow).is_some()).await;
    }
    let journal = env.simulator.journal();
    let sent = journal
        .entries()
        .iter()
        .filter(|entry| entry.operation == Operation::CreateFlow);
    let first = sent.map(|entry| entry.sequence).min().unwrap();
    let lists =
        journal.count(|entry| entry.operation == Operation::ListFlows && entry.sequence < first);
    assert!(lists <= 2, "{lists} lists before the first create");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_says_of_a_flow_is_mirrored() {
    let env = TestEnv::open("mirror").await;
    samples_ready(&env).await;
    for (name, _) in FLOWS {
        let flow = env.flow(name).await;
        let status = flow.status.clone().unwrap();
        let remote = env.simulator.flow(&remote_id(&flow)).unwrap().resource;
        assert_eq!(json!(status.id), remote["id"]);
        assert_eq!(json!(status.created_date_time), remote["createdDateTime"]);
        assert_eq!(
            json!(status.last_modified_date_time),
            remote["lastModifiedDateTime"]
        );
        assert_eq!(json!(status.readiness_status), remote["readinessStatus"]);
    }
    let (name, _) = FLOWS[0];
    let id = remote_id(&env.flow(name).await);
    for (word, told_ready, told_stalled) in [
        ("notReady", "False/NotReady", ""),
        ("disabled", "False/Disabled", ""),
        ("failed", "False/Failed", "True/Failed"),
        ("expired", "False/Expired", "True/Expired"),
        ("pausedByMoon", "Unknown/ReadinessUnknown", ""),
        ("ready", "True/Ready", ""),
    ] {
        env.simulator.set_readiness(&id, word).unwrap();
        let mirrored = |flow: &ProvisioningFlow| {
            flow.status.as_ref().unwrap().readiness_status.as_deref() == Some(word)
        };
        let flow = env.flow_where(name, mirrored).await;
        assert_eq!(
            (ready(&flow).as_str(), stalled(&flow).as_str()),
            (told_ready, told_stalled)
        );
        let history = flow.status.unwrap().readiness_history;
        assert_eq!(history.last().unwrap().status, word);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_new_token_resets_once() {
    let env = TestEnv::open("reset").await;
    samples_ready(&env).await;
    for (name, _) in FLOWS {
        let id = remote_id(&env.flow(name).await);
        env.patch_flow(name, json!({ "resetToken": "first" })).await;
        env.flow_where(name, |flow| has_accepted(flow, "first"))
            .await;
        assert_eq!(env.simulator.journal().resets(&id), 1);
    }
    let (name, _) = FLOWS[0];
    let id = remote_id(&env.flow(name).await);
    env.patch_flow(name, json!({ "resetToken": null })).await;
    env.patch_flow(name, json!({ "resetToken": "first" })).await;
    env.flow_where(name, is_ready).await;
    env.polls(2).await;
    assert_eq!(
        env.simulator.journal().resets(&id),
        1,
        "the same token again resets nothing"
    );
    env.annotate_flow(
        name,
        "industrydata.dev/reset-requested-at",
        "2026-11-24T00:00:00Z",
    )
    .await;
    env.until("reset", async || env.simulator.journal().resets(&id) == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_flow_is_born_with_is_only_noted() {
    let env = TestEnv::open("born").await;
    env.apply_sample_set().await;
    let born = with(groups("born"), &json!({ "resetToken": "born" }));
    env.apply(born).await.unwrap();
    let flow = env.flow_where("born", is_ready).await;
    let reset = flow.status.clone().unwrap().reset.unwrap();
    assert_eq!((reset.token.as_deref(), reset.phase), (Some("born"), None));
    assert_eq!(env.simulator.journal().resets(&remote_id(&flow)), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_service_in_one_update() {
    let env = TestEnv::open("update").await;
    samples_ready(&env).await;
    let changes = [
        (
            0,
            json!({ "administrativeUnit": { "creationOptions": { "createBasedOnOrgPlusRoleGroup": true } } }),
            "/creationOptions/createBasedOnOrgPlusRoleGroup",
            json!(true),
        ),
        (
            1,
            json!({ "classGroup": { "configuration": { "additionalAttributes": ["courseCode"] } } }),
            "/configuration/additionalAttributes",
            json!(["courseCode"]),
        ),
        (
            1,
            json!({ "classGroup": { "configuration": { "additionalOptions": { "createTeam": false } } } }),
            "/configuration/additionalOptions/createTeam",
            json!(false),
        ),
        (
            1,
            json!({ "classGroup": { "configuration": { "enrollmentMappings": { "memberEnrollmentMappings": [{ "code": "paraProfessional" }] } } } }),
            "/configuration/enrollmentMappings/memberEnrollmentMappings/0/code",
            json!("paraprofessional"),
        ),
        (
            2,
            json!({ "securityGroup": { "creationOptions": { "createBasedOnRoleGroup": false } } }),
            "/creationOptions/createBasedOnRoleGroup",
            json!(false),
        ),
        (
            3,
            json!({ "user": { "createUnmatchedUsers": false } }),
            "/createUnmatchedUsers",
            json!(false),
        ),
        (
            3,
            json!({ "user": { "managementOptions": { "additionalOptions": { "studentAgeGroup": "adult" } } } }),
            "/managementOptions/additionalOptions/studentAgeGroup",
            json!("adult"),
        ),
        (
            3,
            json!({ "user": { "managementOptions": { "additionalOptions": { "studentAgeGroup": null } } } }),
            "/managementOptions/additionalOptions/studentAgeGroup",
            Value::Null,
        ),
    ];
    for (index, change, path, wanted) in changes {
        let (name, _) = FLOWS[index];
        let id = remote_id(&env.flow(name).await);
        let before = env.simulator.journal().updates(&id);
        env.patch_flow(name, change).await;
        env.flow_where(name, is_ready).await;
        let remote = env.simulator.flow(&id).unwrap().resource;
        assert_eq!(
            remote.pointer(path).cloned().unwrap_or_default(),
            wanted,
            "{path}"
        );
        env.polls(3).await;
        assert_eq!(env.simulator.journal().updates(&id), before + 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_reaches_the_service() {
    let env = TestEnv::open("password").await;
    samples_ready(&env).await;
    let id = remote_id(&env.flow("north-users").await);
    let has = |password| env.simulator.has_password(&id, "staff", password).unwrap();
    assert!(has("Change-me-1-staff"));
    let changed = json!({ "staff": "Changed-2-staff", "students": "Changed-2-students" });
    env.apply(secret("passwords", &changed)).await.unwrap();
    env.until("new password", async || has("Changed-2-staff"))
        .await;
    env.polls(3).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
    let key = |key: &str| json!({ "secretKeyRef": { "name": "passwords", "key": key } });
    let configurations = json!([
        { "roleGroup": "staff", "defaultPassword": key("students") },
        { "roleGroup": "students", "defaultPassword": key("students") },
    ]);
    let change = json!({ "user": { "creationOptions": { "configurations": configurations } } });
    env.patch_flow("north-users", change).await;
    env.until("another key", async || has("Changed-2-students"))
        .await;
    assert_eq!(env.simulator.journal().updates(&id), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_go_in_any_order_and_leave_what_their_policy_says() {
    let env = TestEnv::open("deletion").await;
    samples_ready(&env).await;
    env.patch_flow("north-class-groups", json!({ "deletionPolicy": "Retain" }))
        .await;
    let kept = remote_id(&env.flow_where("north-class-groups", is_ready).await);
    let gone = remote_id(&env.flow("north-users").await);
    env.connections()
        .delete("contoso", &DeleteParams::default())
        .await
        .unwrap();
    env.sets()
        .delete("north", &DeleteParams::default())
        .await
        .unwrap();
    let set = env.sets().get("north").await.unwrap();
    assert!(set.metadata.deletion_timestamp.is_some());
    env.delete_flows().await;
    env.flows_gone(&FLOWS.map(|(name, _)| name)).await;
    env.gone(&env.sets(), "north").await;
    env.gone(&env.connections(), "contoso").await;
    let journal = env.simulator.journal();
    assert_eq!((journal.deletions(&kept), journal.deletions(&gone)), (0, 1));
    assert_eq!(journal.committed(Operation::DeleteSet), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_exists_is_adopted_only_where_that_is_allowed() {
    let env = TestEnv::open("adoption").await;
    env.apply(sample("connection.yaml")).await.unwrap();
    let set = json!({ "displayName": "made by hand" });
    let set = env.simulator.create_set(&set).unwrap();
    let body = json!({ "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "creationOptions": { "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": false } });
    let id = env.simulator.create_flow(&set, &body).unwrap();
    env.apply(groups_by_id("adopted", &set)).await.unwrap();
    let told_of = env.flow_stalled("adopted", "AlreadyExists").await;
    let message = headline(&told_of).message;
    assert!(
        message.contains(&id) && message.contains("industrydata.dev/remote-id"),
        "{message}"
    );
    env.annotate_flow("adopted", "industrydata.dev/remote-id", &id)
        .await;
    let adopted = env.flow_where("adopted", is_ready).await;
    assert_eq!(remote_id(&adopted), id);
    let remote = env.simulator.flow(&id).unwrap().resource;
    assert_eq!(
        remote["creationOptions"]["createBasedOnRoleGroup"],
        json!(true)
    );
    assert_eq!(env.requests(Operation::CreateFlow), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_and_observed_flows_change_nothing_at_the_service() {
    let env = TestEnv::open("hands-off").await;
    env.apply_sample_set().await;
    let asleep = with(groups("asleep"), &json!({ "suspend": true }));
    let watching = with(units("watching"), &json!({ "managementPolicy": "Observe" }));
    env.apply_all([asleep, watching]).await;
    env.flow_stalled("watching", "NotFound").await;
    let suspended = |flow: &_| told(flow, "Synced") == "False/Suspended";
    env.flow_where("asleep", suspended).await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
    env.remove_flow("asleep").await;
    env.patch_flow("watching", json!({ "managementPolicy": "Manage" }))
        .await;
    let managed = env.flow_where("watching", is_ready).await;
    assert!(
        managed
            .finalizers()
            .contains(&"industrydata.dev/remote".to_owned())
    );
}
