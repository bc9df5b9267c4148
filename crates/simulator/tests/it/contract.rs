//! The examples of the contract, one after the other.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{
    Answer, Bench, ROOT, SETS, administrative_unit, class_group, flows, id, last, read,
    security_group, user,
};

/// Checks what is the same in every flow answer and returns the rest.
pub(crate) fn own_properties(answer: &Answer, set: &str) -> Value {
    let mut body = answer.json();
    let object = body.as_object_mut().unwrap();
    let context = object.remove("@odata.context").unwrap();
    let wanted = format!("outboundProvisioningFlowSets('{set}')/provisioningFlows/$entity");
    assert!(context.as_str().unwrap().ends_with(&wanted), "{context}");
    for name in [
        "id",
        "createdDateTime",
        "lastModifiedDateTime",
        "readinessStatus",
    ] {
        assert!(
            object.remove(name).is_some_and(|value| value.is_string()),
            "{name}"
        );
    }
    body
}

fn assert_timestamp(value: &Value) {
    let text = value.as_str().unwrap();
    let fraction = text
        .strip_suffix('Z')
        .and_then(|text| text.split_once('.'))
        .map_or("", |(_, fraction)| fraction);
    assert!(
        text.ends_with('Z') && fraction.len() <= 7 && !fraction.ends_with('0'),
        "{text}"
    );
}

#[tokio::test]
async fn a_set_is_created_read_changed_and_deleted() {
    let bench = Bench::new().await;
    let sent = json!({ "@odata.type": "#microsoft.graph.industryData.outboundProvisioningFlowSet",
        "displayName": "ops-managed district north",
        "filter": { "@odata.type": "#microsoft.graph.industryData.basicFilter",
            "attribute": "orgExternalId", "in": ["school-17", "school-42"] } });
    let created = bench.post(SETS, &sent).await.expect(201);
    let body = created.json();
    assert_eq!(body["displayName"], sent["displayName"]);
    assert_eq!(body["filter"], sent["filter"]);
    assert_eq!(body["createdDateTime"], body["lastModifiedDateTime"]);
    assert_timestamp(&body["createdDateTime"]);
    assert!(body.get("@odata.type").is_none() && body.get("provisioningFlows").is_none());

    let path = format!("{SETS}/{}", id(&created));
    assert_eq!(bench.get(&path).await.expect(200).json(), body);
    let patched = bench
        .patch(&path, &json!({ "displayName": "renamed" }))
        .await
        .expect(204);
    assert_eq!(patched.text, "");
    let now = bench.get(&path).await.expect(200).json();
    assert_eq!(
        (&now["displayName"], &now["filter"]),
        (&json!("renamed"), &sent["filter"])
    );
    assert!(now["lastModifiedDateTime"].as_str() > now["createdDateTime"].as_str());
    assert_eq!(bench.delete(&path).await.expect(204).text, "");
    bench.get(&path).await.expect(404);
}

#[tokio::test]
async fn each_type_is_created_not_ready_and_answered_as_sent() {
    let bench = Bench::new().await;
    let set = bench.set("all types").await;
    for sent in [administrative_unit(), security_group(), class_group()] {
        let created = bench.post(&flows(&set), &sent).await.expect(201);
        let body = created.json();
        assert_eq!(body["readinessStatus"], "notReady");
        assert_eq!(body["createdDateTime"], body["lastModifiedDateTime"]);
        assert_timestamp(&body["createdDateTime"]);
        assert_eq!(own_properties(&created, &set), sent);
        let read = bench
            .get(&format!("{}/{}", flows(&set), id(&created)))
            .await
            .expect(200);
        assert_eq!(own_properties(&read, &set), sent);
    }
}

