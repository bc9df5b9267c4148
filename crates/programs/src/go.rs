//! One Go module, and its build.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::log::Tail;

/// The oldest Go that builds all modules.
const GO_VERSION: &str = "1.26.3";

/// How long `go` may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked after meanwhile.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// A Go module of ours, which says what is built, and from which versions: its own program, or the one of others that its
/// `go.mod` names as a tool.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// What its directory is called, and the program too.
    pub name: &'static str,
    /// Names and contents.
    pub files: &'static [(&'static str, &'static str)],
    /// Programs report the version of this module, which is required.
    pub version_of: Option<&'static str>,
    /// What `GOEXPERIMENT` has to name for it; empty for nothing.
    pub experiment: &'static str,
}

/// Progress of a build. Nothing is reported if the programs exist already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process is building, or this one is about to.
    Waiting,
    /// Modules are looked up and, the first time, downloaded.
    Resolving,
    /// Packages are compiled and linked. Those in Go's build cache are never counted as done, and
    /// linking, which takes half a minute, comes after the last.
    Building {
        /// How many packages were begun.
        done: usize,
        /// How many packages there are.
        total: usize,
    },
    /// The programs are there.
    Done,
}

/// A build under way. It can be stopped from another thread.
#[derive(Debug, Default)]
pub struct Build(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// The process id of `go`, while it runs.
    go: Option<u32>,
}

impl Module {
    /// A module of these files, without peculiarities.
    #[must_use]
    pub const fn new(name: &'static str, files: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            name,
            files,
            version_of: None,
            experiment: "",
        }
    }

    /// The packages to build, as `go build` takes them.
    fn packages(&self) -> &'static str {
        self.file("main.go").map_or("tool", |_| ".")
    }

    /// Names what is built. It may change with the Rust release, which costs a build and nothing else.
    fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (self.files, self.experiment, self.link_flags()).hash(&mut hasher);
        format!("{}-{:016x}", self.name, hasher.finish())
    }

    /// Makes the programs report their real version, which clients check.
    fn link_flags(&self) -> String {
        let Some(module) = self.version_of else {
            return "-s -w".to_owned();
        };
        let version = self.required_version(module);
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let package = "k8s.io/component-base/version";
        format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    }

    fn required_version(&self, module: &str) -> &'static str {
        let mut words = self.file("go.mod").unwrap_or_default().split_whitespace();
        words.by_ref().find(|word| *word == module);
        words.next().unwrap_or_default()
    }

    fn file(&self, name: &str) -> Option<&'static str> {
        let mut files = self.files.iter();
        files.find_map(|(file, text)| (*file == name).then_some(*text))
    }
}

/// Cargo's target directory, so that `cargo clean` also removes what is built here.
fn target_directory() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.ancestors().nth(2).unwrap_or(package);
    let name = env::var_os("CARGO_TARGET_DIR").filter(|name| !name.is_empty());
    workspace.join(name.unwrap_or_else(|| "target".into()))
}

/// The lock ends with the file's last handle, so also with a process that is killed.
fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file("create", path))?;
    file.lock().map_err(Error::file("lock", path))?;
    Ok(file)
}

