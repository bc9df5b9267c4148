//! The operator as a process of its own, to be started, killed, frozen and told to stop.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use industrydata_testbed::Account;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::install::node::Root;
use crate::test_env::TestEnv;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_industrydata-operator");

/// Nothing that a process is waited for takes this long.
const PATIENCE: Duration = Duration::from_mins(1);

const ABORTED: i32 = 6;

/// What one process, or several after each other, have logged.
pub type Log = Arc<Mutex<String>>;

/// How a process is to be started.
pub struct Launch {
    name: String,
    flags: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    kubeconfig: PathBuf,
    program: Command,
    log: Log,
}

impl Launch {
    /// With the flags of an environment and as its account; all that it does is logged.
    pub fn on(env: &TestEnv) -> Self {
        let flags = env.flags();
        let pairs = flags
            .chunks(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()));
        let launch = Self {
            name: env.namespace.clone(),
            flags: pairs.collect(),
            variables: BTreeMap::new(),
            kubeconfig: PathBuf::new(),
            program: Command::new(PROGRAM),
            log: Log::default(),
        };
        launch
            .kubeconfig(env.account.kubeconfig_path())
            .flag("--log-format", "json")
            .flag("--log-level", "info,industrydata_operator=trace")
    }

    /// As a kubelet starts the container of a Deployment's pods, but for its files and for what is not so outside of a
    /// cluster: where it finds the cluster and its namespace, and that several listen on one machine.
    pub fn of(deployment: &Value, account: &Account) -> Self {
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap();
        assert_eq!(arguments[0], "run");
        let flag = |argument: &Value| {
            let (flag, value) = argument.as_str().unwrap().split_once('=').unwrap();
            (flag.to_owned(), value.to_owned())
        };
        let given = container["env"].as_array().into_iter().flatten();
        let variable = |one: &Value| {
            let of_the_pod = one["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace";
            let value = of_the_pod.then_some(namespace).or(one["value"].as_str());
            (
                one["name"].as_str().unwrap().to_owned(),
                value.unwrap().to_owned(),
            )
        };
        let launch = Self {
            name: namespace.to_owned(),
            flags: arguments[1..].iter().map(flag).collect(),
            variables: given.map(variable).collect(),
            kubeconfig: account.kubeconfig_path().to_owned(),
            program: Command::new(PROGRAM),
            log: Log::default(),
        };
        launch
            .flag("--admin-address", "127.0.0.1:0")
            .flag("--lease-namespace", namespace)
    }

    /// What the process is called where its log is shown.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With a flag, instead of the value that it had.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.insert(flag.to_owned(), value.to_owned());
        self
    }

    /// Without a flag.
    pub fn without(mut self, flag: &str) -> Self {
        self.flags.remove(flag);
        self
    }

    /// With an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What is done to the process from within: see `src/failpoint.rs`.
    pub fn failpoints(self, failpoints: &str) -> Self {
        self.variable("FAILPOINTS", failpoints)
    }

    /// With another way to the cluster.
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = path.into();
        self
    }

    /// In a container, where it finds the cluster and its namespace by itself.
    pub fn inside(mut self, root: &Root) -> Self {
        self.program = root.command("/industrydata-operator");
        self.without("--lease-namespace").kubeconfig("")
    }

    /// In a control group of the kernel, of which this file lists the processes.
    pub fn within(mut self, processes: &Path) -> Self {
        let enter = r#"echo $$ > "$0" && exec "$@""#;
        self.program = Command::new("sh");
        self.program.args(["-c", enter]).arg(processes).arg(PROGRAM);
        self
    }

    /// What it logs is added to this.
    pub fn log(mut self, log: &Log) -> Self {
        self.log.clone_from(log);
        self
    }

    /// Starts it, and waits until it serves.
    pub async fn start(self) -> Process {
        let mut command = self.program;
        command
            .arg("run")
            .args(self.flags.iter().flat_map(|(flag, value)| [flag, value]))
            .envs(&self.variables)
            .env("KUBECONFIG", &self.kubeconfig)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // For questions to it, as the program does it for itself.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Process {
            name: self.name,
            pid: child.id().unwrap().to_string(),
            child,
            address: String::new(),
            log: self.log,
        };
        while process.address.is_empty() {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("the program ended before it served");
            process.address = address(&line).unwrap_or_default();
            push(&process.log, &line);
        }
        let log = process.log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                push(&log, &line);
            }
        });
        process
    }
}

/// A running process. It ends with this; if that is because a test failed, its log is shown.
pub struct Process {
    name: String,
    pid: String,
    child: Child,
    address: String,
    log: Log,
}

impl Process {
    /// Where its administration server listens.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks the administration server.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.address)).await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Whether it holds the lease. Whoever has ended or is frozen does nothing with it.
    pub async fn leads(&mut self) -> bool {
        if self.ended().is_some() || self.is_frozen() {
            return false;
        }
        let answer = reqwest::get(format!("{}/metrics", self.address)).await;
        let Ok(answer) = answer else {
            return false;
        };
        let metrics = answer.text().await.unwrap_or_default();
        metrics.contains("industrydata_operator_leader 1")
    }

    /// What the kernel says of it: `Uid`, `CapEff`.
    pub fn status(&self) -> BTreeMap<String, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let value: Vec<&str> = value.split_whitespace().collect();
            Some((name.to_owned(), value.join(" ")))
        };
        status.lines().filter_map(line).collect()
    }

    /// The resource limits that the kernel enforces on it.
    pub fn limits(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/limits", self.pid)).unwrap()
    }

    /// Ends it at once.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Tells it to stop.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Continues it after `-STOP`, or after it has frozen by itself.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    /// Whether it is frozen, be it by itself.
    pub fn is_frozen(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        state.rsplit(") ").next().unwrap().starts_with('T')
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Whether it has ended at a failpoint.
    pub fn crashed(&mut self) -> bool {
        self.ended()
            .is_some_and(|status| status.signal() == Some(ABORTED))
    }

    /// Comes when it has ended.
    pub async fn end(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// Waits for its end, which has to come.
    pub async fn wait(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.end()).await;
        ended.expect("the process ends in time")
    }

    /// Tells it to stop, and waits until it has, as it should.
    pub async fn stop(mut self) {
        self.terminate().await;
        let status = self.wait().await;
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Sends a signal: `-STOP`.
    pub async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid]).status();
        assert!(sent.await.unwrap().success(), "{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("---- log of {}\n{}", self.name, self.log());
        }
    }
}

fn address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    Some(format!("http://{}", line["address"].as_str()?))
}

fn push(log: &Log, line: &str) {
    let mut log = log.lock().unwrap();
    log.push_str(line);
    log.push('\n');
}