#[tokio::test]
async fn a_user_flow_comes_back_masked_and_with_role_groups_only_later() {
    let bench = Bench::new().await;
    let set = bench.set("users").await;
    let created = bench.post(&flows(&set), &user()).await.expect(201);
    assert!(!created.text.contains("secret of"));
    assert!(!created.text.contains("roleGroup"));
    let path = format!("{}/{}", flows(&set), id(&created));

    let read = bench.get(&path).await.expect(200);
    let own = own_properties(&read, &set);
    assert_eq!(own["managementOptions"], user()["managementOptions"]);
    assert_eq!(own["createUnmatchedUsers"], true);
    let students = &own["creationOptions"]["configurations"][0];
    let context = students["roleGroup@odata.context"].as_str().unwrap();
    assert!(
        context.ends_with("/creationOptions/configurations/roleGroup/$entity"),
        "{context}"
    );
    assert_eq!(
        students["licenseSkus"],
        json!(["00000000-0000-4000-8000-000000000002"])
    );
    assert_eq!(
        students["defaultPasswordSettings"],
        json!({ "@odata.type": "#microsoft.graph.industryData.simplePasswordSettings", "password": "***************" })
    );
    let group =
        json!({ "id": "students", "displayName": "Students", "roles": [{ "code": "student" }] });
    assert_eq!(students["roleGroup"], group);
    assert!(
        bench
            .simulator
            .has_password(last(&path), "students", "secret of students")
            .unwrap()
    );
}

#[tokio::test]
async fn a_list_holds_all_types_each_with_its_odata_type() {
    let bench = Bench::new().await;
    let set = bench.set("all types").await;
    for body in [
        administrative_unit(),
        security_group(),
        class_group(),
        user(),
    ] {
        bench.flow(&set, &body).await;
    }
    let list = bench.get(&flows(&set)).await.expect(200).json();
    assert!(
        list["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with(&format!("('{set}')/provisioningFlows"))
    );
    let values = list["value"].as_array().unwrap();
    let types: Vec<&str> = values
        .iter()
        .map(|flow| flow["@odata.type"].as_str().unwrap())
        .collect();
    assert_eq!(types.len(), 4);
    assert!(
        types
            .iter()
            .all(|name| name.starts_with("#microsoft.graph.industryData."))
    );
    assert!(
        values
            .iter()
            .all(|flow| flow.get("@odata.context").is_none())
    );
    assert_eq!(
        bench
            .get(&format!("{}/$count", flows(&set)))
            .await
            .expect(200)
            .text,
        "4"
    );
}

#[tokio::test]
async fn each_type_is_patched_by_204_and_moves_its_modification_date_only() {
    let bench = Bench::new().await;
    let set = bench.set("patched").await;
    let mut mappings = class_group();
    mappings["configuration"]["additionalAttributes"] = json!(["courseCode"]);
    mappings["configuration"]["enrollmentMappings"]["memberEnrollmentMappings"] =
        json!([{ "code": "substitute" }]);
    let mut options = security_group();
    options["creationOptions"]["createBasedOnOrgPlusRoleGroup"] = json!(true);
    let mut unit = administrative_unit();
    unit["creationOptions"]["createBasedOnOrgPlusRoleGroup"] = json!(true);
    for (first, second) in [
        (class_group(), mappings),
        (security_group(), options),
        (administrative_unit(), unit),
    ] {
        let path = bench.flow(&set, &first).await;
        let before = bench.get(&path).await.json();
        assert_eq!(bench.patch(&path, &second).await.expect(204).text, "");
        let after = bench.get(&path).await.expect(200);
        assert_eq!(own_properties(&after, &set), second);
        assert_eq!(after.json()["createdDateTime"], before["createdDateTime"]);
        assert!(
            after.json()["lastModifiedDateTime"].as_str() > before["lastModifiedDateTime"].as_str()
        );
    }
}

#[tokio::test]
async fn a_user_flow_is_patched_property_by_property() {
    let bench = Bench::new().await;
    let set = bench.set("users").await;
    let path = bench.flow(&set, &user()).await;
    let change = json!({ "@odata.type": "#microsoft.graph.industryData.userProvisioningFlow",
        "createUnmatchedUsers": false,
        "managementOptions": { "additionalAttributes": [],
            "additionalOptions": { "studentAgeGroup": null, "allowStudentContactAssociation": true } } });
    bench.patch(&path, &change).await.expect(204);
    let now = bench.get(&path).await.json();
    assert_eq!(now["createUnmatchedUsers"], false);
    assert_eq!(now["managementOptions"], change["managementOptions"]);
    assert_eq!(
        now["creationOptions"]["configurations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn reset_is_accepted_under_both_names_without_body_or_location() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    for name in ["reset", "microsoft.graph.industryData.reset"] {
        let answer = bench
            .send(Method::POST, &format!("{path}/{name}"), None)
            .await
            .expect(202);
        assert_eq!(
            (answer.text.as_str(), answer.header("location")),
            ("", None)
        );
    }
    assert_eq!(bench.simulator.journal().resets(last(&path)), 2);
}

#[tokio::test]
async fn the_second_flow_of_a_type_is_refused_and_another_set_may_have_one() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let set = path.split('/').nth(5).unwrap();
    bench.post(&flows(set), &security_group()).await.expect(409);
    let other = bench.set("other").await;
    bench
        .post(&flows(&other), &security_group())
        .await
        .expect(201);
}

#[tokio::test]
async fn what_the_metadata_does_not_allow_is_a_bad_request() {
    let bench = Bench::new().await;
    let set = bench.set("strict").await;
    let mut untyped = security_group();
    untyped.as_object_mut().unwrap().remove("@odata.type");
    let mut unknown_group = user();
    unknown_group["creationOptions"]["configurations"][0]["roleGroup@odata.bind"] =
        json!("roleGroups/nobody");
    let mut strange_word = class_group();
    strange_word["configuration"]["additionalAttributes"] = json!(["shoeSize"]);
    let mut incomplete = security_group();
    incomplete["creationOptions"]
        .as_object_mut()
        .unwrap()
        .remove("createBasedOnRoleGroup");
    let mut null = administrative_unit();
    null["creationOptions"] = Value::Null;
    let abstract_base = json!({ "@odata.type": "#microsoft.graph.industryData.provisioningFlow" });
    for body in [
        untyped,
        unknown_group,
        strange_word,
        incomplete,
        null,
        abstract_base,
    ] {
        bench.post(&flows(&set), &body).await.expect(400);
    }
    bench.post(SETS, &json!({})).await.expect(400);
    bench
        .post(SETS, &json!({ "displayName": null }))
        .await
        .expect(400);
    assert_eq!(bench.simulator.snapshot().sets[0].flows.len(), 0);
}

#[tokio::test]
async fn a_flow_is_looked_up_in_its_own_set() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let other = bench.set("other").await;
    bench
        .get(&format!("{}/{}", flows(&other), last(&path)))
        .await
        .expect(404);
    bench
        .delete(&format!("{}/{}", flows(&other), last(&path)))
        .await
        .expect(404);
    bench.get(&path).await.expect(200);
}