impl Build {
    /// Returns the path of the module's program, after building it if it is not there yet.
    ///
    /// Blocks: for the control plane some minutes with an empty build cache, less than one with a warm one. Processes that
    /// ask at the same time wait for the one that builds.
    ///
    /// # Errors
    ///
    /// [`Error::GoMissing`] or [`Error::GoFailed`] if it cannot be built, [`Error::Stopped`] if it shall not.
    pub fn ensure(
        &self,
        module: &Module,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, Error> {
        let directory = target_directory()
            .join("testbed")
            .join(module.fingerprint());
        let binary = directory.join(module.name);
        if binary.exists() {
            return Ok(binary);
        }
        progress(Progress::Waiting);
        fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
        let _lock = lock(&directory.join("lock"))?;
        if !binary.exists() {
            self.build(module, &directory, progress)?;
        }
        progress(Progress::Done);
        Ok(binary)
    }

    /// Tells `go` to clean up and end, and starts it no more. Says whether it was running; it has ended, or is about to.
    pub fn stop(&self) -> bool {
        self.stop_within(GRACE)
    }

    fn stop_within(&self, grace: Duration) -> bool {
        let tell = |signal| {
            let mut state = self.state();
            state.stopped = true;
            state.go.is_some_and(|go| send(signal, go))
        };
        // As Ctrl-C does, upon which `go` removes its temporary files.
        if !tell("INT") {
            return false;
        }
        let start = Instant::now();
        while self.state().go.is_some() && start.elapsed() < grace {
            thread::sleep(PROBE_INTERVAL);
        }
        // It takes no notice where the signal was ignored from the start, as in the background of a script.
        tell("TERM");
        true
    }

    fn build(
        &self,
        module: &Module,
        directory: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let source = directory.join("module");
        fs::create_dir_all(&source).map_err(Error::file("create", &source))?;
        for (name, text) in module.files {
            let path = source.join(name);
            fs::write(&path, text).map_err(Error::file("write", &path))?;
        }
        progress(Progress::Resolving);
        let mut list = go(&source, module.experiment);
        list.args(["list", "-deps", module.packages()]);
        let total = self.run(&mut list, &mut |_| ())?.lines().count();
        // Only a whole binary gets the final name.
        let unfinished = directory.join("unfinished");
        let mut done = 0;
        progress(Progress::Building { done, total });
        self.run(
            go(&source, module.experiment)
                .args(["build", "-v", "-trimpath", "-buildvcs=false"])
                .args(["-ldflags", &module.link_flags(), "-o"])
                .arg(&unfinished)
                .arg(module.packages()),
            &mut |_| {
                done += 1;
                progress(Progress::Building { done, total });
            },
        )?;
        let binary = directory.join(module.name);
        fs::rename(&unfinished, &binary).map_err(Error::file("create", binary))
    }

    /// Runs a command to its end, gives each line of its standard error to `line`, and returns its
    /// standard output.
    fn run(&self, command: &mut Command, line: &mut dyn FnMut(&str)) -> Result<String, Error> {
        let mut child = self.spawn(command)?;
        let mut tail = Tail::default();
        let output = drain(&mut child, &mut |text| {
            tail.push(text);
            line(text);
        });
        // The id is another's as soon as it was waited for, so nobody may use it from here on.
        let mut state = self.state();
        let status = child.wait().map_err(Error::file("wait for", "go"))?;
        state.go = None;
        if state.stopped {
            return Err(Error::Stopped);
        }
        drop(state);
        if status.code() == Some(NOT_FOUND) {
            return Err(Error::GoMissing {
                version: GO_VERSION,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        if status.success() {
            return output.map_err(Error::file("read the output of", "go"));
        }
        Err(Error::GoFailed {
            command: format!("{command:?}"),
            status,
            output: tail.to_string(),
        })
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Error> {
        let mut state = self.state();
        if state.stopped {
            return Err(Error::Stopped);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::file("run", "nice"))?;
        state.go = Some(child.id());
        Ok(child)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(signal: &str, pid: u32) -> bool {
    let kill = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    kill.is_ok_and(|status| status.success())
}

/// Runs `go` in a directory, and returns its output.
///
/// # Errors
///
/// [`Error::GoMissing`] or [`Error::GoFailed`].
pub fn output(directory: &Path, arguments: &[&str]) -> Result<String, Error> {
    Build::default().run(go(directory, "").args(arguments), &mut |_| ())
}

/// Exit code of `nice` if the command that it is to run does not exist.
const NOT_FOUND: i32 = 127;

/// The builds take all cores for minutes, and may run beside tests that wait for something in time: hence `nice`.
fn go(directory: &Path, experiment: &str) -> Command {
    let mut command = Command::new("nice");
    command.arg("go");
    // A workspace file further up would replace the pinned versions.
    command.current_dir(directory).env("GOWORK", "off");
    command.env("GOEXPERIMENT", experiment);
    command
}

/// Reads both outputs to their ends; a thread for one of them, as a full pipe would stop the child.
fn drain(child: &mut Child, line: &mut dyn FnMut(&str)) -> io::Result<String> {
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout
            .map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut text))
            .map(|_| text)
    });
    if let Some(stderr) = child.stderr.take() {
        for text in BufReader::new(stderr).lines() {
            line(&text?);
        }
    }
    reader
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the reader of standard output panicked")))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MODULE: Module = Module {
        version_of: Some("k8s.io/kubernetes"),
        ..Module::new(
            "program",
            &[("go.mod", "require (\n\tk8s.io/kubernetes v1.37.2\n)")],
        )
    };

    #[test]
    fn versions_come_from_the_go_module() {
        let flags = MODULE.link_flags();
        assert!(flags.contains("gitVersion=v1.37.2 "), "{flags}");
        assert!(flags.ends_with("gitMinor=37"), "{flags}");
    }

    #[test]
    fn another_version_is_another_program() {
        let other = Module {
            files: &[("go.mod", "require k8s.io/kubernetes v1.37.3")],
            ..MODULE
        };
        assert_ne!(MODULE.fingerprint(), other.fingerprint());
    }

    #[test]
    fn the_go_that_is_asked_for_is_the_newest_that_a_module_needs() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = fs::read_dir(package.join("../testbed/tools")).unwrap();
        let modules = tools.map(|entry| entry.unwrap().path());
        let versions = modules.chain([package.join("controlplane")]).map(|module| {
            let text = fs::read_to_string(module.join("go.mod")).unwrap();
            let mut lines = text.lines();
            let version = lines.find_map(|line| line.strip_prefix("go ")).unwrap();
            let parts = version.split('.').map(|part| part.parse().unwrap());
            parts.collect::<Vec<u32>>()
        });
        let asked = GO_VERSION.split('.').map(|part| part.parse().unwrap());
        assert_eq!(versions.max().unwrap(), asked.collect::<Vec<u32>>());
    }

    #[test]
    fn a_failing_command_is_told_with_its_last_words() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo one >&2; echo two >&2; exit 3"]);
        let error = Build::default()
            .run(&mut command, &mut |line| lines.push(line.to_owned()))
            .unwrap_err();
        assert_eq!(lines, ["one", "two"]);
        assert!(error.to_string().ends_with("one\ntwo"), "{error}");
    }

