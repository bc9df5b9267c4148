//! What must stay true of the source tree itself: who may use whom, how long a file may be, where links lead.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A longer file has more than one subject.
const MAX_LINES: usize = 600;

#[test]
fn plan_is_pure() -> io::Result<()> {
    let impure = [
        "async",
        ".await",
        "tokio",
        "futures",
        "reqwest",
        "rand",
        "Instant",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "clock",
        "failpoint",
        "Uuid::new_v4",
        "RandomState",
        "thread",
        "std::fs",
        "std::env",
        "std::net",
        "kube::Client",
        "kube::Api",
        "kube::api",
        "kube::client",
        "kube::runtime",
    ];
    let allowed = ["api", "plan", "graph::model", "graph::verdict"];
    for file in code_under("src/plan")? {
        file.names_none_of(&impure);
        file.uses_only(&allowed);
    }
    Ok(())
}

#[test]
fn graph_knows_nothing_of_kubernetes() -> io::Result<()> {
    for file in code_under("src/graph")? {
        file.names_none_of(&["kube"]);
        file.uses_only(&["graph", "clock", "sha256"]);
        // The clock of k8s-openapi is jiff: one type for a time everywhere.
        file.follows("k8s_openapi::", &["jiff"]);
    }
    Ok(())
}

#[test]
fn api_has_no_behaviour() -> io::Result<()> {
    for file in code_under("src/api")? {
        file.names_none_of(&[
            "async",
            "tokio",
            "kube::Client",
            "kube::Api",
            "kube::runtime",
        ]);
        file.uses_only(&["api"]);
    }
    Ok(())
}

#[test]
fn only_the_runtime_spawns() -> io::Result<()> {
    for file in code_under("src")?
        .iter()
        .filter(|file| !file.is("src/runtime.rs"))
    {
        file.names_none_of(&[
            "tokio::spawn",
            "task::spawn",
            ".spawn(",
            "spawn_local(",
            "spawn_blocking(",
        ]);
    }
    Ok(())
}

/// So each event has a reason that the manual lists.
#[test]
fn events_are_published_in_one_place() -> io::Result<()> {
    for file in code_under("src")?
        .iter()
        .filter(|file| !file.is("src/controller/events.rs"))
    {
        file.names_none_of(&["EventType"]);
    }
    Ok(())
}

#[test]
fn endpoints_come_from_the_settings_alone() -> io::Result<()> {
    let elsewhere = |file: &&Code| !file.path.starts_with("src/settings");
    for file in code_under("src")?.iter().filter(elsewhere) {
        file.names_none_of(&["graph.microsoft", "login.microsoftonline"]);
    }
    Ok(())
}

#[test]
fn only_builds_for_tests_can_be_broken_from_outside() -> io::Result<()> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let (_, package) = manifest.split_once("[package]").unwrap_or_default();
    let (normal, for_tests) = package.split_once("[dev-dependencies]").unwrap_or_default();
    let of_fail = |text: &str| {
        let names_it = |line: &&str| line.starts_with("fail ") || line.starts_with("fail.");
        let lines = text.lines().filter(names_it);
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_fail(normal), ["fail.workspace = true"]);
    assert_eq!(of_fail(for_tests).len(), 1);
    assert!(
        manifest.contains("\nfail = \"0"),
        "the workspace gives `fail` no feature"
    );
    // Packages that are built together share their features: one of ours that asked for it would ask for the operator too.
    for path in files_under(Path::new("crates"), "toml")? {
        let manifest = fs::read_to_string(root().join(&path))?;
        for line in of_fail(&manifest) {
            let is_asked_for =
                line.contains("optional = true") && !manifest.contains("\ndefault = ");
            let path = path.display();
            assert!(
                is_asked_for,
                "{path} gives `fail` a feature in all builds: {line}"
            );
        }
    }
    for file in code_under("src")?
        .iter()
        .filter(|file| !file.is("src/failpoint.rs"))
    {
        file.names_none_of(&["fail::", "fail_point"]);
    }
    Ok(())
}

#[test]
fn there_is_one_clock() -> io::Result<()> {
    for file in code_under("src")?
        .iter()
        .filter(|file| !file.is("src/clock.rs"))
    {
        file.names_none_of(&["Timestamp::now", "Zoned::now", "SystemTime"]);
    }
    Ok(())
}

#[test]
fn simulator_depends_on_nothing_of_ours() -> io::Result<()> {
    // Which requests meet a fault is a matter of counting, and tells nothing of how a request should be answered.
    let shared = "industrydata-fault-rules = { path = \"../fault-rules\" }\n";
    for (judge, allowed) in [("simulator", shared), ("fault-rules", "")] {
        let manifest = fs::read_to_string(root().join(format!("crates/{judge}/Cargo.toml")))?;
        let dependencies = manifest.split_once("[dependencies]").unwrap().1;
        let dependencies = dependencies.replace(allowed, "");
        for ours in ["industrydata-", "path ="] {
            assert!(
                !dependencies.contains(ours),
                "crates/{judge} depends on `{ours}`"
            );
        }
        for file in code_under(&format!("crates/{judge}/src"))? {
            file.names_none_of(&["industrydata_operator", "industrydata_testbed"]);
        }
    }
    Ok(())
}

#[test]
fn files_are_short() -> io::Result<()> {
    for file in code_under("src")? {
        let lines = file.text.lines().count();
        let path = file.path.display();
        assert!(
            lines <= MAX_LINES,
            "{path} has {lines} lines before its tests, more than {MAX_LINES}"
        );
    }
    Ok(())
}

