//! The token endpoint, and what tokens are good for.

use std::time::Duration;

use industrydata_simulator::Options;
use reqwest::Method;
use serde_json::json;

use crate::client::{
    Answer, Bench, CLIENT, ROOT, SECRET, SETS, TENANT, flows, read, secret_form, security_group,
};

const SCOPE: &str = "https://graph.microsoft.com/.default";

pub(crate) fn number(answer: &Answer) -> u64 {
    let body = answer.json();
    let number = body["error_codes"][0].as_u64().unwrap();
    assert!(
        body["error_description"]
            .as_str()
            .unwrap()
            .starts_with(&format!("AADSTS{number}: "))
    );
    for name in ["error", "timestamp", "trace_id", "correlation_id"] {
        assert!(body[name].is_string(), "{name}");
    }
    number
}

pub(crate) fn form<'a>(changes: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    let kept = secret_form()
        .into_iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(
        changes
            .iter()
            .copied()
            .filter(|(_, value)| !value.is_empty()),
    )
    .collect()
}

#[tokio::test]
async fn a_secret_buys_a_bearer_token_and_no_refresh_token() {
    let bench = Bench::new().await;
    let body = bench
        .token_request(TENANT, &secret_form())
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(3599))
    );
    assert!(body.get("refresh_token").is_none());
    bench
        .token_request("simulator.example", &secret_form())
        .await
        .expect(200);
}

#[tokio::test]
async fn every_mistake_has_its_own_number() {
    let bench = Bench::new().await;
    for (changes, status, expected) in [
        (
            vec![("client_id", "00000000-0000-0000-0000-000000000000")],
            400,
            700_016,
        ),
        (vec![("client_secret", "wrong")], 401, 7_000_215),
        (vec![("client_secret", "")], 401, 7_000_216),
        (
            vec![("scope", "https://graph.microsoft.com/User.Read")],
            400,
            1_002_012,
        ),
        (vec![("scope", "")], 400, 900_144),
        (vec![("grant_type", "password")], 400, 70003),
        (vec![("grant_type", "")], 400, 900_144),
    ] {
        let answer = bench
            .token_request(TENANT, &form(&changes))
            .await
            .expect(status);
        assert_eq!(number(&answer), expected, "{changes:?}");
    }
    assert_eq!(
        number(
            &bench
                .token_request("nowhere", &secret_form())
                .await
                .expect(400)
        ),
        90002
    );
}

#[tokio::test]
async fn without_a_good_token_there_is_no_service() {
    let bench = Bench::switched(|behavior| behavior.token_lifetime = Duration::from_mins(1)).await;
    let url = format!("{}{SETS}", bench.simulator.graph_endpoint());
    let answer = read(bench.http.get(&url)).await.unwrap().expect(401);
    assert_eq!(answer.code(), "InvalidAuthenticationToken");
    read(bench.http.get(&url).bearer_auth("made-up"))
        .await
        .unwrap()
        .expect(401);
    bench.get(SETS).await.expect(200);
    bench.simulator.advance(Duration::from_mins(1));
    bench.get(SETS).await.expect(401);
}

#[tokio::test]
async fn revoked_tokens_and_rotated_secrets_are_refused() {
    let bench = Bench::new().await;
    bench.simulator.revoke_tokens();
    bench.get(SETS).await.expect(401);
    bench.simulator.rotate_secret(CLIENT, "new-secret").unwrap();
    bench
        .token_request(TENANT, &form(&[("client_secret", SECRET)]))
        .await
        .expect(401);
    bench
        .token_request(TENANT, &form(&[("client_secret", "new-secret")]))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_missing_permission_is_forbidden() {
    let mut bench = Bench::new().await;
    let permissions = vec!["IndustryData-OutboundFlow.Read.All".to_owned()];
    bench
        .simulator
        .set_permissions(CLIENT, permissions)
        .unwrap();
    bench.token = bench.token_request(TENANT, &secret_form()).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    bench.get(SETS).await.expect(200);
    assert_eq!(
        bench
            .post(SETS, &json!({ "displayName": "x" }))
            .await
            .expect(403)
            .code(),
        "Authorization_RequestDenied"
    );
    bench.get(&format!("{ROOT}/runs")).await.expect(403);
}

#[tokio::test]
async fn an_application_may_not_write_by_default_while_a_user_may() {
    let mut bench = Bench::with(Options::default()).await;
    let set = bench.simulator.create_set(&json!({ "displayName": "x" }));
    let set = set.unwrap();
    let flow = bench.simulator.create_flow(&set, &security_group());
    let path = format!("{}/{}", flows(&set), flow.unwrap());
    bench.get(&path).await.expect(200);
    bench.delete(&path).await.expect(403);
    bench
        .send(Method::POST, &format!("{path}/reset"), None)
        .await
        .expect(403);
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", "simulator-refresh-token"),
    ];
    let body = bench.token_request(TENANT, &fields).await.json();
    bench.token = body["access_token"].as_str().unwrap().to_owned();
    bench.delete(&path).await.expect(204);
}

#[tokio::test]
async fn the_scope_is_not_checked_for_its_host_but_for_its_end() {
    let bench = Bench::new().await;
    let here = format!("{}/.default", bench.simulator.graph_endpoint());
    bench
        .token_request(TENANT, &form(&[("scope", &here)]))
        .await
        .expect(200);
    bench
        .token_request(TENANT, &form(&[("scope", SCOPE)]))
        .await
        .expect(200);
}
