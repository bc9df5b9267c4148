//! What `docs/STYLE.md` demands, as far as a program can check it: spelling, and phrases with a plainer substitute.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use typos::tokens::{Case, Identifier, Tokenizer, Word};
use typos::{Dictionary, Status};
use unicase::UniCase;

use crate::tree::{files_under, places_of, root};

/// Files and folders whose prose must not contain an idiom. Of Rust, that is comments and strings.
const PROSE: [&str; 10] = [
    "ARCHITECTURE.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "charts",
    "crates/simulator/README.md",
    "crates/testbed/README.md",
    "deploy",
    "docs",
    "src",
];

/// Phrases to avoid, with what to write instead. Alternatives are separated by `|`.
const IDIOMS: [(&str, &str); 11] = [
    ("says|tells|told", "reports, returns, contains, records"),
    ("; none:", "or `None` if …"),
    ("anew", "re- (recreate, relist, restart)"),
    ("by itself", "automatically"),
    ("for ever", "indefinitely"),
    ("goes by", "uses"),
    ("in vain", "timed out, without success"),
    ("mend|mends|mended", "fix"),
    ("so many", "n, this many"),
    ("under way", "in progress"),
    (
        "whoever|nobody|somebody",
        "the caller, another client, the user",
    ),
];

/// Words that the dictionary considers misspelled: parts of the header `x-ms-ags-diagnostic` and of the crate `flate2`.
const RIGHT: [&str; 2] = ["ags", "flate"];

#[test]
fn spelling_is_right() -> io::Result<()> {
    let mut wrong = Vec::new();
    let tokenizer = Tokenizer::new();
    for path in paths(&[""], &["md", "rs", "tpl", "toml", "yaml"])? {
        let text = fs::read_to_string(root().join(&path))?;
        for typo in typos::check_str(&text, &tokenizer, &Misspellings) {
            let line = 1 + text[..typo.byte_offset].matches('\n').count();
            let instead = match &typo.corrections {
                Status::Corrections(words) => words.join(" or "),
                Status::Valid | Status::Invalid => "another word".to_owned(),
            };
            wrong.push(format!(
                "{}:{line}: `{}`: write {instead}",
                path.display(),
                typo.typo
            ));
        }
    }
    assert_none(&wrong);
    Ok(())
}

#[test]
fn prose_has_no_banned_idioms() -> io::Result<()> {
    let mut wrong = Vec::new();
    for path in paths(&PROSE, &["md", "rs", "tpl", "toml", "yaml"])? {
        let prose = Prose::of(&path, &fs::read_to_string(root().join(&path))?);
        for (line, idiom, instead) in prose.idioms() {
            wrong.push(format!(
                "{}:{line}: `{idiom}`: write {instead}",
                path.display()
            ));
        }
    }
    assert_none(&wrong);
    Ok(())
}

#[test]
fn the_style_guide_lists_every_banned_idiom() -> io::Result<()> {
    let guide = fs::read_to_string(root().join("docs/STYLE.md"))?;
    for idiom in IDIOMS.iter().flat_map(|(idioms, _)| idioms.split('|')) {
        assert!(
            guide.contains(&format!("`{idiom}`")),
            "docs/STYLE.md lacks `{idiom}`"
        );
    }
    Ok(())
}

#[test]
fn idioms_are_found_in_prose_and_not_in_code() {
    let found = |path: &str, text: &str| -> Vec<(usize, &str)> {
        let idioms = Prose::of(Path::new(path), text).idioms();
        idioms
            .into_iter()
            .map(|(line, idiom, _)| (line, idiom))
            .collect()
    };
    let document = "Work is under\nway. `mend` [amend](anew)\n```console\n$ anew\n```\nAnew\n";
    assert_eq!(found("a.md", document), [(6, "anew"), (1, "under way")]);
    let manifest = "# For\n#   ever.\nmend: told # anew\n";
    assert_eq!(found("a.yaml", manifest), [(3, "anew"), (1, "for ever")]);
    let code = "/// An id; none: unknown.\nlet told = \"nobody \\\n    goes by\"; // `anew`\n";
    assert_eq!(
        found("a.rs", code),
        [(1, "; none:"), (3, "goes by"), (2, "nobody")]
    );
}

