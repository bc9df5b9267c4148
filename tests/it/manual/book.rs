//! What can be said of the manual without running it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use industrydata_operator::api::reason;
use industrydata_operator::graph::verdict::Reason;

use crate::role::CHART;

use super::page::Page;
use super::reference::{series, slug};
use super::{PAGES, docs};

/// Why a block of the manual is not run by its test, and what else is done about it.
const NOT_RUN: [(&str, &str); 8] = [
    (
        "alertmanager",
        "is a configuration of Alertmanager; tests/it/install has its own code route each alert by this file",
    ),
    (
        "browser",
        "needs a person who signs in; tests/it/login.rs does, in place of one",
    ),
    ("ci", "`.ci/run` runs it, as it takes a build of its own"),
    ("container", "needs a container engine and a registry"),
    (
        "entra",
        "needs a tenant of Microsoft Entra; tests/it/credentials does the same with the simulator",
    ),
    (
        "gitops",
        "needs the definitions of Flux or Argo CD; tests/it/install has them, and applies these files",
    ),
    (
        "install",
        "installs a program for the user; tests/it/login.rs runs the same one from target/",
    ),
    ("nodes", "needs a pod, and there are no nodes"),
];

const LANGUAGES: [&str; 4] = ["console", "promql", "text", "yaml"];

#[test]
fn every_page_is_in_the_summary() {
    let summary = Page::read("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = summary.links.iter().map(|link| docs().join(link)).collect();
    let kept: BTreeSet<PathBuf> = pages().into_iter().map(|page| page.path).collect();
    assert_eq!(kept, listed);
    assert_eq!(summary.links.len(), listed.len(), "a page is listed twice");
}

#[test]
fn links_lead_to_pages_of_the_book_and_to_headings_in_them() {
    for page in pages() {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.path.clone(),
                path => page.path.with_file_name("").join(path),
            };
            let from = page.path.display();
            let target = target
                .canonicalize()
                .unwrap_or_else(|_| panic!("{from} links to {link}, which does not exist"));
            assert!(
                target.starts_with(docs()),
                "{from} links to {link}, which is not in the book"
            );
            let found = || {
                Page::at(&target)
                    .headings
                    .iter()
                    .any(|found| slug(found) == heading)
            };
            assert!(
                heading.is_empty() || found(),
                "{from} links to {link}, and there is no such heading"
            );
        }
    }
}

#[test]
fn what_is_to_be_run_is_run_by_a_test_or_it_is_said_why_not() {
    let readme = Page::read("README.md");
    let mut used = BTreeSet::new();
    for page in pages().into_iter().chain([readme]) {
        let path = page.path.strip_prefix(docs().parent().unwrap()).unwrap();
        let path = path.display().to_string();
        for fence in &page.fences {
            let language = fence.language.as_str();
            assert!(
                LANGUAGES.contains(&language),
                "{path}: {language} is none of {LANGUAGES:?}"
            );
            if let Some(reason) = fence.no_run.as_deref() {
                assert!(
                    NOT_RUN.iter().any(|(known, _)| *known == reason),
                    "{path}: {reason} is no reason not to run"
                );
                used.insert(reason.to_owned());
            }
        }
        let runs = page.to_run().next().is_some();
        assert_eq!(
            PAGES.contains(&path.as_str()),
            runs,
            "{path} belongs into `pages!` if it has something to run"
        );
    }
    let known: BTreeSet<String> = NOT_RUN
        .iter()
        .map(|(reason, _)| (*reason).to_owned())
        .collect();
    assert_eq!(used, known, "reasons not to run that are used");
}

#[test]
fn troubleshooting_has_an_entry_for_each_reason_and_no_other() {
    let page = Page::read("docs/operations/troubleshooting.md");
    let words = reason::ALL.iter().map(|(word, _)| *word);
    let reasons: BTreeSet<&str> = words
        .chain(Reason::ALL.iter().map(|(reason, _)| reason.as_str()))
        .collect();
    let is_word = |heading: &&str| !heading.contains(' ');
    let told = page.headings.iter().map(String::as_str).filter(is_word);
    let told: Vec<&str> = told
        .filter(|heading| *heading != "Troubleshooting")
        .collect();
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), reasons);
    assert_eq!(told.len(), reasons.len(), "a reason is told twice");
}

#[test]
fn manual_alerts_and_dashboards_name_metrics_that_there_are() {
    let series = series();
    let chart = Path::new(CHART).join("files");
    let mut asked = 0;
    for file in files(&docs()).into_iter().chain(files(&chart)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        // A flag has a variable in capital letters.
        let names = text.split(|letter| !is_part(letter));
        for name in names.filter(|name| name.starts_with("industrydata_operator_")) {
            // `…_connection_…` in prose stands for several.
            let is_one = series.contains(name)
                || series.iter().any(|one| one.starts_with(name)) && name.ends_with('_')
                || is_histogram(name, &series);
            let file = file.display();
            assert!(is_one, "{name} in {file} is no metric");
            asked += 1;
        }
    }
    assert!(asked > 100);
}

/// Whether it is the name of all series of a histogram.
fn is_histogram(name: &str, series: &BTreeSet<String>) -> bool {
    series.contains(&format!("{name}_bucket"))
}

fn pages() -> Vec<Page> {
    let is_page = |path: &PathBuf| {
        let extension = path.extension();
        extension.is_some_and(|extension| extension == "md") && !path.ends_with("SUMMARY.md")
    };
    let pages = files(&docs()).into_iter().filter(is_page);
    pages.map(|path| Page::at(&path)).collect()
}

/// All files in a folder and its folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}
