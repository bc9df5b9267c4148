//! Documents that name the tests which show what they claim.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use crate::tree::{files_under, root};

/// `docs/reliability.md` names for each fault what shows that it is survived.
#[test]
fn every_fault_is_shown_by_a_test_and_every_test_of_a_fault_is_told() -> io::Result<()> {
    let document = fs::read_to_string(root().join("docs/reliability.md"))?;
    let is_of_a_fault = |name: &&String| {
        let number = name.strip_prefix('f').and_then(|rest| rest.get(..3));
        number.is_some_and(|number| number.ends_with('_') && number[..2].parse::<u8>().is_ok())
    };
    let tests = tests()?;
    for test in tests.iter().filter(is_of_a_fault) {
        let broken = test.contains("_broken_variant_");
        assert!(
            broken || document.contains(&format!("`{test}`")),
            "{test} is not told"
        );
    }
    for number in (1..=24).chain(27..=32) {
        let start = format!("| F{number} |");
        let row = document.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("F{number} is not described"));
        is_shown(row, &tests);
    }
    Ok(())
}

/// `docs/operations/threats.md` names for each threat what shows that its control holds.
#[test]
fn every_threat_is_shown_by_a_test_and_every_test_of_isolation_is_told() -> io::Result<()> {
    let document = fs::read_to_string(root().join("docs/operations/threats.md"))?;
    let tests = tests()?;
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| **"))
        .collect();
    assert!(!rows.is_empty());
    for row in rows {
        is_shown(row, &tests);
    }
    for test in tests_in("tests/it/isolation")? {
        let is_told = document.contains(&format!("`{test}`"));
        assert!(is_told, "{test} is not told");
    }
    Ok(())
}

/// The last column of a row names tests that there are.
fn is_shown(row: &str, tests: &BTreeSet<String>) {
    let shown_by = row.rsplit('|').nth(1).unwrap();
    let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
    assert!(!names.is_empty(), "nothing shows {row}");
    for name in names {
        assert!(tests.contains(name), "there is no test {name}");
    }
}

fn tests() -> io::Result<BTreeSet<String>> {
    let mut tests = tests_in("tests/it")?;
    tests.extend(tests_in("src")?);
    Ok(tests)
}

/// The names of functions with an attribute that makes a test of them.
fn tests_in(folder: &str) -> io::Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    for path in files_under(Path::new(folder), "rs")? {
        let mut is_test = false;
        for line in fs::read_to_string(root().join(path))?.lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("async ").unwrap_or(line);
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            if let Some(rest) = line.strip_prefix("fn ") {
                let name = rest.split('(').next().filter(|_| is_test);
                tests.extend(name.map(str::to_owned));
                is_test = false;
            }
        }
    }
    Ok(tests)
}
