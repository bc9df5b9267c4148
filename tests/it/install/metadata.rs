//! What the chart says of itself, for catalogues such as Artifact Hub.

use std::fmt::Write as _;

use industrydata_operator::api::custom_resource_definitions;
use serde_json::{Value, json};

use super::sample_resources;
use super::values::{is_kept, read};

const EXAMPLES: &str = "  artifacthub.io/crdsExamples: |\n";

#[test]
fn the_examples_of_the_chart_are_the_samples() {
    let mut text = String::new();
    for resource in sample_resources() {
        let example = serde_json::to_string_pretty(&resource).unwrap();
        let (first, rest) = example.split_once('\n').unwrap();
        writeln!(text, "    - {first}").unwrap();
        for line in rest.lines() {
            writeln!(text, "      {line}").unwrap();
        }
    }
    let kept = read("Chart.yaml");
    let (head, _) = kept.split_once(EXAMPLES).expect("a place for the examples");
    is_kept("Chart.yaml", &format!("{head}{EXAMPLES}{text}"));
}

#[test]
fn the_chart_knows_its_version_and_its_definitions() {
    let chart: Value = serde_saphyr::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let told = chart["annotations"]["artifacthub.io/crds"]
        .as_str()
        .unwrap();
    let told: Vec<Value> = serde_saphyr::from_str(told).unwrap();
    let told: Vec<Value> = told
        .iter()
        .map(|one| json!([one["kind"], one["version"], one["name"]]))
        .collect();
    let definitions = custom_resource_definitions();
    let definitions: Vec<Value> = definitions
        .iter()
        .map(|one| {
            json!([
                one.spec.names.kind,
                one.spec.versions[0].name,
                one.metadata.name
            ])
        })
        .collect();
    assert_eq!(told, definitions);
}
