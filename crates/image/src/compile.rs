//! Compiles the operator to one static program that does not tell where it was built.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::{Message, Metadata, MetadataCommand, PackageId};

use crate::PROGRAM;

/// The operator, compiled.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// The packages whose code is in it.
    pub(crate) parts: BTreeSet<PackageId>,
}

/// The platform of the image is that of the machine, since TLS has parts in C and assembler that its compiler makes.
pub(crate) fn target() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

/// What Cargo knows of the workspace.
pub(crate) fn metadata(source: &Path) -> anyhow::Result<Metadata> {
    MetadataCommand::new()
        .current_dir(source)
        .other_options([
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            target(),
        ])
        .exec()
        .with_context(|| format!("failed to read the workspace in {}", source.display()))
}

/// Compiles the operator. `directory` is where Cargo works.
pub(crate) fn compile(metadata: &Metadata, directory: &Path) -> anyhow::Result<Program> {
    let source = metadata.workspace_root.as_std_path();
    let target = target();
    let sysroot: PathBuf = rustc(source, "--print=sysroot")?.trim().into();
    install(&target, source, &sysroot)?;
    // The self-contained musl of the toolchain is linked; no compiler made for musl is needed.
    let compiler = format!("CC_{}", target.replace('-', "_"));
    // The build takes all cores for minutes, and may run beside tests that wait for something in time.
    let mut cargo = Command::new("nice");
    cargo.arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo tells the program that it runs about its package, which the packages that are built must not hear.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let mut child = cargo
        .current_dir(source)
        .args(["build", "--locked", "--profile", "image", "--target"])
        .args([&target, "--package", PROGRAM, "--bin", PROGRAM])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_TARGET_DIR", directory)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(metadata, directory, &sysroot)?,
        )
        .env(
            &compiler,
            std::env::var_os(&compiler).unwrap_or_else(|| "cc".into()),
        )
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to run cargo")?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    // What is made for the machine that builds, such as macros, is in another directory.
    let linked = directory.join(&target);
    let mut parts = BTreeSet::new();
    let mut path = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        let Message::CompilerArtifact(artifact) = message.context("failed to read from cargo")?
        else {
            continue;
        };
        if artifact
            .filenames
            .iter()
            .any(|file| file.starts_with(&linked))
        {
            parts.insert(artifact.package_id);
            path = artifact.executable.or(path);
        }
    }
    let status = child.wait().context("failed to wait for cargo")?;
    match path {
        Some(path) if status.success() => Ok(Program {
            path: path.into(),
            parts,
        }),
        _ => bail!("cargo failed to build {PROGRAM} for {target}: is there a C compiler?"),
    }
}

/// Installs the standard library for the target, if the toolchain lacks it.
fn install(target: &str, source: &Path, sysroot: &Path) -> anyhow::Result<()> {
    let libraries = sysroot.join("lib/rustlib").join(target);
    if libraries.join("lib").is_dir() {
        return Ok(());
    }
    let rustup = Command::new("rustup")
        .current_dir(source)
        .args(["target", "add", target])
        .status();
    match rustup {
        Ok(status) if status.success() => Ok(()),
        _ => bail!(
            "rustup failed to install {target}: install the standard library of that target for your toolchain"
        ),
    }
}

/// Flags of the compiler that take out of the program whatever differs from place to place.
fn flags(metadata: &Metadata, directory: &Path, sysroot: &Path) -> anyhow::Result<OsString> {
    let dependencies = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some());
    let registries: BTreeSet<_> = dependencies
        .filter_map(|package| package.manifest_path.ancestors().nth(2))
        .collect();
    // Where the source of the standard library would be, and what it is called where it is not installed.
    let library = sysroot.join("lib/rustlib/src/rust");
    let standard = format!("/rustc/{}", commit_of_rustc(metadata)?);
    // The last that fits counts.
    let mut places = vec![(metadata.workspace_root.as_std_path(), "/source")];
    places.extend(
        registries
            .iter()
            .map(|path| (path.as_std_path(), "/registry")),
    );
    places.extend([(directory, "/target"), (&library, &standard)]);
    let mut flags = OsString::from("-Clink-arg=-Wl,--build-id=none");
    for (place, name) in places {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(place);
        flags.push("=");
        flags.push(name);
    }
    Ok(flags)
}

fn commit_of_rustc(metadata: &Metadata) -> anyhow::Result<String> {
    let version = rustc(metadata.workspace_root.as_std_path(), "-vV")?;
    let mut lines = version.lines();
    let hash = lines.find_map(|line| line.strip_prefix("commit-hash: "));
    hash.map(str::to_owned)
        .context("rustc does not tell its commit")
}

fn rustc(source: &Path, argument: &str) -> anyhow::Result<String> {
    let mut command = Command::new("rustc");
    command.current_dir(source).arg(argument);
    let output = command.output().context("failed to run rustc")?;
    String::from_utf8(output.stdout).context("failed to read from rustc")
}