/// The dictionary of well-known misspellings.
struct Misspellings;

impl Dictionary for Misspellings {
    fn correct_ident(&self, identifier: Identifier<'_>) -> Option<Status<'_>> {
        RIGHT.contains(&identifier.token()).then_some(Status::Valid)
    }

    fn correct_word(&self, word: Word<'_>) -> Option<Status<'_>> {
        // Without case it is digits or a script that the dictionary does not have.
        if word.case() == Case::None || RIGHT.contains(&word.token()) {
            return None;
        }
        let right = typos_dict::WORD.find(&UniCase::new(word.token()))?;
        let right = right.iter().map(|word| Cow::Borrowed(*word)).collect();
        Some(Status::Corrections(right))
    }
}

/// What people read in a file: paragraphs on one line each, in lower case and without code.
struct Prose {
    text: String,
    /// Where each line of the file starts in `text`.
    starts: Vec<usize>,
}

impl Prose {
    fn of(path: &Path, file: &str) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let mut prose = Self {
            text: String::new(),
            starts: Vec::new(),
        };
        let (mut fenced, mut open) = (false, false);
        for line in file.lines().map(str::trim) {
            prose.starts.push(prose.text.len());
            let is_fence = line.starts_with("```");
            fenced ^= is_fence && extension == Some("md");
            let words = match extension {
                Some("md") if fenced || is_fence => Cow::Borrowed(""),
                Some("md") => Cow::Owned(of_markdown(line)),
                Some("rs") => Cow::Owned(of_rust(line, &mut open)),
                _ => Cow::Borrowed(line.split_once('#').map_or("", |(_, comment)| comment)),
            };
            // Every other part between back-quotes is code.
            for part in words.split('`').step_by(2) {
                prose.text += part.trim().to_lowercase().as_str();
                prose.text.push(' ');
            }
            if words.trim().is_empty() {
                prose.text.push('\n');
            }
        }
        prose
    }

    /// The idioms in it: number of the line, idiom, and what to write instead.
    fn idioms(&self) -> Vec<(usize, &'static str, &'static str)> {
        let mut found = Vec::new();
        for (idioms, instead) in IDIOMS {
            for idiom in idioms.split('|') {
                let lines = places_of(idiom, &self.text)
                    .map(|place| self.starts.partition_point(|start| *start <= place));
                found.extend(lines.map(|line| (line, idiom, instead)));
            }
        }
        found
    }
}

/// A line of a document without the targets of its links.
fn of_markdown(line: &str) -> String {
    let mut parts = line.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (_, after) in parts.filter_map(|part| part.split_once(')')) {
        text.push_str(after);
    }
    text
}

/// The comment and the strings in a line of Rust. `open` holds whether a string goes on from the line before; only one
/// whose lines end with a backslash does.
fn of_rust(line: &str, open: &mut bool) -> String {
    if let Some(comment) = line.strip_prefix("//") {
        return comment.trim_start_matches(['/', '!']).to_owned();
    }
    let (code, comment) = line.split_once(" // ").unwrap_or((line, ""));
    let code = code.replace("\\\"", " ").replace("'\"'", " ");
    let parts: Vec<&str> = code.split('"').collect();
    // Every other part is in a string.
    let strings = parts.iter().skip(usize::from(!*open)).step_by(2);
    let strings: Vec<&str> = strings.copied().collect();
    let odd = parts.len().is_multiple_of(2);
    *open = line.ends_with('\\') && odd != *open;
    format!("{} {comment}", strings.join(" "))
}

/// The files with one of these extensions among `roots`, which are files or folders.
fn paths(roots: &[&str], extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in roots.iter().map(Path::new) {
        if root().join(path).is_file() {
            found.push(path.to_owned());
            continue;
        }
        for extension in extensions {
            found.extend(files_under(path, extension)?);
        }
    }
    assert!(!found.is_empty());
    Ok(found)
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "not as docs/STYLE.md demands:\n{}",
        wrong.join("\n")
    );
}