#[test]
fn links_between_documents_lead_to_files() -> io::Result<()> {
    let documents = files_under(Path::new(""), "md")?;
    assert!(!documents.is_empty());
    for document in documents {
        let text = fs::read_to_string(root().join(&document))?;
        let folder = document.parent().unwrap_or(Path::new(""));
        for target in relative_links(&text) {
            let exists = root().join(folder).join(target).exists();
            assert!(
                exists,
                "{} links to {target}, which does not exist",
                document.display()
            );
        }
    }
    Ok(())
}

#[test]
fn the_reader_of_code_sees_what_matters() {
    let text = "\
use crate::operand; // rand
//! async
#[cfg(test)]
mod tests;
let random = 1;
#[cfg(test)]
mod tests {
    use rand;
}
";
    let code = Code {
        path: PathBuf::new(),
        text: before_tests(text),
    };
    assert_eq!(
        code.text,
        "use crate::operand; // rand\n\n\n\nlet random = 1;\n"
    );
    assert_eq!(places_of("rand", "operand random rand_core").count(), 0);
    assert_eq!(places_of("rand", "use rand::rng; rand").count(), 2);
    assert_eq!(places_of(".await", "it.await").count(), 1);
    let links = "[a](b.md#c) [d](https://e) [f](#g)\n```\n[h](i)\n```\n[j](k \"l\") `[m](n)`";
    assert_eq!(relative_links(links), ["b.md", "k"]);
}

/// A source file without its tests and comments.
struct Code {
    path: PathBuf,
    text: String,
}

impl Code {
    fn is(&self, path: &str) -> bool {
        self.path == Path::new(path)
    }

    #[track_caller]
    fn names_none_of(&self, words: &[&str]) {
        for word in words {
            let line = places_of(word, &self.text)
                .next()
                .map_or("", |place| self.line_of(place));
            let path = self.path.display();
            assert!(
                line.is_empty(),
                "{path} must not name `{word}`, and has this line: {line}"
            );
        }
    }

    /// Of this crate, only these modules are used, and each by its full name.
    #[track_caller]
    fn uses_only(&self, modules: &[&str]) {
        self.follows("crate::", modules);
    }

    /// What follows each `prefix` is one of `allowed`.
    #[track_caller]
    fn follows(&self, prefix: &str, allowed: &[&str]) {
        for place in places_of(prefix, &self.text) {
            let rest = &self.text[place + prefix.len()..];
            let is_allowed = allowed
                .iter()
                .any(|name| places_of(name, rest).next() == Some(0));
            let line = self.line_of(place);
            let path = self.path.display();
            assert!(
                is_allowed,
                "{path} may use of `{prefix}` only {allowed:?}, and has this line: {line}"
            );
        }
    }

    fn line_of(&self, place: usize) -> &str {
        let start = self.text[..place].rfind('\n').map_or(0, |end| end + 1);
        self.text[start..].lines().next().unwrap_or_default().trim()
    }
}

/// Where `word` stands in `text` as a whole word.
pub fn places_of<'a>(word: &'a str, text: &'a str) -> impl Iterator<Item = usize> {
    let joins = |one: Option<char>, other: Option<char>| {
        let in_word = |letter: Option<char>| {
            letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        };
        in_word(one) && in_word(other)
    };
    text.match_indices(word)
        .map(|(place, _)| place)
        .filter(move |place| {
            let (before, after) = (&text[..*place], &text[place + word.len()..]);
            !joins(before.chars().next_back(), word.chars().next())
                && !joins(word.chars().next_back(), after.chars().next())
        })
}

/// The source files under `folder` that are not tests.
fn code_under(folder: &str) -> io::Result<Vec<Code>> {
    let paths = files_under(Path::new(folder), "rs")?;
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| !is_test(path)).collect();
    assert!(!paths.is_empty(), "{folder} holds no code: has it moved?");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path))?;
        Ok(Code {
            path,
            text: before_tests(&text),
        })
    };
    paths.into_iter().map(read).collect()
}

fn is_test(path: &Path) -> bool {
    let is = |name: &OsStr| {
        ["tests", "tests.rs", "testing", "testing.rs"]
            .iter()
            .any(|test| name == *test)
    };
    path.iter().any(is)
}

/// The code up to a module of tests written in place. Comments are blank lines, as are tests in files of their own.
fn before_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            if lines.peek().is_none_or(|next| !next.ends_with(';')) {
                break;
            }
            lines.next();
            code.push_str("\n\n");
            continue;
        }
        let is_comment = line.trim_start().starts_with("//");
        code.push_str(if is_comment { "" } else { line });
        code.push('\n');
    }
    code
}

/// What a document links to with a relative path.
fn relative_links(document: &str) -> Vec<&str> {
    let mut fenced = false;
    let prose = document.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    // Every other part between back-quotes is code.
    let parts = prose.flat_map(|line| line.split('`').step_by(2));
    let targets = parts
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| {
            let target = rest.split([')', ' ', '#']).next()?;
            let is_relative = !target.is_empty() && !target.contains(':');
            is_relative.then_some(target)
        });
    targets.collect()
}

/// The files with this extension under `folder`, as paths from the root of the repository.
pub fn files_under(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() {
            if !is_hidden && path != Path::new("target") {
                files.extend(files_under(&path, extension)?);
            }
        } else if path.extension() == Some(OsStr::new(extension)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
