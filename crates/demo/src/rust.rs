//! The Rust part: cargo, and what it says.

use std::env;
use std::ffi::OsString;
use std::io::{BufReader, Read};
use std::process::{Command, Stdio};

/// The package of the demo itself.
const STORY: &str = "industrydata-demo-story";

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

/// What cargo says that it does.
const DOES: [&str; 10] = [
    "Blocking",
    "Building",
    "Compiling",
    "Downloaded",
    "Downloading",
    "Finished",
    "Fresh",
    "Locking",
    "Running",
    "Updating",
];

/// How far cargo is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It compiles.
    Compiling {
        /// How many steps are done.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// It does something else first, such as to download.
    Other(String),
}

/// Compiles the demo. If that fails, the error is all that the compiler has said.
pub fn build(progress: &mut dyn FnMut(Progress)) -> Result<(), String> {
    let mut command = cargo("build");
    // With a bar although nobody sees it: the numbers in it are wanted.
    command
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "80")
        .args(["--color", "never"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let failed = |error| format!("failed to run cargo: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        each_line(stderr, &mut |line| match progress_of(line) {
            Some(known) => progress(known),
            None => said.extend([line, "\n"]),
        });
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(format!("cargo ended with {status}:\n{said}"))
}

/// The command that runs the demo, which has been built.
pub fn run(arguments: &[OsString]) -> Command {
    let mut command = cargo("run");
    command.args(["--quiet", "--"]).args(arguments);
    command
}

fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo tells the program that it runs about its package, which what is compiled must not hear.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.args([subcommand, "--locked", "--package", STORY]);
    cargo.args(["--manifest-path", MANIFEST]);
    cargo
}

/// Lines, also those that are written over each other on a terminal, without the codes that clear it.
fn each_line(text: impl Read, line: &mut dyn FnMut(&str)) {
    let mut bytes = Vec::new();
    for byte in BufReader::new(text).bytes().map_while(Result::ok) {
        if byte != b'\n' && byte != b'\r' {
            bytes.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).replace("\u{1b}[K", "");
        if !text.trim().is_empty() {
            line(text.trim_end());
        }
        bytes.clear();
    }
}

/// What a line tells of cargo's progress; nothing if it is of something else, such as a compiler's error.
fn progress_of(line: &str) -> Option<Progress> {
    let words = line.trim_start();
    // `    Building [====>       ] 45/257: kube-client, ring`
    let numbers = words
        .strip_prefix("Building [")
        .and_then(|rest| rest.split("] ").nth(1))
        .and_then(|rest| rest.split(':').next()?.trim().split_once('/'));
    if let Some((done, total)) = numbers {
        let (done, total) = (done.parse().ok()?, total.parse().ok()?);
        return Some(Progress::Compiling { done, total });
    }
    let does = words.split(' ').next()?;
    let is_indented = words.len() < line.len();
    (is_indented && DOES.contains(&does)).then(|| Progress::Other(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_what_cargo_says() {
        let mut told = Vec::new();
        let mut rest = Vec::new();
        let said = "    Updating crates.io index\n    Building [==>    ] 45/257: ring, kube-client(build)    \r\u{1b}[K   \
                    Compiling ring v0.17.14\nerror[E0425]: cannot find value\n --> src/main.rs:3:5\n";
        each_line(said.as_bytes(), &mut |line| match progress_of(line) {
            Some(progress) => told.push(progress),
            None => rest.push(line.to_owned()),
        });
        let other = |text: &str| Progress::Other(text.to_owned());
        let compiling = Progress::Compiling {
            done: 45,
            total: 257,
        };
        assert_eq!(
            told,
            [
                other("Updating crates.io index"),
                compiling,
                other("Compiling ring v0.17.14")
            ]
        );
        assert_eq!(
            rest,
            ["error[E0425]: cannot find value", " --> src/main.rs:3:5"]
        );
    }
}
