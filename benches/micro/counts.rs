//! Counts of instructions, which unlike times are the same on a busy machine. They are those of a build as the tests have
//! it, where only a few dependencies are optimized, and are held to what was recorded, within 5 %.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};

use crate::workloads::{ALL, Inputs};

/// What this program is called with under callgrind, before the name of the workload.
pub const RUN: &str = "run";

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/micro/counts.json");

/// Percent.
const TOLERANCE: u64 = 5;

/// Does the work of one workload, once, as its preparation is not counted.
pub fn run(inputs: &Inputs, name: &str) -> anyhow::Result<()> {
    let workload = ALL.into_iter().find(|(known, _)| *known == name);
    let (_, work) = workload.context("no such workload")?;
    work(inputs);
    Ok(())
}

/// Compares the counts with those that were recorded, or records them if `UPDATE` is set.
#[expect(clippy::print_stderr, reason = "a check that is skipped has to show")]
pub fn check() -> anyhow::Result<()> {
    if !is_installed() {
        eprintln!("skipped: instructions are counted by valgrind, which is not installed");
        return Ok(());
    }
    let counts = ALL.iter().map(|(name, _)| Ok((*name, count(name)?)));
    let counts: BTreeMap<&str, u64> = counts.collect::<anyhow::Result<_>>()?;
    if env::var_os("UPDATE").is_some() {
        let json = serde_json::to_string_pretty(&counts)? + "\n";
        return fs::write(RECORDED, json).context("failed to record the counts");
    }
    let recorded = fs::read_to_string(RECORDED).context("failed to read the counts")?;
    let recorded: BTreeMap<String, u64> = serde_json::from_str(&recorded)?;
    for (name, count) in counts {
        let expected = *recorded
            .get(name)
            .context("a workload that is not recorded")?;
        ensure!(
            100 * count.abs_diff(expected) <= TOLERANCE * expected,
            "{name} takes {count} instructions instead of {expected}; \
             if that is intended, record it: UPDATE=1 cargo test --bench micro"
        );
    }
    Ok(())
}

fn is_installed() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// Instructions from the call of a workload to its return.
fn count(name: &str) -> anyhow::Result<u64> {
    let program = env::current_exe()?;
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{name}"));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*workloads::{name}"))
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args([RUN, name]);
    let ran = valgrind.output()?;
    let log = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "valgrind failed: {log}");
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.with_context(|| format!("nothing was counted: {log}"))?;
    Ok(collected.trim().parse()?)
}
