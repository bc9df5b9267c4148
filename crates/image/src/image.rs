//! How the image is made. The Dockerfile does the same.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cargo_metadata::Metadata;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::layout::{self, Layout, archive, gzip, sha256};
use crate::{compile, sbom};

/// The package, the program, and the file in the root of the image.
pub const PROGRAM: &str = "industrydata-operator";

/// User and group of the program, which have no name and own nothing.
pub const USER: &str = "65532:65532";

/// What is built, and where.
#[derive(Clone, Debug)]
pub struct ImageSpec {
    /// The source tree.
    pub source: PathBuf,
    /// A directory, which is made if it is missing: `layout/` and the other files of [`Image`] are written anew, `build/`
    /// is where Cargo works.
    pub output: PathBuf,
    /// The commit that the image says it is of.
    pub revision: String,
    /// The time that the image says it is of.
    pub created: Timestamp,
}

/// An image that has been built.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its manifest, by which a registry knows it.
    pub digest: String,
    /// The OCI image layout. It holds the bill of materials too, as an artifact that refers to the image.
    pub layout: PathBuf,
    /// The program alone.
    pub program: PathBuf,
    /// The bill of materials.
    pub sbom: PathBuf,
}

impl ImageSpec {
    /// Builds the image.
    ///
    /// # Errors
    ///
    /// If the program cannot be compiled, or a file not be written.
    pub fn build(&self) -> anyhow::Result<Image> {
        let create = || fs::create_dir_all(&self.output);
        create().with_context(|| format!("failed to create {}", self.output.display()))?;
        let output = self.output.canonicalize()?;
        let metadata = compile::metadata(&self.source)?;
        let compiled = compile::compile(&metadata, &output.join("build"))?;
        let sbom = sbom::sbom(&metadata, &compiled.parts, self.created)?;
        let program = fs::read(&compiled.path)
            .with_context(|| format!("failed to read {}", compiled.path.display()))?;
        let mut image = Image {
            digest: String::new(),
            layout: output.join("layout"),
            program: output.join(PROGRAM),
            sbom: output.join(format!("{PROGRAM}.cdx.json")),
        };
        image.digest = self.write(&image.layout, &metadata, &program, &sbom)?;
        fs::copy(&compiled.path, &image.program)
            .with_context(|| format!("failed to write {}", image.program.display()))?;
        fs::write(&image.sbom, sbom)
            .with_context(|| format!("failed to write {}", image.sbom.display()))?;
        Ok(image)
    }

    /// Writes the layout, and gives back the digest of the image.
    fn write(
        &self,
        directory: &Path,
        metadata: &Metadata,
        program: &[u8],
        sbom: &[u8],
    ) -> anyhow::Result<String> {
        let layout = Layout::create(directory)?;
        let platform = json!({ "architecture": architecture()?, "os": "linux" });
        let annotations = self.annotations(metadata)?;
        let archive = archive(PROGRAM, program, self.created)?;
        let config = json!({
            "created": self.created.to_string(),
            "architecture": platform["architecture"],
            "os": platform["os"],
            "config": {
                "User": USER,
                "Entrypoint": [format!("/{PROGRAM}")],
                "Cmd": ["run"],
                "ExposedPorts": { "8080/tcp": {} },
                "WorkingDir": "/",
                "Labels": annotations,
            },
            "rootfs": { "type": "layers", "diff_ids": [sha256(&archive)] },
            "history": [{ "created": self.created.to_string(), "created_by": env!("CARGO_PKG_NAME") }],
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": layout::MANIFEST,
            "config": layout.blob(layout::CONFIG, config.to_string())?,
            "layers": [layout.blob(layout::LAYER, gzip(&archive)?)?],
            "annotations": annotations,
        });
        let mut image = layout.blob(layout::MANIFEST, manifest.to_string())?;
        let referrer = json!({
            "schemaVersion": 2,
            "mediaType": layout::MANIFEST,
            "artifactType": sbom::MEDIA_TYPE,
            "config": layout.blob(layout::EMPTY, "{}")?,
            "layers": [layout.blob(sbom::MEDIA_TYPE, sbom)?],
            "subject": image,
            "annotations": { "org.opencontainers.image.created": self.created.to_string() },
        });
        let mut referrer = layout.blob(layout::MANIFEST, referrer.to_string())?;
        referrer["artifactType"] = json!(sbom::MEDIA_TYPE);
        image["platform"] = platform;
        let version = &annotations["org.opencontainers.image.version"];
        image["annotations"] = json!({ "org.opencontainers.image.ref.name": version });
        let digest = image["digest"].as_str().unwrap_or_default().to_owned();
        layout.finish(&[image, referrer])?;
        Ok(digest)
    }

    /// What the image says of itself, in its manifest and as its labels.
    fn annotations(&self, metadata: &Metadata) -> anyhow::Result<Value> {
        let packages = metadata.workspace_packages();
        let package = packages.iter().find(|package| package.name == PROGRAM);
        let package = package.with_context(|| format!("the workspace has no package {PROGRAM}"))?;
        let mut annotations = json!({
            "org.opencontainers.image.title": package.name,
            "org.opencontainers.image.description": package.description,
            "org.opencontainers.image.version": package.version.to_string(),
            "org.opencontainers.image.licenses": package.license,
            "org.opencontainers.image.revision": self.revision,
            "org.opencontainers.image.created": self.created.to_string(),
        });
        if let Some(repository) = &package.repository {
            annotations["org.opencontainers.image.source"] = json!(repository);
        }
        Ok(annotations)
    }
}

/// The architecture of the machine, in the words of OCI.
fn architecture() -> anyhow::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no image is made for {other}: build on x86_64 or aarch64"),
    }
}
