//! One running program of the control plane.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::binaries::Binaries;
use crate::{Error, run};
use industrydata_programs::Tail;

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

/// A program of the control plane. It ends with the [`ControlPlane`](crate::ControlPlane) it belongs
/// to.
#[derive(Debug)]
pub struct Program {
    name: ProgramName,
    binaries: Binaries,
    arguments: Vec<OsString>,
    directory: PathBuf,
    log: PathBuf,
    /// Also holds the pipe that the program's life hangs on.
    child: Mutex<Child>,
}

impl Program {
    /// Starts a program in `directory`, with its log there and nothing of our environment.
    pub(crate) fn start(
        binaries: &Binaries,
        name: ProgramName,
        arguments: Vec<OsString>,
        directory: &Path,
    ) -> Result<Self, Error> {
        let log = directory.join(format!("{name}.log"));
        let child = spawn(binaries, name, &arguments, directory, &log)?;
        Ok(Self {
            name,
            binaries: binaries.clone(),
            arguments,
            directory: directory.to_owned(),
            log,
            child: Mutex::new(child),
        })
    }

    /// Which program this is.
    #[must_use]
    pub fn name(&self) -> ProgramName {
        self.name
    }

    /// The process id, which is also the id of its process group. It is another one after a restart.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Stops the program where it is, until it is [thawed](Self::thaw). Its connections stay open.
    ///
    /// # Errors
    ///
    /// [`Error::CommandMissing`] without a program `kill`, [`Error::CommandFailed`] if the program
    /// has ended.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.signal("-STOP").await
    }

    /// Lets a frozen program go on.
    ///
    /// # Errors
    ///
    /// As [`freeze`](Self::freeze).
    pub async fn thaw(&self) -> Result<(), Error> {
        self.signal("-CONT").await
    }

    /// Kills the program, as `kill -9` does, also if it is frozen, and waits for its end.
    /// [`ControlPlane::restart`](crate::ControlPlane::restart) starts it again.
    pub fn kill(&self) {
        end(&mut self.child());
    }

    async fn signal(&self, signal: &str) -> Result<(), Error> {
        let mut command = tokio::process::Command::new("kill");
        command.args([signal, &self.pid().to_string()]);
        run(&mut command).await.map(|_| ())
    }

    /// Kills the program and starts it again, with the same arguments, files and port.
    pub(crate) fn restart(&self) -> Result<(), Error> {
        let mut child = self.child();
        end(&mut child);
        let Self {
            name,
            binaries,
            arguments,
            directory,
            log,
            child: _,
        } = self;
        *child = spawn(binaries, *name, arguments, directory, log)?;
        Ok(())
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

    /// Fails with [`Error::Ended`] if the program ended unexpectedly.
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
        self.child().try_wait()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    /// Kills the program and waits for its end, so that its port and files are free afterwards.
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(child: &mut Child) {
    // Both fail only for a process that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn spawn(
    binaries: &Binaries,
    name: ProgramName,
    arguments: &[OsString],
    directory: &Path,
    log: &Path,
) -> Result<Child, Error> {
    let output = File::options().create(true).append(true).open(log);
    let output = output.map_err(Error::file("open", log))?;
    let errors = output.try_clone().map_err(Error::file("open", log))?;
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
    command.spawn().map_err(|source| Error::Spawn {
        program: name.as_str(),
        path: command.get_program().into(),
        source,
    })
}
