//! Sign-in with a device code (RFC 8628): the client polls while a person decides.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use industrydata_simulator::{Application, Effect, Operation, Options, Quirk, Rule, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Bench, CLIENT, SETS, TENANT, access_token, read};

const READ: &str = "https://graph.microsoft.com/IndustryData-OutboundFlow.Read.All";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The claims of a JSON Web Token.
fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn start(bench: &Bench, fields: &[(&str, &str)]) -> Answer {
    let authority = bench.simulator.authority_endpoint();
    let url = format!("{authority}/{TENANT}/oauth2/v2.0/devicecode");
    let form = bench.http.post(url).form(fields);
    read(form).await.unwrap()
}

async fn started(bench: &Bench, scope: &str) -> Value {
    let fields = [("client_id", CLIENT), ("scope", scope)];
    start(bench, &fields).await.expect(200).json()
}

async fn poll(bench: &Bench, code: &Value) -> Answer {
    let device_code = code["device_code"].as_str().unwrap();
    let fields = [
        ("grant_type", GRANT),
        ("client_id", CLIENT),
        ("device_code", device_code),
    ];
    bench.token_request(TENANT, &fields).await
}

async fn error(bench: &Bench, code: &Value) -> (String, Value) {
    let body = poll(bench, code).await.expect(400).json();
    let word = body["error"].as_str().unwrap().to_owned();
    (word, body["error_codes"].clone())
}

async fn page(bench: &Bench, code: &Value, decision: &str) -> Answer {
    let form = [
        ("user_code", code["user_code"].as_str().unwrap()),
        ("decision", decision),
    ];
    let page = code["verification_uri"].as_str().unwrap();
    read(bench.http.post(page).form(&form)).await.unwrap()
}

