//! The reference of the manual, which is made of the code.

mod flags;
mod metrics;
mod resources;
mod words;

use std::path::Path;

use super::docs;
pub use metrics::series;
pub use resources::slug;

#[test]
fn the_reference_is_what_the_code_makes() {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let pages = [
        ("resources.md", resources::page()),
        ("flags.md", flags::page()),
        ("metrics.md", metrics::page()),
        ("conditions.md", words::conditions()),
        ("annotations.md", words::annotations()),
    ];
    for (name, made) in pages {
        let file = docs().join("reference").join(name);
        let made = format!("<!-- Made by `UPDATE=1 cargo test --test it reference`. -->\n\n{made}");
        if update {
            std::fs::write(&file, &made).unwrap();
        }
        assert_same(&file, &made);
    }
}

fn assert_same(file: &Path, made: &str) {
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    let same = kept
        .lines()
        .zip(made.lines())
        .take_while(|(old, new)| old == new);
    let (path, line) = (file.display(), same.count() + 1);
    assert!(
        kept == made,
        "{path} is stale from line {line} on: run `UPDATE=1 cargo test --test it reference`"
    );
}

/// A row of a table.
fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells = cells
        .into_iter()
        .map(|cell| cell.trim().replace('|', "\\|").replace('\n', " "));
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// A table with this head and these rows, with an empty line after it.
fn table(head: &[&str], rows: impl IntoIterator<Item = String>) -> String {
    let rule = "|---".repeat(head.len());
    let rows: String = rows.into_iter().collect();
    format!("{}{rule}|\n{rows}\n", row(head.iter().copied()))
}

/// As code, or nothing.
fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}
