//! The program: what it prints and how it ends.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::client::{http, read};

pub(crate) fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_industrydata-simulator"))
        .args([
            "--address",
            "127.0.0.1:0",
            "--control-address",
            "127.0.0.1:0",
        ])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub(crate) async fn announced(program: &mut Child) -> Value {
    let output = program.stdout.take().unwrap();
    let line = BufReader::new(output)
        .lines()
        .next_line()
        .await
        .unwrap()
        .unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn it_prints_its_endpoints_serves_and_ends_on_either_signal() {
    for signal in ["-TERM", "-INT"] {
        let mut program = start(&[
            "--output",
            "json",
            "--seed",
            "7",
            "--switches",
            r#"{"pageSize": 3}"#,
        ]);
        let endpoints = announced(&mut program).await;
        assert_eq!(endpoints["seed"], 7);
        let options = format!("{}/options", endpoints["controlEndpoint"].as_str().unwrap());
        assert_eq!(
            read(http().get(options)).await.unwrap().expect(200).json()["pageSize"],
            3
        );
        let sets = format!(
            "{}/beta/external/industryData/runs",
            endpoints["graphEndpoint"].as_str().unwrap()
        );
        read(http().get(sets)).await.unwrap().expect(401);

        let id = program.id().unwrap().to_string();
        Command::new("kill")
            .args([signal, &id])
            .status()
            .await
            .unwrap();
        assert!(program.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_switch_that_does_not_exist_and_a_port_that_is_taken_are_errors() {
    let mistaken = start(&["--switches", r#"{"pagesize": 3}"#])
        .wait_with_output()
        .await
        .unwrap();
    assert!(!mistaken.status.success());
    assert!(
        String::from_utf8(mistaken.stderr)
            .unwrap()
            .contains("pagesize")
    );

    let mut first = start(&["--output", "json"]);
    let taken = announced(&mut first).await["graphEndpoint"]
        .as_str()
        .unwrap()
        .replace("http://", "");
    let second = Command::new(env!("CARGO_BIN_EXE_industrydata-simulator"))
        .args(["--address", &taken, "--control-address", "127.0.0.1:0"])
        .output()
        .await
        .unwrap();
    assert!(!second.status.success());
    assert!(
        String::from_utf8(second.stderr)
            .unwrap()
            .starts_with("error: failed to listen on ")
    );
}
