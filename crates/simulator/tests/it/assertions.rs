//! Assertions in place of a secret: of a certificate, and of a foreign issuer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use industrydata_simulator::FederatedCredential;
use reqwest::Method;
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    signature::{
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Bench, CLIENT, TENANT},
    tokens::{form, number},
};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const CERTIFICATE: &str = include_str!("fixtures/application-certificate.pem");
const KEY: &[u8] = include_bytes!("fixtures/application-key.pem");

/// Distinguishes assertions.
static SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn key() -> RsaKeyPair {
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY).unwrap();
    RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A token signed with the key of [`CERTIFICATE`].
fn signed(header: &Value, claims: &Value) -> String {
    let encoding: &dyn RsaEncoding = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_SHA256,
        _ => &RSA_PKCS1_SHA256,
    };
    let message = format!(
        "{}.{}",
        encoded(header.to_string()),
        encoded(claims.to_string())
    );
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        encoding,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{message}.{}", encoded(signature))
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[7] ^= 1;
    format!("{message}.{}", encoded(bytes))
}

async fn asserted(bench: &Bench, assertion: &str) -> Answer {
    let fields = form(&[
        ("client_secret", ""),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion),
    ]);
    bench.token_request(TENANT, &fields).await
}

async fn refused(bench: &Bench, assertion: &str) -> u64 {
    let answer = asserted(bench, assertion).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    number(&answer)
}

fn pss() -> Value {
    let der = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": encoded(digest(&SHA256, &der)) })
}

fn pkcs1() -> Value {
    let der = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    json!({ "alg": "RS256", "typ": "JWT", "x5t": encoded(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der)) })
}

