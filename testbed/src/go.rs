//! Builds the programs of the control plane with Go, once for all packages, profiles and processes.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Error;
use crate::log::Tail;

const GO_MOD: &str = include_str!("../controlplane/go.mod");
const GO_SUM: &str = include_str!("../controlplane/go.sum");
const MAIN_GO: &str = include_str!("../controlplane/main.go");

/// How far a build is. Nothing is told when the programs are there already.
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

/// Returns the path of the binary that holds all programs, after building it if it is not there
/// yet.
///
/// Blocks: 6 to 9 minutes with an empty build cache, about a minute with a warm one. Processes that
/// ask at the same time wait for the one that builds.
pub(crate) fn ensure(progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, Error> {
    let directory = target_directory().join("testbed").join(fingerprint());
    let binary = directory.join("controlplane");
    if binary.exists() {
        return Ok(binary);
    }
    progress(Progress::Waiting);
    fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
    let _lock = lock(&directory.join("lock"))?;
    if !binary.exists() {
        build(&directory, &binary, progress)?;
    }
    progress(Progress::Done);
    Ok(binary)
}

/// Cargo's target directory, so that `cargo clean` also removes what is built here.
fn target_directory() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().unwrap_or(package);
    let name = env::var_os("CARGO_TARGET_DIR").filter(|name| !name.is_empty());
    workspace.join(name.unwrap_or_else(|| "target".into()))
}

/// Names what is built. It may change with the Rust release, which costs a build and nothing else.
fn fingerprint() -> String {
    let mut hasher = DefaultHasher::new();
    (GO_MOD, GO_SUM, MAIN_GO, link_flags()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The lock ends with the file's last handle, so also with a process that is killed.
fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file("create", path))?;
    file.lock().map_err(Error::file("lock", path))?;
    Ok(file)
}

fn build(directory: &Path, binary: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let module = directory.join("module");
    fs::create_dir_all(&module).map_err(Error::file("create", &module))?;
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM), ("main.go", MAIN_GO)] {
        let path = module.join(name);
        fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    progress(Progress::Resolving);
    let total = run(go(&module).args(["list", "-deps", "."]), &mut |_| ())?
        .lines()
        .count();
    // Only a whole binary gets the final name.
    let unfinished = directory.join("controlplane.unfinished");
    let mut done = 0;
    progress(Progress::Building { done, total });
    run(
        go(&module)
            .args(["build", "-v", "-trimpath", "-buildvcs=false"])
            .args(["-ldflags", &link_flags(), "-o"])
            .arg(&unfinished)
            .arg("."),
        &mut |_| {
            done += 1;
            progress(Progress::Building { done, total });
        },
    )?;
    fs::rename(&unfinished, binary).map_err(Error::file("create", binary))
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    // A workspace file further up would replace the pinned versions.
    command.current_dir(module).env("GOWORK", "off");
    command
}

/// Runs a command to its end, gives each line of its standard error to `line`, and returns its
/// standard output.
fn run(command: &mut Command, line: &mut dyn FnMut(&str)) -> Result<String, Error> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::GoMissing {
            version: go_version(),
            source,
        })?;
    let mut tail = Tail::default();
    let output = drain(&mut child, &mut |text| {
        tail.push(text);
        line(text);
    });
    let status = child.wait().map_err(Error::file("wait for", "go"))?;
    if status.success() {
        return output.map_err(Error::file("read the output of", "go"));
    }
    Err(Error::GoFailed {
        command: format!("{command:?}"),
        status,
        output: tail.to_string(),
    })
}

/// Reads both outputs to their ends; a thread for one of them, as a full pipe would stop the child.
fn drain(child: &mut Child, line: &mut dyn FnMut(&str)) -> io::Result<String> {
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
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

/// Makes the programs tell their real version, which clients look at.
fn link_flags() -> String {
    let version = required_version("k8s.io/kubernetes");
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

fn go_version() -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.strip_prefix("go "))
        .unwrap_or_default()
}

fn required_version(module: &str) -> &'static str {
    let mut words = GO_MOD.split_whitespace();
    words.by_ref().find(|word| *word == module);
    words.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_go_module() {
        let version = required_version("k8s.io/kubernetes");
        assert!(version.starts_with("v1."), "{version}");
        assert!(
            link_flags().contains(&format!("gitVersion={version} ")),
            "{}",
            link_flags()
        );
        assert!(go_version().starts_with("1."), "{}", go_version());
    }

    #[test]
    fn a_failing_command_is_told_with_its_last_words() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo one >&2; echo two >&2; exit 3"]);
        let error = run(&mut command, &mut |line| lines.push(line.to_owned())).unwrap_err();
        assert_eq!(lines, ["one", "two"]);
        assert!(error.to_string().ends_with("one\ntwo"), "{error}");
    }

    #[test]
    fn a_missing_go_is_told_with_what_to_do() {
        let error = run(&mut Command::new("no-such-program"), &mut |_| ())
            .unwrap_err()
            .to_string();
        assert!(
            ["install Go", "KUBEBUILDER_ASSETS", "TESTBED_KUBECONFIG"]
                .iter()
                .all(|hint| error.contains(hint))
        );
    }
}