#[tokio::test]
async fn a_person_approves_on_the_page_and_the_client_gets_all_tokens() {
    let mut bench = Bench::new().await;
    let scope = format!("openid profile offline_access {READ}");
    let code = started(&bench, &scope).await;
    assert_eq!(
        (&code["interval"], &code["expires_in"]),
        (&json!(5), &json!(900))
    );
    for part in ["user_code", "verification_uri"] {
        let text = code[part].as_str().unwrap();
        assert!(code["message"].as_str().unwrap().contains(text));
    }
    let pending = ("authorization_pending".to_owned(), json!([70_016]));
    assert_eq!(error(&bench, &code).await, pending);

    let form = code["verification_uri"].as_str().unwrap();
    let form = read(bench.http.get(form)).await.unwrap().expect(200);
    assert!(form.text.contains(r#"name="user_code""#));
    assert_eq!(
        form.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    page(&bench, &code, "approve").await.expect(200);
    page(&bench, &code, "deny").await.expect(400);

    let answer = poll(&bench, &code).await.expect(200);
    let body = answer.json();
    assert_eq!(body["scope"], format!("openid profile {READ}"));
    let id = claims(&body["id_token"]);
    let issuer = format!("{}/{TENANT}/v2.0", bench.simulator.authority_endpoint());
    assert_eq!((&id["iss"], &id["aud"]), (&json!(issuer), &json!(CLIENT)));
    assert_eq!(id["preferred_username"], "administrator@simulator.example");
    let access = claims(&body["access_token"]);
    assert_eq!(access["scp"], "IndustryData-OutboundFlow.Read.All");
    assert_eq!(
        (&access["tid"], &access["oid"]),
        (&json!(TENANT), &id["oid"])
    );

    bench.token = access_token(&answer);
    bench.get(SETS).await.expect(200);
    bench
        .post(SETS, &json!({ "displayName": "x" }))
        .await
        .expect(403);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    let again = bench.token_request(TENANT, &refresh).await.expect(200);
    assert_eq!(again.json()["scope"], body["scope"]);
    let redeemed = ("invalid_grant".to_owned(), json!([54_005]));
    assert_eq!(error(&bench, &code).await, redeemed);
}

#[tokio::test]
async fn without_openid_and_offline_access_there_is_an_access_token_only() {
    let bench = Bench::new().await;
    let code = started(&bench, READ).await;
    page(&bench, &code, "approve").await.expect(200);
    let body = poll(&bench, &code).await.expect(200).json();
    assert!(body.get("id_token").is_none() && body.get("refresh_token").is_none());
}

#[tokio::test]
async fn a_denied_an_expired_and_an_unknown_code_end_the_sign_in() {
    let bench = Bench::new().await;
    let code = started(&bench, READ).await;
    page(&bench, &code, "deny").await.expect(200);
    let declined = ("authorization_declined".to_owned(), json!([]));
    assert_eq!(error(&bench, &code).await, declined);

    let code = started(&bench, READ).await;
    bench.simulator.advance(Duration::from_mins(15));
    let expired = ("expired_token".to_owned(), json!([70_020]));
    assert_eq!(error(&bench, &code).await, expired);
    page(&bench, &code, "approve").await.expect(400);

    let unknown = ("bad_verification_code".to_owned(), json!([70_019]));
    let made_up = json!({ "device_code": "made up" });
    assert_eq!(error(&bench, &made_up).await, unknown);
}

#[tokio::test]
async fn a_client_that_polls_too_often_is_slowed_down() {
    let bench = Bench::new().await;
    let code = started(&bench, READ).await;
    let pending = "authorization_pending";
    assert_eq!(error(&bench, &code).await.0, pending);
    assert_eq!(error(&bench, &code).await.0, "slow_down");
    bench.simulator.advance(Duration::from_secs(7));
    assert_eq!(error(&bench, &code).await.0, "slow_down");
    bench.simulator.advance(Duration::from_secs(15));
    assert_eq!(error(&bench, &code).await.0, pending);
}

#[tokio::test]
async fn a_scope_without_consent_is_refused_until_it_has_it() {
    let bench = Bench::new().await;
    let read_only = vec!["IndustryData-OutboundFlow.Read.All".to_owned()];
    bench.simulator.set_permissions(CLIENT, read_only).unwrap();
    let scope = "IndustryData-OutboundFlow.ReadWrite.All";
    let code = started(&bench, scope).await;
    let refused = page(&bench, &code, "approve").await.expect(403);
    assert!(refused.text.contains("AADSTS65001"), "{}", refused.text);
    let body = poll(&bench, &code).await.expect(400).json();
    assert_eq!(
        (&body["error"], &body["error_codes"], &body["suberror"]),
        (
            &json!("invalid_grant"),
            &json!([65_001]),
            &json!("consent_required")
        )
    );
    let consented = vec![scope.to_owned()];
    bench.simulator.set_permissions(CLIENT, consented).unwrap();
    let body = poll(&bench, &code).await.expect(200).json();
    assert_eq!(body["scope"], scope);
}

#[tokio::test]
async fn a_confidential_client_needs_its_secret() {
    let application = Application {
        public_client: false,
        ..Application::default()
    };
    let tenant = Tenant {
        applications: vec![application],
        ..Tenant::default()
    };
    let bench = Bench::with(Options {
        tenants: vec![tenant],
        ..Options::default()
    })
    .await;
    let wrong = [
        ("client_id", CLIENT),
        ("scope", READ),
        ("client_secret", "wrong"),
    ];
    let refused = start(&bench, &wrong).await.expect(401).json();
    assert_eq!(refused["error_codes"], json!([7_000_215]));
    let code = started(&bench, READ).await;
    page(&bench, &code, "approve").await.expect(200);
    let refused = poll(&bench, &code).await.expect(401).json();
    assert_eq!(
        (&refused["error"], &refused["error_codes"]),
        (&json!("invalid_client"), &json!([7_000_218]))
    );
    let fields = [
        ("grant_type", GRANT),
        ("client_id", CLIENT),
        ("client_secret", "simulator-secret"),
        ("device_code", code["device_code"].as_str().unwrap()),
    ];
    bench.token_request(TENANT, &fields).await.expect(200);
}

#[tokio::test]
async fn the_control_api_lists_approves_and_denies() {
    let bench = Bench::new().await;
    let code = started(&bench, &format!("{READ} offline_access")).await;
    let list = bench.control(Method::GET, "/device-codes", None).await;
    let list = list.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &list[0]["userCode"],
            &list[0]["clientId"],
            &list[0]["scope"]
        ),
        (
            &code["user_code"],
            &json!(CLIENT),
            &json!(format!("{READ} offline_access"))
        )
    );
    let decide = |code: &Value, how: &str| {
        let code = code["user_code"].as_str().unwrap();
        format!("/device-codes/{code}/{how}")
    };
    let approve = decide(&code, "approve");
    bench
        .control(Method::POST, &approve, None)
        .await
        .expect(204);
    bench
        .control(Method::POST, &approve, None)
        .await
        .expect(404);
    assert!(bench.simulator.device_codes().is_empty());
    poll(&bench, &code).await.expect(200);

    let code = started(&bench, READ).await;
    bench
        .control(Method::POST, &decide(&code, "deny"), None)
        .await
        .expect(204);
    assert_eq!(error(&bench, &code).await.0, "authorization_declined");
}

#[tokio::test]
async fn the_answer_can_be_made_hostile() {
    let bench = Bench::new().await;
    let forever = 1_000_000_000_000_u64;
    for (name, value) in [
        ("interval", json!(0)),
        ("expires_in", json!(forever)),
        ("verification_uri", json!("http://evil.example/device")),
    ] {
        let quirk = Quirk::Member(name.to_owned(), value.clone());
        bench
            .simulator
            .inject(Rule::new(Effect::Quirk(quirk)).on(Operation::DeviceCode));
        assert_eq!(started(&bench, READ).await[name], value);
    }
    bench.simulator.configure(|behavior| {
        behavior.device_code_interval = Duration::from_secs(1);
        behavior.device_code_lifetime = Duration::from_secs(30);
    });
    let code = started(&bench, READ).await;
    assert_eq!(
        (&code["interval"], &code["expires_in"]),
        (&json!(1), &json!(30))
    );
}
