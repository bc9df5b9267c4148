//! The reference of the manual, which is made of the code.

mod flags;
mod metrics;
mod resources;
mod words;

use crate::generated::assert_generated;

pub use metrics::series;
pub use resources::slug;

#[test]
fn the_reference_is_what_the_code_makes() {
    let pages = [
        ("resources.md", resources::page()),
        ("flags.md", flags::page()),
        ("metrics.md", metrics::page()),
        ("conditions.md", words::conditions()),
        ("annotations.md", words::annotations()),
    ];
    for (name, made) in pages {
        let made = format!("<!-- Made by `UPDATE=1 cargo test --test it reference`. -->\n\n{made}");
        assert_generated(&format!("docs/reference/{name}"), &made);
    }
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
