use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::*;

const CERTIFICATE: &str =
    include_str!("../../../crates/simulator/tests/it/fixtures/application-certificate.pem");
const KEY: &str = include_str!("../../../crates/simulator/tests/it/fixtures/application-key.pem");
const AUDIENCE: &str = "https://login.example/contoso.example/oauth2/v2.0/token";

fn key() -> SigningKey {
    SigningKey::from_pem(CERTIFICATE.as_bytes(), KEY.as_bytes()).unwrap()
}

fn error(certificate: &str, key: &str) -> CertificateError {
    SigningKey::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[test]
fn an_assertion_is_signed_for_the_authority_and_a_short_time() {
    let (key, now) = (key(), Timestamp::from_second(1_800_000_000).unwrap());
    let assertion = key.assertion("client", AUDIENCE, now).unwrap();
    let assertion = assertion.expose_secret();
    let [header, claims, signature] =
        <[&str; 3]>::try_from(assertion.split('.').collect::<Vec<_>>()).unwrap();

    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
    let public = &parsed.public_key().subject_public_key.data;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signed = format!("{header}.{claims}");
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();

    let (header, claims) = (part(header), part(claims));
    assert_eq!(header["alg"], "PS256");
    let thumbprint = sha256::of_bytes([certificate.as_ref()]);
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
    assert_eq!(header["x5t#S256"], thumbprint);
    assert_eq!(claims["aud"], AUDIENCE);
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&"client".into(), &"client".into())
    );
    assert_eq!(claims["nbf"], 1_800_000_000);
    assert_eq!(claims["exp"], 1_800_000_300);
}

#[test]
fn no_two_assertions_have_the_same_id() {
    let (key, now) = (key(), Timestamp::UNIX_EPOCH);
    let id = || {
        let assertion = key.assertion("client", AUDIENCE, now).unwrap();
        part(assertion.expose_secret().split('.').nth(1).unwrap())["jti"].clone()
    };
    assert_ne!(id(), id());
}

#[test]
fn both_formats_of_private_keys_are_read() {
    let der = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    // The header of PKCS #8 for a key of 2048 bits has 26 bytes; PKCS #1 is what follows.
    let pkcs1 = base64::prelude::BASE64_STANDARD.encode(&der.secret_der()[26..]);
    let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
    SigningKey::from_pem(CERTIFICATE.as_bytes(), pem.as_bytes()).unwrap();
}

#[test]
fn of_a_chain_the_first_certificate_is_used() {
    let other = rcgen::generate_simple_self_signed([]).unwrap().cert.pem();
    let chain = format!("{CERTIFICATE}\n{other}");
    let chained = SigningKey::from_pem(chain.as_bytes(), KEY.as_bytes()).unwrap();
    assert_eq!(chained.thumbprint(), key().thumbprint());
    assert_eq!(
        error(&format!("{other}\n{CERTIFICATE}"), KEY),
        CertificateError::Mismatch
    );
}

#[test]
fn the_end_of_the_certificate_is_known() {
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let pair = KeyPair::from_pkcs8_pem_and_sign_algo(KEY, &PKCS_RSA_SHA256).unwrap();
    let certificate = params.self_signed(&pair).unwrap().pem();
    let key = SigningKey::from_pem(certificate.as_bytes(), KEY.as_bytes()).unwrap();
    assert_eq!(key.expiry().to_string(), "2031-02-03T00:00:00Z");
}

#[test]
fn each_unusable_file_has_its_error() {
    let elliptic = rcgen::generate_simple_self_signed([]).unwrap();
    let elliptic_key = elliptic.signing_key.serialize_pem();
    let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let large = "x".repeat(MAX_PEM + 1);
    let cases: [(&str, &str, CertificateError); 9] = [
        ("", KEY, CertificateError::NoCertificate),
        (KEY, KEY, CertificateError::NoCertificate),
        (CERTIFICATE, "", CertificateError::NoKey),
        (CERTIFICATE, CERTIFICATE, CertificateError::NoKey),
        (CERTIFICATE, encrypted, CertificateError::NoKey),
        (not_x509, KEY, CertificateError::Certificate),
        (CERTIFICATE, &elliptic_key, CertificateError::Key),
        (&elliptic.cert.pem(), KEY, CertificateError::Mismatch),
        (CERTIFICATE, &large, CertificateError::Size),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(error(certificate, key), expected);
    }
}

#[test]
fn a_key_does_not_show_itself() {
    assert_eq!(format!("{:?}", key()), "SigningKey { .. }");
}
