//! The token endpoint, and what tokens are good for.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{RSA_PSS_SHA256, RsaKeyPair},
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use crate::client::{Answer, Bench, CLIENT, ROOT, SECRET, SETS, TENANT, read, secret_form};

const SCOPE: &str = "https://graph.microsoft.com/.default";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn number(answer: &Answer) -> u64 {
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

fn form<'a>(changes: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
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

fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
}

fn in_an_hour() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 3600
}

async fn asserted(bench: &Bench, assertion: &str) -> Answer {
    let fields = form(&[
        ("client_secret", ""),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion),
    ]);
    bench.token_request(TENANT, &fields).await
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
async fn a_federated_assertion_is_judged_by_its_audience_and_its_time() {
    let bench = Bench::new().await;
    let claims = |audience: &str, end: u64| json!({ "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:a:b", "aud": [audience], "exp": end });
    let header = json!({ "alg": "RS256", "kid": "1" });
    let good = claims("api://AzureADTokenExchange", in_an_hour());
    asserted(&bench, &jwt(&header, &good)).await.expect(200);
    let foreign = claims("https://elsewhere", in_an_hour());
    assert_eq!(
        number(&asserted(&bench, &jwt(&header, &foreign)).await.expect(401)),
        700_212
    );
    let old = claims("api://AzureADTokenExchange", 1000);
    assert_eq!(
        number(&asserted(&bench, &jwt(&header, &old)).await.expect(401)),
        700_024
    );
    assert_eq!(
        number(&asserted(&bench, "not.a-jwt").await.expect(400)),
        50_027
    );
}

#[tokio::test]
async fn an_assertion_of_ones_own_must_name_the_application_and_a_key() {
    let bench = Bench::new().await;
    let audience = format!(
        "{}/{TENANT}/oauth2/v2.0/token",
        bench.simulator.authority_endpoint()
    );
    let claims = |client: &str| json!({ "iss": client, "sub": client, "aud": audience, "exp": in_an_hour() });
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": "thumbprint" });
    asserted(&bench, &jwt(&header, &claims(CLIENT)))
        .await
        .expect(200);
    assert_eq!(
        number(
            &asserted(&bench, &jwt(&header, &claims("other")))
                .await
                .expect(401)
        ),
        700_021
    );
    let nameless = json!({ "alg": "PS256" });
    assert_eq!(
        number(
            &asserted(&bench, &jwt(&nameless, &claims(CLIENT)))
                .await
                .expect(401)
        ),
        700_027
    );
}

const CERTIFICATE: &str = include_str!("fixtures/application-certificate.pem");
const KEY: &[u8] = include_bytes!("fixtures/application-key.pem");

/// An assertion signed with the key of [`CERTIFICATE`].
fn signed(claims: &Value) -> String {
    let der = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
    let unsigned = jwt(&header, claims);
    let (message, _) = unsigned.rsplit_once('.').unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PSS_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_registered_certificate_has_its_signatures_verified() {
    let bench = Bench::new().await;
    bench
        .simulator
        .set_certificates(CLIENT, vec![CERTIFICATE.to_owned()])
        .unwrap();
    let audience = format!(
        "{}/{TENANT}/oauth2/v2.0/token",
        bench.simulator.authority_endpoint()
    );
    let claims = json!({ "iss": CLIENT, "sub": CLIENT, "aud": audience, "exp": in_an_hour() });
    let good = signed(&claims);
    asserted(&bench, &good).await.expect(200);

    let (message, _) = good.rsplit_once('.').unwrap();
    let forged = asserted(&bench, &format!("{message}.c2lnbmF0dXJl"))
        .await
        .expect(401);
    assert_eq!(number(&forged), 700_027);
    let stranger = json!({ "alg": "PS256", "x5t#S256": "another" });
    assert_eq!(
        number(&asserted(&bench, &jwt(&stranger, &claims)).await.expect(401)),
        700_027
    );
}

/// The old one is void afterwards if the switch says so.
#[tokio::test]
async fn a_refresh_token_is_exchanged_for_another() {
    let bench = Bench::switched(|behavior| behavior.refresh_token_once = true).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", "simulator-refresh-token"),
    ];
    let body = bench
        .token_request(TENANT, &fields)
        .await
        .expect(200)
        .json();
    assert!(body["refresh_token"].is_string());
    assert_eq!(
        bench
            .token_request(TENANT, &fields)
            .await
            .expect(400)
            .json()["error"],
        "invalid_grant"
    );
    let next = [
        fields[0],
        fields[1],
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    bench.token_request(TENANT, &next).await.expect(200);
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
async fn application_writes_can_be_forbidden_while_a_user_may_write() {
    let mut bench = Bench::new().await;
    let path = bench.lone_flow().await;
    bench
        .simulator
        .configure(|behavior| behavior.application_writes = false);
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
