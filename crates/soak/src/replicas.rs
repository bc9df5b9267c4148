//! The replicas of the operator, as processes that can be killed, frozen and told to stop.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::{RngExt as _, rngs::StdRng, seq::IteratorRandom as _};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::model::PASSWORD;
use crate::prometheus::Targets;
use crate::scene::{NAMESPACE, Scene};

/// Longer than the lease (20 s), in milliseconds; shorter than the visibility window (45 s), as a request that leaves after
/// that comes later than anyone can wait for.
const FREEZE: std::ops::Range<u64> = 20_500..24_000;

/// What no log may contain: passwords, the secret of the connection, tokens of service accounts.
const SECRETS: [&str; 3] = [PASSWORD, "simulator-secret", "eyJhbGci"];

const KILLED: i32 = 9;

pub struct Replicas {
    flags: Vec<String>,
    kubeconfig: PathBuf,
    log: PathBuf,
    wanted: usize,
    running: Vec<Replica>,
    targets: Targets,
}

struct Replica {
    /// From 0; the next process takes the lowest that is free, as a container that is restarted keeps its pod.
    number: usize,
    process: Child,
    thaw: Option<Instant>,
}

impl Replicas {
    /// None yet; one is wanted. What they log is added to a file, which is emptied first.
    pub fn new(scene: &Scene, log: PathBuf) -> anyhow::Result<Self> {
        File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let service = scene.service.url();
        let pairs = [
            ("--graph-endpoint", service.as_str()),
            ("--authority-endpoint", &service),
            ("--watch-namespace", NAMESPACE),
            ("--lease-namespace", NAMESPACE),
            ("--admin-address", "127.0.0.1:0"),
            // Events of watches are lost here; nobody waits an hour for what they were about.
            ("--relist-interval", "10s"),
            ("--log-format", "json"),
            ("--log-level", "info,industrydata_operator=debug"),
        ];
        Ok(Self {
            flags: pairs
                .iter()
                .flat_map(|(flag, value)| [flag, value].map(|text| (*text).to_owned()))
                .collect(),
            kubeconfig: scene.account.kubeconfig_path().to_owned(),
            log,
            wanted: 1,
            running: Vec::new(),
            targets: Targets::default(),
        })
    }

    /// Those that run, as of the last [`tend`](Self::tend).
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Continues those that have been frozen for long enough, and starts others for those that have ended.
    pub async fn tend(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        for replica in &mut self.running {
            if replica.thaw.is_some_and(|thaw| thaw <= now) {
                replica.thaw().await?;
            }
        }
        let mut running = Vec::new();
        for mut replica in self.running.drain(..) {
            match replica.process.try_wait()? {
                None => running.push(replica),
                Some(status) => ensure!(is_expected(status), "the operator ended with {status}"),
            }
        }
        while running.len() < self.wanted {
            let is_free = |number: &usize| running.iter().all(|one| one.number != *number);
            let number = (0..self.wanted).find(is_free).unwrap_or_default();
            running.push(self.start(number)?);
        }
        let target = |replica: &Replica| Some((replica.number, replica.process.id()?));
        let targets = running.iter().filter_map(target).collect();
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
        self.running = running;
        Ok(())
    }

    /// Does something to one of them at random, and says what.
    pub async fn harm(&mut self, dice: &mut StdRng) -> anyhow::Result<Option<&'static str>> {
        if dice.random_bool(0.25) {
            if self.wanted == 1 {
                self.wanted = 2;
                return Ok(Some("second replica"));
            }
            self.wanted = 1;
            // As a Deployment that is scaled down: the other one is not replaced. One that is frozen ends once it continues.
            if self.running.len() > self.wanted
                && let Some(surplus) = self.running.iter().choose(dice)
            {
                surplus.signal("-TERM").await?;
            }
            return Ok(Some("one replica"));
        }
        let awake = self
            .running
            .iter_mut()
            .filter(|replica| replica.thaw.is_none());
        let Some(replica) = awake.choose(dice) else {
            return Ok(None);
        };
        Ok(Some(match dice.random_range(0..4) {
            0 | 1 => {
                replica.process.start_kill()?;
                "kill -9"
            }
            2 => {
                replica.signal("-TERM").await?;
                "SIGTERM"
            }
            _ => {
                replica.signal("-STOP").await?;
                let time = Duration::from_millis(dice.random_range(FREEZE));
                replica.thaw = Some(Instant::now() + time);
                "SIGSTOP"
            }
        }))
    }

    pub async fn thaw_all(&mut self) -> anyhow::Result<()> {
        for replica in &mut self.running {
            if replica.thaw.is_some() {
                replica.thaw().await?;
            }
        }
        Ok(())
    }

    /// No panic, and no secret.
    pub fn check_log(&self) -> anyhow::Result<()> {
        let log = std::fs::read(&self.log).context("failed to read the operator's log")?;
        for line in String::from_utf8_lossy(&log).lines() {
            let wrong = SECRETS
                .iter()
                .chain(&["panicked"])
                .find(|wrong| line.contains(**wrong));
            if let Some(wrong) = wrong {
                bail!("the operator's log has `{wrong}`: {line}");
            }
        }
        Ok(())
    }

    fn start(&self, number: usize) -> anyhow::Result<Replica> {
        let log = File::options().append(true).open(&self.log);
        let process = Command::new(std::env::current_exe()?)
            .arg("operator")
            .args(&self.flags)
            .env("KUBECONFIG", &self.kubeconfig)
            // Ends with this process.
            .stdin(Stdio::piped())
            .stderr(log.context("failed to open the operator's log")?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("failed to start the operator")?;
        Ok(Replica {
            number,
            process,
            thaw: None,
        })
    }
}

impl Replica {
    async fn thaw(&mut self) -> anyhow::Result<()> {
        self.thaw = None;
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let Some(pid) = self.process.id() else {
            return Ok(());
        };
        let sent = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .await?;
        ensure!(sent.success(), "failed to send {signal}");
        Ok(())
    }
}

/// Killed by us, told to stop, or without its lease, which it says with an error.
fn is_expected(status: ExitStatus) -> bool {
    status.signal() == Some(KILLED) || matches!(status.code(), Some(0 | 1))
}
