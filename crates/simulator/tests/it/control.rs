//! The control API: everything that the methods do, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Bench, CLIENT, SETS, flows, last, security_group, user};

#[tokio::test]
async fn state_shows_sets_and_flows_with_their_readiness() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let state = bench
        .control(Method::GET, "/state", None)
        .await
        .expect(200)
        .json();
    assert_eq!(state["sets"][0]["displayName"], "lone");
    let flow = &state["sets"][0]["flows"][0];
    assert_eq!(
        (&flow["id"], &flow["flowType"]),
        (&json!(last(&path)), &json!("securityGroup"))
    );
    assert_eq!(flow["readiness"], "notReady");
    assert_eq!(
        &bench
            .control(Method::GET, &format!("/flows/{}", last(&path)), None)
            .await
            .json(),
        flow
    );
}

#[tokio::test]
async fn faults_are_put_in_force_listed_and_ended() {
    let bench = Bench::new().await;
    let rule = json!({ "operation": "listSets", "times": null,
        "effect": { "refuse": { "status": 429, "retryAfter": { "decimal": 2.128 } } } });
    let id = bench
        .control(Method::POST, "/faults", Some(&rule))
        .await
        .expect(201)
        .json()["id"]
        .as_u64()
        .unwrap();
    assert_eq!(
        bench.get(SETS).await.expect(429).header("retry-after"),
        Some("2.128")
    );
    assert_eq!(
        bench.control(Method::GET, "/faults", None).await.json()[0]["hits"],
        1
    );
    bench
        .control(Method::DELETE, &format!("/faults/{id}"), None)
        .await
        .expect(204);
    bench
        .control(Method::DELETE, &format!("/faults/{id}"), None)
        .await
        .expect(404);
    bench.get(SETS).await.expect(200);
    bench
        .control(Method::POST, "/faults", Some(&rule))
        .await
        .expect(201);
    bench
        .control(Method::DELETE, "/faults", None)
        .await
        .expect(204);
    bench.get(SETS).await.expect(200);
    bench
        .control(
            Method::POST,
            "/faults",
            Some(&json!({ "effect": "nonsense" })),
        )
        .await
        .expect(422);
}

#[tokio::test]
async fn time_and_readiness_are_at_command() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let readiness = format!("/flows/{}/readiness", last(&path));
    bench
        .control(
            Method::POST,
            "/clock/advance",
            Some(&json!({ "seconds": 3.5 })),
        )
        .await
        .expect(204);
    assert_eq!(bench.get(&path).await.json()["readinessStatus"], "ready");
    bench
        .control(
            Method::PUT,
            &readiness,
            Some(&json!({ "status": "expired" })),
        )
        .await
        .expect(204);
    assert_eq!(bench.get(&path).await.json()["readinessStatus"], "expired");
    let script = json!({ "script": [{ "after": 0, "status": "disabled" }] });
    bench
        .control(Method::PUT, &readiness, Some(&script))
        .await
        .expect(204);
    assert_eq!(bench.get(&path).await.json()["readinessStatus"], "disabled");
    let nobody = bench
        .control(
            Method::PUT,
            "/flows/nobody/readiness",
            Some(&json!({ "status": "x" })),
        )
        .await;
    assert!(nobody.expect(404).json()["error"].is_string());
}