#[tokio::test]
async fn an_error_has_the_envelope_and_the_headers_of_graph() {
    let bench = Bench::new().await;
    let url = format!("{}{SETS}/nowhere", bench.simulator.graph_endpoint());
    let request = bench
        .http
        .get(url)
        .bearer_auth(&bench.token)
        .header("client-request-id", "my-own-id");
    let answer = read(request).await.unwrap().expect(404);
    let error = &answer.json()["error"];
    assert!(error["code"].is_string() && error["message"].is_string());
    assert_eq!(error["innerError"]["client-request-id"], "my-own-id");
    assert_eq!(
        error["innerError"]["request-id"].as_str(),
        answer.header("request-id")
    );
    assert_eq!(answer.header("client-request-id"), Some("my-own-id"));
    assert!(answer.header("date").unwrap().ends_with(" GMT"));
}

#[tokio::test]
async fn unknown_paths_methods_and_content_types_are_told_apart() {
    let bench = Bench::new().await;
    bench.get(&format!("{ROOT}/inboundFlows")).await.expect(404);
    bench
        .send(Method::PUT, SETS, Some(&json!({})))
        .await
        .expect(405);
    let url = format!("{}{SETS}", bench.simulator.graph_endpoint());
    let plain = bench
        .http
        .post(url)
        .bearer_auth(&bench.token)
        .body(r#"{"displayName":"x"}"#);
    read(plain.header("content-type", "text/plain"))
        .await
        .unwrap()
        .expect(415);
}
