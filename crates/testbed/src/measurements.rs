//! Figures of a test run, kept in a document by the run itself.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Tests measure side by side.
static TURN: Mutex<()> = Mutex::new(());

/// Where the figures are kept.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reliability.md");

/// Prints a figure that this run has measured. With `UPDATE=1` it is also written into `docs/reliability.md`, into the
/// row of a table that begins with `what`.
///
/// # Errors
///
/// [`Error::File`] if the document cannot be read or written, or has no such row.
#[expect(
    clippy::print_stdout,
    reason = "the figures are for whoever looks at the tests"
)]
pub fn measured(what: &str, figure: &str) -> Result<(), Error> {
    println!("{what}: {figure}");
    if std::env::var_os("UPDATE").is_none() {
        return Ok(());
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let document = Path::new(DOCUMENT);
    let text = fs::read_to_string(document).map_err(Error::file("read", document))?;
    let text = with_row(&text, what, figure).ok_or_else(|| {
        let missing = io::Error::other(format!("no row of a table begins with {what:?}"));
        Error::file("write a figure to", document)(missing)
    })?;
    fs::write(document, text).map_err(Error::file("write", document))
}

/// Returns `text` with another figure in one row, or `None` if there is no such row.
fn with_row(text: &str, what: &str, figure: &str) -> Option<String> {
    let start = format!("| {what} | ");
    let row = |line: &&str| line.starts_with(&start);
    let old = text.lines().find(row)?;
    Some(text.replace(old, &format!("{start}{figure} |")))
}

#[cfg(test)]
mod tests {
    use super::with_row;

    #[test]
    fn a_figure_takes_the_place_of_the_one_before() {
        let text = "| a | 1 |\n| a b | 2 |\n";
        assert_eq!(
            with_row(text, "a", "3, or so").as_deref(),
            Some("| a | 3, or so |\n| a b | 2 |\n")
        );
        assert_eq!(with_row(text, "b", "3"), None);
    }
}
