//! The service's port over https.

use std::fs;

use industrydata_simulator::{Effect, Error, Operation, Options, Rule, Simulator, Tls};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    client::{Bench, CLIENT, SETS, TENANT, access_token, http, read, secret_form},
    identity,
    program::{announced, start},
};

/// A client that trusts this authority.
fn trusting(authority: &str) -> reqwest::Client {
    // The provider of the other clients.
    drop(http());
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(authority.as_bytes()).unwrap()])
        .build()
        .unwrap()
}

async fn encrypted() -> (Bench, String) {
    let (tls, authority) = identity::loopback();
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    let mut bench = Bench {
        simulator: Simulator::start(options).await.unwrap(),
        http: trusting(&authority),
        token: String::new(),
    };
    let answer = bench.token_request(TENANT, &secret_form()).await;
    bench.token = access_token(&answer);
    (bench, authority)
}

#[tokio::test]
async fn both_endpoints_are_https_and_so_are_links() {
    let (bench, _) = encrypted().await;
    let authority = bench.simulator.authority_endpoint();
    assert!(authority.starts_with("https://127.0.0.1:"), "{authority}");
    bench.get(SETS).await.expect(200);
    let url = format!("{authority}/{TENANT}/oauth2/v2.0/devicecode");
    let fields = [("client_id", CLIENT), ("scope", "openid")];
    let started = read(bench.http.post(url).form(&fields)).await.unwrap();
    let page = &started.expect(200).json()["verification_uri"];
    assert!(page.as_str().unwrap().starts_with(&authority), "{page}");
    let plain = authority.replace("https://", "http://");
    read(bench.http.get(plain)).await.unwrap_err();
}

#[tokio::test]
async fn a_cut_connection_has_no_answer_over_https_either() {
    let (bench, _) = encrypted().await;
    let cut = Rule::new(Effect::CutBefore).on(Operation::ListSets);
    bench.simulator.inject(cut);
    bench
        .attempt(reqwest::Method::GET, SETS, None)
        .await
        .unwrap_err();
    bench.get(SETS).await.expect(200);
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_keeps_no_other_waiting() {
    let (bench, authority) = encrypted().await;
    let address = bench.simulator.graph_endpoint().replace("https://", "");
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    // A new connection, because the one that is there would not show it.
    let url = format!("https://{address}{SETS}");
    let request = trusting(&authority).get(url).bearer_auth(&bench.token);
    read(request).await.unwrap().expect(200);
    drop(silent);
}

#[tokio::test]
async fn what_is_no_certificate_is_an_error() {
    let (good, _) = identity::loopback();
    let (other, _) = identity::loopback();
    for tls in [
        Tls {
            certificates: "nothing".to_owned(),
            ..good.clone()
        },
        Tls {
            key: "nothing".to_owned(),
            ..good.clone()
        },
        Tls {
            key: other.key,
            ..good
        },
    ] {
        let options = Options {
            tls: Some(tls),
            ..Options::default()
        };
        let error = Simulator::start(options).await.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_program_reads_certificate_and_key_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, authority) = identity::loopback();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificate = file("certificate.pem", &tls.certificates);
    let key = file("key.pem", &tls.key);
    let flags = ["--tls-certificate", &certificate, "--tls-key", &key];
    let mut program = start(&[flags.as_slice(), &["--output", "json"]].concat());
    let endpoints: Value = announced(&mut program).await;
    let document = format!(
        "{}/{TENANT}/v2.0/.well-known/openid-configuration",
        endpoints["authorityEndpoint"].as_str().unwrap()
    );
    let found = read(trusting(&authority).get(document)).await.unwrap();
    assert_eq!(
        found.expect(200).json()["issuer"],
        json!(format!(
            "{}/{TENANT}/v2.0",
            endpoints["authorityEndpoint"].as_str().unwrap()
        ))
    );
    for (flags, expected) in [
        (["--tls-certificate", &certificate].as_slice(), "--tls-key"),
        (
            ["--tls-certificate", "nowhere", "--tls-key", &key].as_slice(),
            "error: failed to set up https: nowhere",
        ),
    ] {
        let failed = start(flags).wait_with_output().await.unwrap();
        assert!(!failed.status.success());
        let text = String::from_utf8(failed.stderr).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}
