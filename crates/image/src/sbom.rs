//! The bill of materials: which packages are in the program, as [CycloneDX](https://cyclonedx.org/docs/1.5/json/).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use cyclonedx_bom::external_models::date_time::DateTime;
use cyclonedx_bom::external_models::spdx::SpdxExpression;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata as bom;
use cyclonedx_bom::prelude::Bom;
use jiff::Timestamp;

use crate::PROGRAM;

/// The media type of the bill.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";

/// The bill of what has been compiled into the program, in JSON.
pub(crate) fn sbom(
    metadata: &Metadata,
    parts: &BTreeSet<PackageId>,
    created: Timestamp,
) -> anyhow::Result<Vec<u8>> {
    let checksums = checksums(metadata)?;
    let mut packages: Vec<&Package> = parts.iter().map(|id| &metadata[id]).collect();
    packages.sort_by_key(|package| (&package.name, &package.version));
    let (program, libraries): (Vec<&Package>, Vec<&Package>) = packages
        .into_iter()
        .partition(|package| package.name == PROGRAM);
    let program = program
        .first()
        .context("the program is not among its parts")?;
    let libraries: anyhow::Result<_> = libraries
        .into_iter()
        .map(|package| component(Classification::Library, package, &checksums))
        .collect();
    let about = bom::Metadata {
        timestamp: Some(DateTime::try_from(created.to_string())?),
        component: Some(component(Classification::Application, program, &checksums)?),
        ..bom::Metadata::default()
    };
    let bom = Bom {
        // At random by default; the same commit has to give the same bytes.
        serial_number: None,
        metadata: Some(about),
        components: Some(Components(libraries?)),
        dependencies: Some(Dependencies(dependencies(metadata, parts)?)),
        ..Bom::default()
    };
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)?;
    Ok(json)
}

fn component(
    class: Classification,
    package: &Package,
    checksums: &BTreeMap<String, String>,
) -> anyhow::Result<Component> {
    let reference = reference(package)?;
    let checksum = checksums.get(&reference).map(|checksum| Hash {
        alg: HashAlgorithm::SHA_256,
        content: HashValue(checksum.clone()),
    });
    // Some packages still have the slash of old, which SPDX does not know.
    let license = package.license.clone().map(SpdxExpression::parse_lax);
    let license = license.transpose()?.map(LicenseChoice::Expression);
    let version = package.version.to_string();
    let mut component = Component::new(class, &package.name, &version, Some(reference));
    component.purl = Some(purl(&package.name, &version)?);
    component.licenses = license.map(|license| Licenses(vec![license]));
    component.hashes = checksum.map(|checksum| Hashes(vec![checksum]));
    Ok(component)
}

fn dependencies(
    metadata: &Metadata,
    parts: &BTreeSet<PackageId>,
) -> anyhow::Result<Vec<Dependency>> {
    let graph = metadata
        .resolve
        .as_ref()
        .context("cargo did not resolve the dependencies")?;
    let nodes = graph.nodes.iter().filter(|node| parts.contains(&node.id));
    let dependencies = nodes.map(|node| {
        let normal = node.deps.iter().filter(|dependency| {
            let kinds = &dependency.dep_kinds;
            kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
                && parts.contains(&dependency.pkg)
        });
        let on = normal.map(|dependency| reference(&metadata[&dependency.pkg]));
        let on: anyhow::Result<BTreeSet<String>> = on.collect();
        Ok(Dependency {
            dependency_ref: reference(&metadata[&node.id])?,
            dependencies: on?.into_iter().collect(),
        })
    });
    let mut dependencies = dependencies.collect::<anyhow::Result<Vec<_>>>()?;
    dependencies.sort_by(|one, other| one.dependency_ref.cmp(&other.dependency_ref));
    Ok(dependencies)
}

fn reference(package: &Package) -> anyhow::Result<String> {
    let purl = purl(&package.name, &package.version.to_string())?;
    Ok(purl.to_string())
}

fn purl(name: &str, version: &str) -> anyhow::Result<Purl> {
    Ok(Purl::new("cargo", name, version)?)
}

/// The checksums of packages in `Cargo.lock`, by reference.
fn checksums(metadata: &Metadata) -> anyhow::Result<BTreeMap<String, String>> {
    let path = metadata.workspace_root.join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    let lock: toml::Table = text
        .parse()
        .with_context(|| format!("failed to understand {path}"))?;
    let packages = lock["package"].as_array().into_iter().flatten();
    let entries = packages.filter_map(|package| {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        let purl = purl(text("name")?, text("version")?);
        let checksum = text("checksum")?.to_owned();
        Some(purl.map(|purl| (purl.to_string(), checksum)))
    });
    entries.collect()
}
