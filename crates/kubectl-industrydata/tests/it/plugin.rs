//! The plugin as a process.

use std::process::{Output, Stdio};
use std::time::Duration;

use industrydata_simulator::{Behavior, Options, Simulator};
use tokio::process::{Child, Command};

pub const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub const CLIENT: &str = "66666666-7777-4888-8999-000000000000";
pub const PERMISSION: &str = "IndustryData-OutboundFlow.ReadWrite.All";

/// Nothing here takes this long, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a run of the plugin ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails unless the plugin failed with this exit code, a message of these parts, and nothing on standard output.
    #[track_caller]
    pub fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "");
        let message = self.stderr.lines().last().unwrap_or_default();
        assert!(message.starts_with("error: "), "{self:?}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in {message}");
        }
        let is_shown = |one: char| one == '\n' || !one.is_control();
        assert!(self.stderr.chars().all(is_shown), "{:?}", self.stderr);
    }
}

/// The plugin without a cluster: any attempt to use one would fail.
pub fn plugin(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-industrydata"));
    command
        .args(flags)
        .env("KUBECONFIG", "/nowhere/kubeconfig")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts a sign-in that prints YAML.
pub fn login(authority: &str, more: &[&str]) -> Child {
    let mut flags = vec!["login", "--output=yaml", "--authority-endpoint", authority];
    for (flag, value) in [("--tenant", TENANT), ("--client-id", CLIENT)] {
        if !more.iter().any(|given| given.starts_with(flag)) {
            flags.extend([flag, value]);
        }
    }
    plugin(&[&flags[..], more].concat()).spawn().unwrap()
}

pub async fn end(child: Child) -> Ended {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the plugin ends in time").unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A simulator that may be asked each second.
pub async fn simulator() -> Simulator {
    let behavior = Behavior {
        device_code_interval: Duration::from_secs(1),
        ..Behavior::default()
    };
    let options = Options {
        behavior,
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

/// Waits until the plugin has a code, and returns it.
pub async fn code(simulator: &Simulator) -> String {
    let pending = async {
        loop {
            if let Some(code) = simulator.device_codes().pop() {
                return code.user_code;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, pending)
        .await
        .expect("a code is requested")
}