    /// Stops a command that does something about SIGINT, once it runs.
    fn stopped(trap: &str) -> (Build, bool, Result<String, Error>) {
        let build = Build::default();
        let (stopped, ended) = thread::scope(|scope| {
            let script = format!("{trap}; echo begun >&2; while :; do sleep 0.1; done");
            let (begun, has_begun) = mpsc::channel();
            let build = &build;
            let running = scope.spawn(move || {
                let mut command = Command::new("sh");
                build.run(command.args(["-c", &script]), &mut |_| {
                    begun.send(()).unwrap();
                })
            });
            has_begun.recv().unwrap();
            let stopped = build.stop_within(Duration::from_millis(500));
            (stopped, running.join().unwrap())
        });
        (build, stopped, ended)
    }

    #[test]
    fn a_build_that_is_stopped_ends_and_does_not_go_on() {
        let (build, stopped, ended) = stopped("trap 'exit 3' INT");
        assert!(stopped);
        assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
        let next = build.run(&mut Command::new("true"), &mut |_| ());
        assert!(matches!(next, Err(Error::Stopped)), "{next:?}");
        assert!(!build.stop(), "nothing runs any more");
    }

    #[test]
    fn a_build_that_takes_no_notice_is_stopped_as_well() {
        let (_, stopped, ended) = stopped("trap '' INT");
        assert!(stopped);
        assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
    }

    #[test]
    fn a_missing_go_is_told_with_what_to_do() {
        let error = Build::default()
            .run(Command::new("nice").arg("no-such-program"), &mut |_| ())
            .unwrap_err()
            .to_string();
        assert!(
            ["install Go", "KUBEBUILDER_ASSETS", "TESTBED_KUBECONFIG"]
                .iter()
                .all(|hint| error.contains(hint))
        );
    }
}
