//! A person at a cluster with the plugin, and a simulator to sign in to.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use industrydata_simulator::{Behavior, Options};
use industrydata_testbed::{Account, Position};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{CLIENT, SECRET};
use crate::test_env::TestEnv;
use crate::tree::{files_under, root};
use crate::waiting::PATIENCE;

/// An environment, and a person in it who may do what the plugin does.
pub struct Desk {
    pub env: TestEnv,
    pub person: Account,
}

/// How a run of the plugin ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    pub fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "`{part}` is not in {}",
                self.stderr
            );
        }
    }
}

impl Desk {
    pub async fn set_up(name: &str) -> Self {
        let behavior = Behavior {
            device_code_interval: Duration::from_secs(1),
            ..Behavior::default()
        };
        let options = Options {
            behavior,
            ..Options::default()
        };
        let env = TestEnv::set_up(name, options).await;
        env.simulator
            .set_refresh_tokens(CLIENT, Vec::new())
            .unwrap();
        let person = env.plane.service_account(name, "person").await.unwrap();
        // As documented: only users may write.
        env.simulator
            .configure(|behavior| behavior.application_writes = false);
        let desk = Self { env, person };
        desk.allow("get,create,patch", "secrets").await;
        desk.allow("get,create,patch", "roles,rolebindings").await;
        desk.allow("get,create", "graphconnections.industrydata.dev")
            .await;
        desk
    }

    /// Allows the person something, and waits until that has effect.
    pub async fn allow(&self, verbs: &str, resources: &str) {
        let name = resources.replace([',', '.'], "-");
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        let role = ["create", "role", &name, &verbs, &resources];
        self.env.kubectl(&role).await.unwrap();
        let user = format!("--serviceaccount={}:person", self.env.namespace);
        let binding = ["create", "rolebinding", &name, "--role", &name, &user];
        self.env.kubectl(&binding).await.unwrap();
        let resource = resources.rsplit(['=', ',']).next().unwrap();
        let allowed = async || self.may(self.person.user(), "create", resource).await;
        self.env.until("the role to have effect", allowed).await;
    }

    pub async fn may(&self, user: &str, verb: &str, resource: &str) -> bool {
        let question = ["auth", "can-i", verb, resource, "--as", user];
        self.env
            .kubectl(&question)
            .await
            .is_ok_and(|answer| answer.trim() == "yes")
    }

    pub fn flags(&self, more: &[&str]) -> Vec<String> {
        let authority = self.env.simulator.authority_endpoint();
        let own = [
            "login",
            "--authority-endpoint",
            &authority,
            "--namespace",
            &self.env.namespace,
        ];
        let flags = own.iter().chain(more).map(|flag| (*flag).to_owned());
        if more.contains(&"--create-role") {
            let operator = [
                "--operator-service-account",
                "operator",
                "--operator-namespace",
                &self.env.namespace,
            ];
            return flags.chain(operator.map(str::to_owned)).collect();
        }
        flags.collect()
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(plugin());
        command
            .args(self.flags(more))
            .env("KUBECONFIG", self.person.kubeconfig_path())
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub fn start(&self, more: &[&str]) -> Child {
        self.command(more).spawn().unwrap()
    }

    /// Runs the plugin to its end, without a person.
    pub async fn run(&self, more: &[&str]) -> Ended {
        end(self.start(more)).await
    }

    /// Runs the plugin to its end, with a person who approves.
    pub async fn sign_in(&self, more: &[&str]) -> Ended {
        let ended = end(self.start(more));
        tokio::pin!(ended);
        tokio::select! {
            early = &mut ended => early,
            () = self.approve() => ended.await,
        }
    }

    /// Waits until the plugin has a code.
    pub async fn code(&self) -> String {
        let simulator = &self.env.simulator;
        self.env
            .until("a code", async || !simulator.device_codes().is_empty())
            .await;
        simulator.device_codes().pop().unwrap().user_code
    }

    pub async fn approve(&self) {
        let code = self.code().await;
        self.env.simulator.approve_device_code(&code).unwrap();
    }

    /// The refresh token that was issued last.
    pub fn token(&self) -> String {
        self.env
            .simulator
            .refresh_tokens(CLIENT)
            .unwrap()
            .pop()
            .unwrap()
    }

    pub async fn get(&self, object: &str) -> Value {
        let found = self.env.kubectl(&["get", object, "--output", "json"]).await;
        serde_json::from_str(&found.unwrap()).unwrap()
    }

    /// A value in the Secret.
    pub async fn stored(&self, key: &str) -> String {
        let secret = self.get(&format!("secret/{SECRET}")).await;
        let value = STANDARD
            .decode(secret["data"][key].as_str().unwrap())
            .unwrap();
        String::from_utf8(value).unwrap()
    }

    /// What the person has written since, but for what was only rehearsed.
    pub fn writes_since(&self, position: Position) -> Vec<String> {
        let entries = self.env.plane.audit().unwrap().since(position).unwrap();
        let user = self.person.user();
        let writes = entries.into_iter().filter(|entry| {
            let is_question = entry.resource == "selfsubjectaccessreviews";
            entry.user == user
                && entry.is_write()
                && !is_question
                && !entry.uri.contains("dryRun=All")
        });
        writes
            .map(|entry| format!("{} {} {}", entry.verb, entry.resource, entry.name))
            .collect()
    }
}

/// The plugin, which `cargo test --workspace` builds for the tests of its own package.
pub fn plugin() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().with_file_name("kubectl-industrydata");
    let built = std::fs::metadata(&program).and_then(|file| file.modified());
    let built =
        built.unwrap_or_else(|_| panic!("run `cargo test --workspace`, which builds the plugin"));
    let changed = |path: PathBuf| std::fs::metadata(root().join(path))?.modified();
    let sources = files_under(
        std::path::Path::new("crates/kubectl-industrydata/src"),
        "rs",
    )
    .unwrap();
    let newest = sources.into_iter().map(|path| changed(path).unwrap()).max();
    assert!(
        newest.unwrap_or(SystemTime::UNIX_EPOCH) <= built,
        "the plugin is older than its sources: run `cargo test --workspace`"
    );
    program
}

pub async fn end(child: Child) -> Ended {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the plugin ends in time").unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
