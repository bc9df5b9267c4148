//! What is built: a commit and its time.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use jiff::Timestamp;

/// A commit, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its hash, followed by `-dirty` if the tree is not as committed.
    pub revision: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Commit {
    /// The commit that a source tree is at.
    ///
    /// # Errors
    ///
    /// If the tree is not a Git repository with a commit.
    pub fn of(source: &Path) -> anyhow::Result<Self> {
        let head = git(source, &["log", "-1", "--format=%H %ct"])?;
        let (hash, seconds) = head
            .split_once(' ')
            .with_context(|| format!("git log answered {head}"))?;
        let changes = git(source, &["status", "--porcelain"])?;
        let dirty = if changes.is_empty() { "" } else { "-dirty" };
        Ok(Self {
            revision: format!("{hash}{dirty}"),
            created: Timestamp::from_second(seconds.parse()?)?,
        })
    }

    /// The same, made at another time if one is given.
    #[must_use]
    pub fn at(self, created: Option<Timestamp>) -> Self {
        Self {
            created: created.unwrap_or(self.created),
            ..self
        }
    }
}

/// What Git answers about a source tree.
pub(crate) fn git(source: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(source)
        .args(arguments)
        .output()
        .context("failed to run git: install it, or give --revision and --created")?;
    if !output.status.success() {
        bail!(
            "git {} failed in {}: {}Outside of a repository, give --revision and --created",
            arguments[0],
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
