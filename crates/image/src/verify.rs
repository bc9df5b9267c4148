//! Whether an image is the same wherever it is built.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::commit::git;
use crate::{Image, ImageSpec};

/// Builds an image again, from a fresh clone in another place, and compares.
///
/// # Errors
///
/// If the other image cannot be built, or is not the same. Both are kept then.
pub fn verify(spec: &ImageSpec, image: &Image) -> anyhow::Result<()> {
    let directory = tempfile::tempdir().context("failed to create a directory")?;
    let clone = directory.path().join("a clone");
    let to = clone
        .to_str()
        .context("the temporary directory has no readable name")?;
    git(
        &spec.source,
        &["clone", "--quiet", "--no-hardlinks", ".", to],
    )?;
    let other = ImageSpec {
        source: clone,
        output: directory.path().join("out"),
        ..spec.clone()
    };
    let other = other.build()?;
    if other.digest != image.digest || read(&other.sbom)? != read(&image.sbom)? {
        bail!(
            "the image depends on where it is built: {} in {}, and {} in {}",
            image.digest,
            image.layout.display(),
            other.digest,
            directory.keep().display(),
        );
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}