#[tokio::test]
async fn objects_change_behind_the_clients_back() {
    let bench = Bench::new().await;
    let body = json!({ "displayName": "made here" });
    let set = bench
        .control(Method::POST, "/sets", Some(&body))
        .await
        .expect(201)
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/sets/{set}/flows");
    let flow = bench
        .control(Method::POST, &path, Some(&security_group()))
        .await
        .expect(201)
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    bench
        .control(Method::POST, &path, Some(&security_group()))
        .await
        .expect(201);
    assert_eq!(
        bench.get(&flows(&set)).await.json()["value"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let options = json!({ "creationOptions": { "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": true } });
    bench
        .control(Method::PATCH, &format!("/flows/{flow}"), Some(&options))
        .await
        .expect(204);
    let remote = format!("{}/{flow}", flows(&set));
    assert_eq!(
        bench.get(&remote).await.json()["creationOptions"],
        options["creationOptions"]
    );
    bench
        .control(Method::DELETE, &format!("/flows/{flow}"), None)
        .await
        .expect(204);
    bench.get(&remote).await.expect(404);
    bench
        .control(
            Method::PATCH,
            &format!("/sets/{set}"),
            Some(&json!({ "displayName": "renamed" })),
        )
        .await
        .expect(204);
    bench
        .control(
            Method::PATCH,
            &format!("/sets/{set}"),
            Some(&json!({ "displayName": 7 })),
        )
        .await
        .expect(400);
    assert_eq!(
        bench.get(&format!("{SETS}/{set}")).await.json()["displayName"],
        "renamed"
    );
    bench
        .control(Method::DELETE, &format!("/sets/{set}"), None)
        .await
        .expect(204);
    bench.get(&format!("{SETS}/{set}")).await.expect(404);
}

#[tokio::test]
async fn switches_are_read_replaced_and_changed_one_by_one() {
    let bench = Bench::new().await;
    bench
        .control(Method::PATCH, "/options", Some(&json!({ "pageSize": 7 })))
        .await
        .expect(204);
    bench
        .control(
            Method::PATCH,
            "/options",
            Some(&json!({ "query": { "expand": "refuse" } })),
        )
        .await
        .expect(204);
    let options = bench
        .control(Method::GET, "/options", None)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&options["pageSize"], &options["query"]["expand"]),
        (&json!(7), &json!("refuse"))
    );
    assert_eq!(options["query"]["top"], "accept");
    bench
        .control(
            Method::PUT,
            "/options",
            Some(&json!({ "emptyPages": true })),
        )
        .await
        .expect(204);
    let options: Value = bench.control(Method::GET, "/options", None).await.json();
    assert_eq!(
        (&options["pageSize"], &options["emptyPages"]),
        (&json!(100), &json!(true))
    );
    bench
        .control(Method::PATCH, "/options", Some(&json!({ "pagesize": 7 })))
        .await
        .expect(400);
}

#[tokio::test]
async fn credentials_are_rotated_and_passwords_are_only_compared() {
    let bench = Bench::new().await;
    let set = bench.set("users").await;
    let path = bench.flow(&set, &user()).await;
    let guess = json!({ "roleGroup": "staff", "password": "secret of staff" });
    let answer = bench
        .control(
            Method::POST,
            &format!("/flows/{}/password", last(&path)),
            Some(&guess),
        )
        .await;
    assert_eq!(answer.expect(200).json()["matches"], true);
    let secret = json!({ "secret": "rotated" });
    bench
        .control(
            Method::PUT,
            &format!("/applications/{CLIENT}/secret"),
            Some(&secret),
        )
        .await
        .expect(204);
    bench
        .token_request(crate::client::TENANT, &crate::client::secret_form())
        .await
        .expect(401);
    bench
        .control(Method::DELETE, "/tokens", None)
        .await
        .expect(204);
    bench.get(SETS).await.expect(401);
}

#[tokio::test]
async fn the_journal_its_counts_and_hostility_are_served() {
    let bench = Bench::new().await;
    bench
        .control(
            Method::PUT,
            "/hostility",
            Some(&json!({ "seed": 1, "rate": 0.0 })),
        )
        .await
        .expect(204);
    bench.get(SETS).await.expect(200);
    bench
        .control(Method::DELETE, "/hostility", None)
        .await
        .expect(204);
    let journal = bench.control(Method::GET, "/journal", None).await.json();
    let last = journal.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["operation"], &last["status"]),
        (&json!("listSets"), &json!(200))
    );
    let since = format!("/journal?since={}", last["sequence"]);
    assert_eq!(
        bench.control(Method::GET, &since, None).await.json(),
        json!([])
    );
    assert_eq!(
        bench.control(Method::GET, "/counts", None).await.json()["requests"]["listSets"],
        1
    );
}
