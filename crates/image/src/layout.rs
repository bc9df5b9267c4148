//! Writes an OCI image layout: blobs under their digests, and an index of what they are.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A layout that is being written.
pub(crate) struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// A new one in place of what is there.
    pub(crate) fn create(directory: &Path) -> anyhow::Result<Self> {
        let layout = Self {
            directory: directory.to_owned(),
        };
        if directory.exists() {
            fs::remove_dir_all(directory)
                .with_context(|| format!("failed to remove {}", directory.display()))?;
        }
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs)
            .with_context(|| format!("failed to create {}", blobs.display()))?;
        layout.file(
            "oci-layout",
            json!({ "imageLayoutVersion": "1.0.0" }).to_string(),
        )?;
        Ok(layout)
    }

    /// Adds a blob, and gives back its descriptor.
    pub(crate) fn blob(
        &self,
        media_type: &str,
        content: impl AsRef<[u8]>,
    ) -> anyhow::Result<Value> {
        let content = content.as_ref();
        let digest = sha256(content);
        self.file(&format!("blobs/{}", digest.replace(':', "/")), content)?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": content.len() }))
    }

    /// Ends it with the descriptors of what it is about.
    pub(crate) fn finish(self, manifests: &[Value]) -> anyhow::Result<()> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        self.file("index.json", index.to_string())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))
    }
}

/// The digest of a blob, as OCI writes it: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn sha256(content: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, content).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// An archive with one program in its root, which belongs to root.
pub(crate) fn archive(name: &str, program: &[u8], created: Timestamp) -> anyhow::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_mtime(
        created
            .as_second()
            .try_into()
            .context("there is no time before 1970 in an archive")?,
    );
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, program)?;
    Ok(archive.into_inner()?)
}

/// Compressed, without a time or a name.
pub(crate) fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}
