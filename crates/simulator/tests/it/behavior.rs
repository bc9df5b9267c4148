//! Each switch does what it says.

use std::time::Duration;

use industrydata_simulator::{PatchAnswer, PatchComplex, Reception, Refusal};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{
    Bench, ROOT, SETS, administrative_unit, configuration, flows, last, security_group, user,
};

/// The body of a set for some schools.
pub(crate) fn filtered(name: &str, schools: &[&str]) -> Value {
    json!({ "displayName": name, "filter": {
        "@odata.type": "#microsoft.graph.industryData.basicFilter", "attribute": "orgExternalId", "in": schools } })
}

#[tokio::test]
async fn a_second_flow_of_a_type_is_refused_otherwise_or_created() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let set = path.split('/').nth(5).unwrap();
    bench.simulator.configure(|behavior| {
        behavior.second_flow_of_type = Some(Refusal::new(400, "nameAlreadyExists"));
    });
    assert_eq!(
        bench
            .post(&flows(set), &security_group())
            .await
            .expect(400)
            .code(),
        "nameAlreadyExists"
    );
    bench
        .simulator
        .configure(|behavior| behavior.second_flow_of_type = None);
    bench.post(&flows(set), &security_group()).await.expect(201);
}

#[tokio::test]
async fn duplicate_names_and_overlapping_filters_are_refused_by_switch() {
    let bench = Bench::new().await;
    bench
        .post(SETS, &filtered("north", &["a", "b"]))
        .await
        .expect(201);
    bench
        .post(SETS, &filtered("north", &["b"]))
        .await
        .expect(201);
    bench.simulator.configure(|behavior| {
        behavior.duplicate_set_name = Some(Refusal::new(409, "nameAlreadyExists"));
        behavior.overlapping_filter = Some(Refusal::new(400, "BadRequest"));
    });
    bench
        .post(SETS, &filtered("north", &["z"]))
        .await
        .expect(409);
    bench
        .post(SETS, &filtered("south", &["z", "a"]))
        .await
        .expect(400);
    bench
        .post(SETS, &filtered("south", &["z"]))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_set_takes_its_flows_with_it_or_is_held_by_them() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let set = format!("{SETS}/{}", path.split('/').nth(5).unwrap());
    bench
        .simulator
        .configure(|behavior| behavior.delete_set_with_flows = Some(Refusal::new(409, "Conflict")));
    bench.delete(&set).await.expect(409);
    bench
        .simulator
        .configure(|behavior| behavior.delete_set_with_flows = None);
    bench.delete(&set).await.expect(204);
    bench.get(&path).await.expect(404);
}

#[tokio::test]
async fn flows_inside_a_new_set_are_refused_ignored_or_created() {
    let bench = Bench::new().await;
    let body = json!({ "displayName": "deep", "provisioningFlows": [security_group(), administrative_unit()] });
    bench.post(SETS, &body).await.expect(400);
    for (reception, expected) in [(Reception::Ignore, 0), (Reception::Accept, 2)] {
        bench
            .simulator
            .configure(|behavior| behavior.deep_insert = reception);
        let set = crate::client::id(&bench.post(SETS, &body).await.expect(201));
        assert_eq!(
            bench.get(&flows(&set)).await.json()["value"]
                .as_array()
                .unwrap()
                .len(),
            expected
        );
    }
}

#[tokio::test]
async fn patch_replaces_a_complex_property_or_merges_into_it() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let mut partial = security_group();
    partial["creationOptions"] = json!({ "createBasedOnOrgPlusRoleGroup": true });
    bench.patch(&path, &partial).await.expect(400);
    bench
        .simulator
        .configure(|behavior| behavior.patch_complex = PatchComplex::Merge);
    bench.patch(&path, &partial).await.expect(204);
    let merged = json!({ "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": true });
    assert_eq!(bench.get(&path).await.json()["creationOptions"], merged);
}

#[tokio::test]
async fn patch_must_say_its_type_or_need_not_but_never_a_wrong_one() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let mut untyped = security_group();
    untyped.as_object_mut().unwrap().remove("@odata.type");
    bench.patch(&path, &untyped).await.expect(400);
    bench
        .simulator
        .configure(|behavior| behavior.patch_requires_type = false);
    bench.patch(&path, &untyped).await.expect(204);
    bench.patch(&path, &administrative_unit()).await.expect(400);
}

#[tokio::test]
async fn patch_may_answer_with_the_object() {
    let bench = Bench::switched(|behavior| behavior.patch_answer = PatchAnswer::Object).await;
    let path = bench.lone_flow().await;
    let answer = bench.patch(&path, &security_group()).await.expect(200);
    assert_eq!(answer.json()["id"], last(&path));
}

