//! What the kernel reports of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

/// A process that is measured. It is killed when this is dropped.
pub struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().context("failed to start a process")?;
        let pid = child.id().context("the process has no id")?;
        Ok(Self { child, pid })
    }

    /// Fails if the process has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the process ended with {status}; its log is in target/bench"),
            None => Ok(()),
        }
    }

    /// CPU time in user and kernel mode since the start.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name of the program, in parentheses, may contain spaces.
        let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(
            ticks * 1000 / rustix::param::clock_ticks_per_second(),
        ))
    }

    /// Memory in MiB: `VmHWM` is the most that it ever had, `VmRSS` what it has now.
    pub fn mebibytes(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let size = line
            .context("no such field")?
            .trim_matches([':', ' ', '\t']);
        let kibibytes: u32 = size.trim_end_matches(" kB").parse()?;
        Ok(f64::from(kibibytes) / 1024.0)
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let kill = ["-TERM", &self.pid.to_string()];
        Command::new("kill").args(kill).status().await?;
        self.child.wait().await?;
        Ok(())
    }
}
