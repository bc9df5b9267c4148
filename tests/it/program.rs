//! The program as it is started: flags, kubeconfig, signals, the administration server.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use industrydata_simulator::Options;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::{Stage, is_ready};

const PROGRAM: &str = env!("CARGO_BIN_EXE_industrydata-operator");

/// The program, the address that it serves, and all that it logs.
pub async fn start(stage: &Stage) -> (Child, String, Arc<Mutex<String>>) {
    let mut command = Command::new(PROGRAM);
    command.arg("run").args(stage.flags()).args([
        "--log-format",
        "json",
        "--log-level",
        "info,industrydata_operator=trace",
    ]);
    command.env("KUBECONFIG", stage.account.kubeconfig_path());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the program tells its address");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["address"].as_str() {
            break format!("http://{address}");
        }
    };
    let log = Arc::new(Mutex::new(String::new()));
    let kept = log.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            kept.lock().unwrap().push_str(&line);
        }
    });
    (child, address, log)
}

pub async fn get(url: &str) -> (u16, String) {
    // As the program does it for itself.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_does_the_main_job_and_stops_when_told() {
    let stage = Stage::set_up("program", Options::default()).await;
    let (mut child, address, log) = start(&stage).await;
    assert_eq!(get(&format!("{address}/livez")).await.0, 200);
    stage.apply_samples().await;
    stage.flow_where("north-users", is_ready).await;
    assert_eq!(get(&format!("{address}/readyz")).await.0, 200);
    let (status, metrics) = get(&format!("{address}/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "industrydata_operator_leader 1",
        "industrydata_operator_graph_requests_total{operation=\"CreateFlow\"",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let shown = stage
        .kubectl(&["get", "industrydata,events", "--output", "yaml"])
        .await
        .unwrap();
    for secret in ["simulator-secret", "Change-me-1", "Bearer"] {
        for (place, text) in [
            ("metrics", &metrics),
            ("the cluster", &shown),
            ("the log", &log.lock().unwrap()),
        ] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    assert!(child.wait().await.unwrap().success());
    let lease = stage.kubectl(&[
        "get",
        "lease",
        "industrydata-operator",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ]);
    assert_eq!(lease.await.unwrap(), "", "the lease is released");
}

#[tokio::test]
async fn bad_flags_are_refused_with_a_sentence_that_names_them() {
    for (flag, value, told) in [
        ("--graph-endpoint", "http://graph.example", "https"),
        ("--visibility-window", "1s", "--visibility-window"),
        ("--request-timeout", "soon", "--request-timeout"),
    ] {
        let output = Command::new(PROGRAM)
            .args(["run", flag, value])
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.contains(flag) && text.contains(told), "{text}");
    }
}