#[tokio::test]
async fn an_omitted_password_is_lost_or_kept() {
    let bench = Bench::new().await;
    let mut quiet = user();
    quiet["creationOptions"]["configurations"] = json!([configuration("staff", "sku")]);
    let one = quiet["creationOptions"]["configurations"][0]
        .as_object_mut()
        .unwrap();
    one.remove("defaultPasswordSettings");
    for keeps in [true, false] {
        bench
            .simulator
            .configure(|behavior| behavior.omitted_password_keeps = keeps);
        let set = bench.set("passwords").await;
        let path = bench.flow(&set, &user()).await;
        bench.patch(&path, &quiet).await.expect(204);
        assert_eq!(
            bench
                .simulator
                .has_password(last(&path), "staff", "secret of staff")
                .unwrap(),
            keeps
        );
    }
}

#[tokio::test]
async fn read_only_and_unknown_fields_are_ignored_or_refused() {
    let bench = Bench::new().await;
    let read_only =
        json!({ "displayName": "x", "id": "mine", "createdDateTime": "2020-01-01T00:00:00Z" });
    let created = bench.post(SETS, &read_only).await.expect(201).json();
    assert_ne!(created["id"], "mine");
    bench
        .simulator
        .configure(|behavior| behavior.read_only_fields = Reception::Refuse);
    bench.post(SETS, &read_only).await.expect(400);
    let unknown = json!({ "displayName": "x", "colour": "red" });
    bench.post(SETS, &unknown).await.expect(400);
    bench
        .simulator
        .configure(|behavior| behavior.unknown_fields = Reception::Ignore);
    assert!(
        bench
            .post(SETS, &unknown)
            .await
            .expect(201)
            .json()
            .get("colour")
            .is_none()
    );
}

#[tokio::test]
async fn an_empty_filter_is_kept_dropped_or_refused() {
    let bench = Bench::new().await;
    let empty = filtered("x", &[]);
    assert_eq!(
        bench.post(SETS, &empty).await.expect(201).json()["filter"]["in"],
        json!([])
    );
    bench
        .simulator
        .configure(|behavior| behavior.empty_filter = Reception::Ignore);
    assert_eq!(
        bench.post(SETS, &empty).await.expect(201).json()["filter"],
        Value::Null
    );
    bench
        .simulator
        .configure(|behavior| behavior.empty_filter = Reception::Refuse);
    bench.post(SETS, &empty).await.expect(400);
}

#[tokio::test]
async fn the_deprecated_property_is_ignored_kept_or_refused() {
    let bench = Bench::new().await;
    let mut body = user();
    body["managementOptions"]["additionalOptions"]["markAllStudentsAsMinors"] = json!(true);
    for (reception, status, shown) in [
        (Reception::Ignore, 201, None),
        (Reception::Accept, 201, Some(true)),
        (Reception::Refuse, 400, None),
    ] {
        bench
            .simulator
            .configure(|behavior| behavior.mark_all_students_as_minors = reception);
        let answer = bench
            .post(&flows(&bench.set("minors").await), &body)
            .await
            .expect(status)
            .json();
        let value = answer.pointer("/managementOptions/additionalOptions/markAllStudentsAsMinors");
        assert_eq!(value.and_then(Value::as_bool), shown);
    }
}

#[tokio::test]
async fn resets_and_deletions_can_be_refused_during_a_run_or_too_soon() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let reset = format!("{path}/reset");
    bench.simulator.configure(|behavior| {
        behavior.reset_during_run = Some(Refusal::new(423, "Locked"));
        behavior.delete_during_run = Some(Refusal::new(409, "Conflict"));
        behavior.reset_interval = Duration::from_mins(5);
    });
    bench
        .send(Method::POST, &format!("{ROOT}/runs/start"), None)
        .await
        .expect(202);
    bench.send(Method::POST, &reset, None).await.expect(423);
    bench.delete(&path).await.expect(409);
    bench.simulator.advance(Duration::from_mins(1));
    bench.send(Method::POST, &reset, None).await.expect(202);
    assert!(
        bench
            .send(Method::POST, &reset, None)
            .await
            .expect(429)
            .header("retry-after")
            .is_some()
    );
    bench.simulator.advance(Duration::from_mins(5));
    bench.send(Method::POST, &reset, None).await.expect(202);
    bench.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_flow_can_be_kept_from_deletion_by_its_readiness() {
    let bench =
        Bench::switched(|behavior| behavior.undeletable_readiness = vec!["failed".to_owned()])
            .await;
    let path = bench.lone_flow().await;
    bench
        .simulator
        .set_readiness(last(&path), "failed")
        .unwrap();
    bench.delete(&path).await.expect(409);
    bench.simulator.set_readiness(last(&path), "ready").unwrap();
    bench.delete(&path).await.expect(204);
}
