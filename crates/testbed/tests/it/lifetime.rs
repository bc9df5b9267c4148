//! What starts, stops and stays.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use industrydata_testbed::{ControlPlane, Error, ProgramName, Source, run};

use crate::support::{builder, eventually, is_running, shared};

/// Names the file where a process that holds a control plane tells what it holds.
const HOLD: &str = "TESTBED_TEST_HOLD";
/// Names the directory of the programs that it starts; if unset, they are built.
const HOLD_ASSETS: &str = "TESTBED_TEST_HOLD_ASSETS";

/// One that ends leaves nothing behind.
#[tokio::test]
async fn two_control_planes_do_not_disturb_each_other() {
    let (first, second) = (
        shared().await,
        builder().without_audit().start().await.unwrap(),
    );
    assert!(second.audit().is_none());
    run(second.kubectl().args(["create", "namespace", "elsewhere"]))
        .await
        .unwrap();
    run(first.kubectl().args(["get", "namespace", "elsewhere"]))
        .await
        .unwrap_err();

    let (pids, directory) = (pids(&second), second.directory().to_owned());
    let port = second
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse::<u16>()
        .unwrap();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().copied().all(is_running));
    drop(second);
    assert!(!pids.iter().copied().any(is_running));
    assert!(!directory.exists());
    TcpListener::bind(("127.0.0.1", port)).unwrap();

    first.check().unwrap();
    run(first.kubectl().args(["get", "--raw", "/readyz"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_program_that_does_not_start_is_told_with_its_log() {
    let error = builder()
        .api_server_argument("--no-such-flag")
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Ended {
                program: ProgramName::KubeApiServer,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("unknown flag: --no-such-flag"),
        "{error}"
    );
}

#[tokio::test]
async fn a_program_that_is_killed_is_told_and_the_rest_can_be_stopped() {
    let control_plane = builder().start().await.unwrap();
    let (pids, directory) = (pids(&control_plane), control_plane.directory().to_owned());
    signal(
        "-KILL",
        control_plane.program(ProgramName::Etcd).unwrap().pid(),
    );
    eventually("the end of etcd to be seen", async || {
        control_plane.check().is_err()
    })
    .await;
    assert!(
        control_plane
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("etcd ended with signal: 9")
    );
    control_plane.stop().await.unwrap();
    assert!(!pids.into_iter().any(is_running));
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_behind() {
    nothing_outlives_a_killed_holder("a_process_that_is_killed_leaves_nothing_behind", None).await;
}

/// Programs made by others do not end with their standard input.
#[tokio::test]
async fn a_process_that_is_killed_leaves_no_program_of_others_behind() {
    let assets = assets().await;
    nothing_outlives_a_killed_holder(
        "a_process_that_is_killed_leaves_no_program_of_others_behind",
        Some(assets.path()),
    )
    .await;
}

/// Runs the named test again in a process that holds a control plane, kills that process, and looks
/// what is left.
async fn nothing_outlives_a_killed_holder(test: &str, assets: Option<&Path>) {
    if let Some(report) = std::env::var_os(HOLD) {
        return hold(Path::new(&report)).await;
    }
    let report = tempfile::tempdir().unwrap();
    let report = report.path().join("report");
    let mut holder = holder(test, &report, assets);
    eventually("the process to hold a control plane", async || {
        assert!(holder.try_wait().unwrap().is_none(), "the process ended");
        report.exists()
    })
    .await;
    let (directory, pids) = read_report(&report);
    assert!(pids.len() >= 2 && pids.iter().copied().all(is_running));
    // A stopped process cannot end by itself.
    signal("-STOP", pids[0]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("the programs to end", async || {
        !pids.iter().copied().any(is_running)
    })
    .await;
    eventually("the directory to be removed", async || !directory.exists()).await;
}

fn holder(test: &str, report: &Path, assets: Option<&Path>) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("{module}::{test}")])
        .env(HOLD, report);
    if let Some(assets) = assets {
        command.env(HOLD_ASSETS, assets);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn hold(report: &Path) {
    let assets = std::env::var_os(HOLD_ASSETS).map(PathBuf::from);
    let source = assets.map_or(Source::Built, |directory| Source::Assets { directory });
    let control_plane = ControlPlane::builder()
        .source(source)
        .start()
        .await
        .unwrap();
    let pids = pids(&control_plane)
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    let unfinished = report.with_extension("unfinished");
    fs::write(
        &unfinished,
        format!("{}\n{pids}", control_plane.directory().display()),
    )
    .unwrap();
    fs::rename(unfinished, report).unwrap();
    std::future::pending::<()>().await;
}

fn read_report(report: &Path) -> (PathBuf, Vec<u32>) {
    let text = fs::read_to_string(report).unwrap();
    let (directory, pids) = text.split_once('\n').unwrap();
    (
        directory.into(),
        pids.split(' ').map(|pid| pid.parse().unwrap()).collect(),
    )
}

fn pids(control_plane: &ControlPlane) -> Vec<u32> {
    control_plane
        .programs()
        .iter()
        .map(industrydata_testbed::Program::pid)
        .collect()
}

fn signal(signal: &str, pid: u32) {
    assert!(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// A directory as `KUBEBUILDER_ASSETS` names it: no kube-controller-manager, and nothing that knows
/// of us.
async fn assets() -> tempfile::TempDir {
    let kubectl = shared().await.kubectl();
    let binary = kubectl.as_std().get_program().to_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["etcd", "kube-apiserver", "kubectl"] {
        let path = directory.path().join(name);
        let script =
            format!("#!/bin/sh\nunset CONTROLPLANE_TIED_TO_STDIN\nexec '{binary}' {name} \"$@\"\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}
