//! What tokens contain, who signs them, and where the endpoints are.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use industrydata_simulator::{Answer, Effect, Operation, Rule};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::{
    client::{Bench, CLIENT, SETS, TENANT, access_token, read, secret_form},
    tokens::number,
};

fn part(token: &str, nth: usize) -> Vec<u8> {
    let part = token.split('.').nth(nth).unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
}

fn object(token: &str, nth: usize) -> Value {
    serde_json::from_slice(&part(token, nth)).unwrap()
}

async fn get(bench: &Bench, url: &str) -> Value {
    read(bench.http.get(url)).await.unwrap().expect(200).json()
}

#[tokio::test]
async fn an_applications_token_is_signed_and_names_tenant_application_and_roles() {
    let bench = Bench::new().await;
    let authority = bench.simulator.authority_endpoint();
    let header = object(&bench.token, 0);
    assert_eq!(header["typ"], "JWT");
    let claims = object(&bench.token, 1);
    for (name, expected) in [
        ("aud", json!("https://graph.microsoft.com")),
        ("iss", json!(format!("https://sts.windows.net/{TENANT}/"))),
        ("tid", json!(TENANT)),
        ("appid", json!(CLIENT)),
        ("idtyp", json!("app")),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_eq!(claims["roles"].as_array().unwrap().len(), 6);
    assert!(claims.get("scp").is_none());
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 3599);

    let keys = get(&bench, &format!("{authority}/{TENANT}/discovery/v2.0/keys")).await;
    let key = &keys["keys"][0];
    assert_eq!(key["kid"], header["kid"]);
    let coordinate = |name: &str| {
        let text = key[name].as_str().unwrap();
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (message, _) = bench.token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &part(&bench.token, 2))
        .unwrap();
}

#[tokio::test]
async fn tokens_can_be_opaque_or_name_another_tenant() {
    let bench = Bench::switched(|behavior| behavior.opaque_tokens = true).await;
    assert!(!bench.token.contains('.'));
    bench.get(SETS).await.expect(200);
    bench.simulator.configure(|behavior| {
        behavior.opaque_tokens = false;
        behavior.token_tenant = Some("another".to_owned());
    });
    let answer = bench.token_request(TENANT, &secret_form()).await;
    let claims = object(&access_token(&answer), 1);
    assert_eq!(claims["tid"], "another");
    assert_eq!(claims["iss"], "https://sts.windows.net/another/");
}

#[tokio::test]
async fn the_endpoints_of_a_tenant_can_be_discovered() {
    let bench = Bench::new().await;
    let authority = bench.simulator.authority_endpoint();
    let document = ".well-known/openid-configuration";
    let found = get(
        &bench,
        &format!("{authority}/simulator.example/v2.0/{document}"),
    )
    .await;
    for (name, path) in [
        ("issuer", "v2.0"),
        ("token_endpoint", "oauth2/v2.0/token"),
        ("device_authorization_endpoint", "oauth2/v2.0/devicecode"),
        ("jwks_uri", "discovery/v2.0/keys"),
    ] {
        assert_eq!(found[name], format!("{authority}/{TENANT}/{path}"));
    }
    let nowhere = format!("{authority}/nowhere/v2.0/{document}");
    let nowhere = read(bench.http.get(nowhere)).await.unwrap().expect(400);
    assert_eq!(number(&nowhere), 90_002);

    let query = format!("api-version=1.1&authorization_endpoint={authority}/{TENANT}/authorize");
    let instance = format!("{authority}/common/discovery/instance?{query}");
    let instance = get(&bench, &instance).await;
    assert_eq!(
        instance["tenant_discovery_endpoint"],
        format!("{authority}/{TENANT}/v2.0/{document}")
    );
    let host = authority.replace("http://", "");
    assert_eq!(instance["metadata"][0]["aliases"], json!([host]));
}

/// By number alone, with the word and the detail that belong to it.
#[tokio::test]
async fn consent_and_conditional_access_can_be_missing() {
    let bench = Bench::new().await;
    for (code, suberror) in [
        ("AADSTS65001", json!("consent_required")),
        ("AADSTS53003", json!("message_only")),
    ] {
        let refuse = Effect::Refuse(Answer::new(400).code(code));
        bench
            .simulator
            .inject(Rule::new(refuse).on(Operation::Token));
        let refused = bench.token_request(TENANT, &secret_form()).await;
        let refused = refused.expect(400).json();
        assert_eq!(refused["error"], "invalid_grant");
        assert_eq!(refused["suberror"], suberror);
    }
}

/// To an address of its choice, which a client must not send its credential to.
#[tokio::test]
async fn the_authority_can_redirect() {
    let bench = Bench::new().await;
    let away = Answer::new(307)
        .location("https://evil.example/token")
        .empty();
    bench
        .simulator
        .inject(Rule::new(Effect::Refuse(away)).on(Operation::Token));
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let authority = bench.simulator.authority_endpoint();
    let url = format!("{authority}/{TENANT}/oauth2/v2.0/token");
    let answer = read(http.post(url).form(&secret_form())).await.unwrap();
    let answer = answer.expect(307);
    assert_eq!(
        answer.header("location"),
        Some("https://evil.example/token")
    );
}

#[tokio::test]
async fn a_claims_challenge_refuses_a_good_token_and_names_the_claims() {
    let bench = Bench::new().await;
    let claims = json!({ "access_token": { "nbf": { "essential": true, "value": "1" } } });
    let rule = json!({ "operation": "createSet", "effect": { "claimsChallenge": claims } });
    let rule: Rule = serde_json::from_value(rule).unwrap();
    bench.simulator.inject(rule);
    let body = json!({ "displayName": "x" });
    let refused = bench.post(SETS, &body).await.expect(401);
    assert_eq!(refused.code(), "InvalidAuthenticationToken");
    let header = refused.header("www-authenticate").unwrap();
    assert!(header.starts_with("Bearer "), "{header}");
    assert!(
        header.contains(r#"error="insufficient_claims""#),
        "{header}"
    );
    let encoded = header.split(r#"claims=""#).nth(1).unwrap();
    let encoded = encoded.strip_suffix('"').unwrap();
    let decoded = BASE64_STANDARD.decode(encoded).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), claims);
    bench.post(SETS, &body).await.expect(201);
}
