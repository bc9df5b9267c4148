//! Microsoft's own client library, MSAL for Python, signs in to the simulator over https.
//!
//! Needs `python3` with `venv`, and the Python Package Index for the first run. Without Python the test is skipped,
//! except where `CI` is set.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use industrydata_simulator::{Operation, Options, Simulator};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;

#[path = "../it/identity.rs"]
mod identity;

const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

const REQUIREMENTS: &str = include_str!("requirements.txt");
const CERTIFICATE: &str = include_str!("../it/fixtures/application-certificate.pem");
const KEY: &str = include_str!("../it/fixtures/application-key.pem");

#[tokio::test(flavor = "multi_thread")]
async fn msal_for_python_signs_in_unchanged() {
    if !has_python() {
        assert!(env::var_os("CI").is_none(), "CI needs python3 with venv");
        // Not with `eprintln`, which a test that passes does not show.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no python3 with venv, which MSAL for Python needs"
        );
        return;
    }
    let python = environment();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let (tls, authority) = identity::loopback();
    fs::write(&ca, authority).unwrap();
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    simulator.configure(|behavior| behavior.device_code_interval = Duration::from_secs(1));
    simulator
        .set_certificates(CLIENT, vec![CERTIFICATE.to_owned()])
        .unwrap();

    let der = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
    let digits = thumbprint.as_ref().iter();
    let digits: Vec<String> = digits.map(|byte| format!("{byte:02X}")).collect();
    let given = json!({
        "authority": simulator.authority_endpoint(), "graph": simulator.graph_endpoint(),
        "tenant": TENANT, "client": CLIENT, "secret": "simulator-secret",
        "ca": ca, "key": KEY, "certificate": CERTIFICATE, "thumbprint": digits.concat(),
    });
    let mut script = Command::new(python);
    script
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal/sign_in.py"))
        .arg(given.to_string())
        .envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")])
        // They would replace what the script passes to MSAL.
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE");
    let output = tokio::task::spawn_blocking(move || script.output().unwrap())
        .await
        .unwrap();
    succeeded(&output);

    // Three sets were created by users, none by the application.
    let journal = simulator.journal();
    let user = format!("user:{CLIENT}");
    assert_eq!(journal.sets_created(), 3);
    assert!(
        journal
            .entries()
            .iter()
            .filter(|entry| entry.operation == Operation::CreateSet && entry.committed)
            .all(|entry| entry.subject.as_ref() == Some(&user))
    );
}

fn has_python() -> bool {
    let arguments = ["-c", "import venv, ensurepip"];
    let output = Command::new("python3").args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// The interpreter of an environment under `target/` that has MSAL.
fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("msal");
    let (python, mark) = (folder.join("bin/python"), folder.join("requirements.txt"));
    // Written last, so that an installation that was interrupted is repeated.
    if fs::read_to_string(&mark).ok().as_deref() != Some(REQUIREMENTS) {
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(&folder);
        succeeded(&create.output().unwrap());
        let requirements =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal/requirements.txt");
        let mut install = Command::new(&python);
        install
            .args(["-m", "pip", "install", "--quiet", "--no-cache-dir"])
            .arg("--requirement")
            .arg(requirements);
        succeeded(&install.output().unwrap());
        fs::write(&mark, REQUIREMENTS).unwrap();
    }
    python
}

fn succeeded(output: &Output) {
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{error}");
}
