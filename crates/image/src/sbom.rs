//! The bill of materials: which packages are in the program, as [CycloneDX](https://cyclonedx.org/docs/1.5/json/).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::PROGRAM;

/// The media type of the bill.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";

/// The bill of what has been compiled into the program.
pub(crate) fn sbom(
    metadata: &Metadata,
    parts: &BTreeSet<PackageId>,
    created: Timestamp,
) -> anyhow::Result<Value> {
    let checksums = checksums(metadata)?;
    let mut packages: Vec<&Package> = parts.iter().map(|id| &metadata[id]).collect();
    packages.sort_by_key(|package| (&package.name, &package.version));
    let (program, libraries): (Vec<&Package>, Vec<&Package>) = packages
        .into_iter()
        .partition(|package| package.name == PROGRAM);
    let libraries: Vec<_> = libraries
        .iter()
        .map(|package| component("library", package, checksums.get(&reference(package))))
        .collect();
    let program = program
        .first()
        .context("the program is not among its parts")?;
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": created.to_string(),
            "component": component("application", program, None),
        },
        "components": libraries,
        "dependencies": dependencies(metadata, parts)?,
    }))
}

fn component(kind: &str, package: &Package, checksum: Option<&String>) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version.to_string(),
        "purl": reference(package),
    });
    if let Some(license) = &package.license {
        // Some packages still have the slash of old, which SPDX does not know.
        let expression = license.replace('/', " OR ").replace("  ", " ");
        component["licenses"] = json!([{ "expression": expression }]);
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

fn dependencies(metadata: &Metadata, parts: &BTreeSet<PackageId>) -> anyhow::Result<Vec<Value>> {
    let graph = metadata
        .resolve
        .as_ref()
        .context("cargo did not resolve the dependencies")?;
    let nodes = graph.nodes.iter().filter(|node| parts.contains(&node.id));
    let mut dependencies: Vec<(String, BTreeSet<String>)> = nodes
        .map(|node| {
            let normal = node.deps.iter().filter(|dependency| {
                let kinds = &dependency.dep_kinds;
                kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
                    && parts.contains(&dependency.pkg)
            });
            let references = normal.map(|dependency| reference(&metadata[&dependency.pkg]));
            (reference(&metadata[&node.id]), references.collect())
        })
        .collect();
    dependencies.sort();
    let entries = dependencies.into_iter();
    Ok(entries
        .map(|(of, on)| json!({ "ref": of, "dependsOn": on }))
        .collect())
}

fn reference(package: &Package) -> String {
    purl(&package.name, &package.version.to_string())
}

fn purl(name: &str, version: &str) -> String {
    // In a version only a plus sign has to be escaped.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
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
        Some((
            purl(text("name")?, text("version")?),
            text("checksum")?.to_owned(),
        ))
    });
    Ok(entries.collect())
}
