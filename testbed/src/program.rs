//! One running program of the control plane.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::binaries::Binaries;
use crate::log::Tail;

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProgramName {
    /// The database.
    Etcd,
    /// The API server.
    KubeApiServer,
    /// Garbage collection, namespace deletion and the aggregation of cluster roles.
    KubeControllerManager,
}

impl ProgramName {
    /// The name of the executable, and of the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiServer => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
        }
    }
}

impl fmt::Display for ProgramName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A running program of the control plane. It ends with the [`ControlPlane`](crate::ControlPlane)
/// it belongs to.
#[derive(Debug)]
pub struct Program {
    name: ProgramName,
    pid: u32,
    log: PathBuf,
    /// Also holds the pipe that the program's life hangs on.
    child: Mutex<Child>,
}

impl Program {
    /// Starts a program in `directory`, with its log there and nothing of our environment.
    pub(crate) fn start(
        binaries: &Binaries,
        name: ProgramName,
        arguments: &[OsString],
        directory: &Path,
    ) -> Result<Self, Error> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Error::file("create", &log))?;
        let errors = output.try_clone().map_err(Error::file("open", &log))?;
        let mut command = binaries.command(name.as_str());
        command
            .args(arguments)
            .env_clear()
            .env("CONTROLPLANE_TIED_TO_STDIN", "1")
            .current_dir(directory)
            // Keeps a terminal's Ctrl-C from it, so that whoever got the Ctrl-C can still use the
            // cluster to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        let child = command.spawn().map_err(|source| Error::Spawn {
            program: name.as_str(),
            path: command.get_program().into(),
            source,
        })?;
        Ok(Self {
            name,
            pid: child.id(),
            log,
            child: Mutex::new(child),
        })
    }

    /// Which program this is.
    #[must_use]
    pub fn name(&self) -> ProgramName {
        self.name
    }

    /// The process id, for tests that stop and continue a program. It is also the id of its process
    /// group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file with everything that the program wrote to its standard output and error.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last lines of the log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        Tail::of_file(&self.log).to_string()
    }

    /// Fails with [`Error::Ended`] if the program has ended by itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let ended = self
            .ended()
            .map_err(Error::file("look after", self.name.as_str()))?;
        ended.map_or(Ok(()), |status| {
            Err(Error::Ended {
                program: self.name,
                status,
                log: self.log_tail(),
            })
        })
    }

    fn ended(&self) -> std::io::Result<Option<ExitStatus>> {
        self.child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()
    }
}

impl Drop for Program {
    /// Kills the program and waits for its end, so that its port and files are free afterwards.
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Both fail only for a process that has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}