/// Good claims of an assertion of the application itself, with changes. Null removes a claim.
fn own(bench: &Bench, changes: &Value) -> Value {
    let authority = bench.simulator.authority_endpoint();
    let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut claims = json!({
        "iss": CLIENT, "sub": CLIENT, "aud": format!("{authority}/{TENANT}/oauth2/v2.0/token"),
        "jti": format!("assertion {serial}"), "nbf": now(), "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn certified() -> Bench {
    let bench = Bench::new().await;
    let pems = vec![CERTIFICATE.to_owned()];
    bench.simulator.set_certificates(CLIENT, pems).unwrap();
    bench
}

#[tokio::test]
async fn both_algorithms_are_accepted_with_their_thumbprints() {
    let bench = certified().await;
    for header in [pss(), pkcs1()] {
        let claims = own(&bench, &json!({}));
        asserted(&bench, &signed(&header, &claims))
            .await
            .expect(200);
    }
    let swapped = json!({ "alg": "RS256", "x5t#S256": pss()["x5t#S256"] });
    let claims = own(&bench, &json!({}));
    assert_eq!(refused(&bench, &signed(&swapped, &claims)).await, 700_027);
}

#[tokio::test]
async fn every_signature_is_verified_with_a_certificate_or_without() {
    let bench = Bench::new().await;
    let good = signed(&pss(), &own(&bench, &json!({})));
    assert_eq!(refused(&bench, &good).await, 700_027);
    let pems = vec![CERTIFICATE.to_owned()];
    bench.simulator.set_certificates(CLIENT, pems).unwrap();
    assert_eq!(refused(&bench, &forged(&good)).await, 700_027);
    let stranger = json!({ "alg": "PS256", "x5t#S256": "another" });
    let claims = own(&bench, &json!({}));
    assert_eq!(refused(&bench, &signed(&stranger, &claims)).await, 700_027);
    let nameless = json!({ "alg": "PS256" });
    assert_eq!(refused(&bench, &signed(&nameless, &claims)).await, 700_027);
    for algorithm in ["none", "HS256", "ES256"] {
        let mut header = pss();
        header["alg"] = json!(algorithm);
        assert_eq!(refused(&bench, &signed(&header, &claims)).await, 5_002_738);
    }
    asserted(&bench, &good).await.expect(200);
}

#[tokio::test]
async fn an_assertion_is_for_one_application_and_one_token_endpoint() {
    let bench = certified().await;
    let authority = bench.simulator.authority_endpoint();
    let public = "https://login.microsoftonline.com";
    for audience in [
        format!("{public}/{TENANT}/oauth2/v2.0/token"),
        format!("{authority}/simulator.example/oauth2/v2.0/token"),
    ] {
        let claims = own(&bench, &json!({ "aud": audience }));
        asserted(&bench, &signed(&pss(), &claims)).await.expect(200);
    }
    for audience in [
        format!("https://evil.example/{TENANT}/oauth2/v2.0/token"),
        format!("{public}.evil.example/{TENANT}/oauth2/v2.0/token"),
        format!("{public}/elsewhere/oauth2/v2.0/token"),
        format!("{public}/{TENANT}/oauth2/token"),
        format!("/{TENANT}/oauth2/v2.0/token"),
        public.to_owned(),
    ] {
        let claims = own(&bench, &json!({ "aud": audience }));
        let got = refused(&bench, &signed(&pss(), &claims)).await;
        assert_eq!(got, 700_023, "{audience}");
    }
    let several = json!({ "aud": [format!("{public}/{TENANT}/oauth2/v2.0/token"), "other"] });
    let claims = own(&bench, &several);
    assert_eq!(refused(&bench, &signed(&pss(), &claims)).await, 700_023);
    for claim in ["iss", "sub"] {
        let claims = own(&bench, &json!({ claim: "other" }));
        assert_eq!(refused(&bench, &signed(&pss(), &claims)).await, 700_021);
    }
}

#[tokio::test]
async fn an_assertion_has_a_time_and_is_used_once() {
    let bench = certified().await;
    for (changes, in_time) in [
        (json!({ "exp": now() - 290 }), true),
        (json!({ "exp": now() - 310 }), false),
        (json!({ "exp": null }), false),
        (json!({ "nbf": now() + 290 }), true),
        (json!({ "nbf": now() + 310 }), false),
    ] {
        let assertion = signed(&pss(), &own(&bench, &changes));
        if in_time {
            asserted(&bench, &assertion).await.expect(200);
        } else {
            assert_eq!(refused(&bench, &assertion).await, 700_024, "{changes}");
        }
    }
    let once = signed(&pss(), &own(&bench, &json!({})));
    asserted(&bench, &once).await.expect(200);
    assert_eq!(refused(&bench, &once).await, 50_013);
    let nameless = signed(&pss(), &own(&bench, &json!({ "jti": null })));
    assert_eq!(refused(&bench, &nameless).await, 50_013);
    assert_eq!(refused(&bench, "not.a-jwt").await, 50_027);
}

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const SUBJECT: &str = "system:serviceaccount:school:industrydata";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// The public half of [`key`], as a cluster publishes it.
fn jwks() -> Value {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(key().public());
    json!({ "keys": [{
        "use": "sig", "kty": "RSA", "kid": "cluster", "alg": "RS256",
        "n": encoded(public.n), "e": encoded(public.e),
    }] })
}

/// A service account's token with changes.
fn service_account(changes: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": [EXCHANGE], "nbf": now(), "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed(&json!({ "alg": "RS256", "kid": "cluster" }), &claims)
}

#[tokio::test]
async fn a_service_accounts_token_is_compared_part_by_part() {
    let bench = Bench::new().await;
    let good = service_account(&json!({}));
    assert_eq!(refused(&bench, &good).await, 700_211);
    let credential = FederatedCredential::new(ISSUER, SUBJECT, jwks());
    bench
        .simulator
        .set_federated_credentials(CLIENT, vec![credential])
        .unwrap();
    // The same token again: it is not bound to one use.
    asserted(&bench, &good).await.expect(200);
    asserted(&bench, &good).await.expect(200);
    for (changes, expected) in [
        (json!({ "iss": format!("{ISSUER}/") }), 700_211),
        (
            json!({ "aud": ["https://kubernetes.default.svc"] }),
            700_212,
        ),
        (
            json!({ "aud": [EXCHANGE, "https://kubernetes.default.svc"] }),
            700_212,
        ),
        (json!({ "aud": [] }), 700_212),
        (
            json!({ "sub": "system:serviceaccount:other:industrydata" }),
            700_213,
        ),
        (json!({ "sub": SUBJECT.to_uppercase() }), 700_213),
        (json!({ "exp": now() - 310 }), 700_024),
    ] {
        let got = refused(&bench, &service_account(&changes)).await;
        assert_eq!(got, expected, "{changes}");
    }
    asserted(&bench, &service_account(&json!({ "aud": EXCHANGE })))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_service_accounts_token_is_verified_with_its_issuers_keys() {
    let bench = Bench::new().await;
    let credential = json!({ "issuer": ISSUER, "subject": SUBJECT });
    let path = format!("/applications/{CLIENT}/federated-credentials");
    bench
        .control(Method::POST, &path, Some(&credential))
        .await
        .expect(204);
    let good = service_account(&json!({}));
    assert_eq!(refused(&bench, &good).await, 700_211);
    let keys = format!("/applications/{CLIENT}/jwks");
    let set = |issuer: &str, jwks: Value| json!({ "issuer": issuer, "jwks": jwks });
    bench
        .control(Method::PUT, &keys, Some(&set("https://other", jwks())))
        .await
        .expect(404);
    bench
        .control(Method::PUT, &keys, Some(&set(ISSUER, jwks())))
        .await
        .expect(204);
    asserted(&bench, &good).await.expect(200);
    assert_eq!(refused(&bench, &forged(&good)).await, 700_027);

    let claims = json!({ "iss": ISSUER, "sub": SUBJECT, "aud": EXCHANGE, "exp": now() + 600 });
    let strange = signed(&json!({ "alg": "RS256", "kid": "other" }), &claims);
    assert_eq!(refused(&bench, &strange).await, 700_027);
    let nameless = signed(&json!({ "alg": "RS256" }), &claims);
    asserted(&bench, &nameless).await.expect(200);
    for algorithm in ["none", "HS256", "PS256"] {
        let token = signed(&json!({ "alg": algorithm, "kid": "cluster" }), &claims);
        assert_eq!(refused(&bench, &token).await, 5_002_738);
    }
    let empty = json!({ "keys": [] });
    bench
        .control(Method::PUT, &keys, Some(&set(ISSUER, empty)))
        .await
        .expect(204);
    assert_eq!(refused(&bench, &good).await, 700_027);
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_another_at_once() {
    let bench = certified().await;
    let assertion = || signed(&pss(), &own(&bench, &json!({})));
    let path = format!("/applications/{CLIENT}/certificates");
    bench
        .control(Method::PUT, &path, Some(&json!([])))
        .await
        .expect(204);
    assert_eq!(refused(&bench, &assertion()).await, 700_027);
    bench
        .control(Method::PUT, &path, Some(&json!([CERTIFICATE])))
        .await
        .expect(204);
    asserted(&bench, &assertion()).await.expect(200);
    // An assertion is remembered, so that it stays used, even by a clock that has moved on within its time.
    bench.simulator.advance(Duration::from_mins(1));
    asserted(&bench, &assertion()).await.expect(200);
}
