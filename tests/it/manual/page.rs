//! What a page of the manual asks its reader to do.

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page, with the files that it includes.
pub struct Page {
    pub path: PathBuf,
    pub fences: Vec<Fence>,
    pub links: Vec<String>,
    pub headings: Vec<String>,
}

/// A fenced block.
pub struct Fence {
    pub language: String,
    /// Why it is not run, where that is said.
    pub no_run: Option<String>,
    pub text: String,
}

/// A command and what it is said to answer.
#[derive(Debug, Default, PartialEq)]
pub struct Command {
    pub script: String,
    pub answer: Vec<String>,
}

impl Page {
    /// Reads a page; `path` is from the root of the repository.
    pub fn read(path: &str) -> Self {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
    }

    pub fn at(path: &Path) -> Self {
        let text = included(path);
        let mut page = Self {
            path: path.to_owned(),
            fences: Vec::new(),
            links: Vec::new(),
            headings: Vec::new(),
        };
        let mut heading = None;
        let mut fenced = false;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(information))) => {
                    fenced = true;
                    page.fences.push(fence(&information));
                }
                Event::End(TagEnd::CodeBlock) => fenced = false,
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.headings.extend(heading.take()),
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
                Event::Text(text) if fenced => page.fences.last_mut().unwrap().text += &text,
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        *heading += &text;
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// What is to be run, in the order of the page.
    pub fn to_run(&self) -> impl Iterator<Item = &Fence> {
        let runs = |fence: &&Fence| ["console", "yaml"].contains(&fence.language.as_str());
        self.fences
            .iter()
            .filter(runs)
            .filter(|fence| fence.no_run.is_none())
    }
}

impl Fence {
    /// The file that the block is to be kept as: its first line says so.
    pub fn file(&self) -> Option<&str> {
        let name = self.text.lines().next()?.strip_prefix("# ")?;
        let stem = name.strip_suffix(".yaml")?;
        (!stem.contains(' ')).then_some(name)
    }

    /// The commands of a `console` block. What goes on in the next line ends with a backslash.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for line in self.text.lines() {
            let last = commands.last_mut();
            match (line.strip_prefix("$ "), last) {
                (Some(script), _) => commands.push(Command {
                    script: script.to_owned(),
                    answer: Vec::new(),
                }),
                (None, Some(last)) if last.script.ends_with('\\') => {
                    last.script += "\n";
                    last.script += line;
                }
                (None, Some(last)) => last.answer.push(line.to_owned()),
                (None, None) => panic!("a block of commands begins with `{line}`"),
            }
        }
        commands
    }
}

impl Command {
    /// Whether `output` has the lines of the answer in their order. Spaces count as one; `...` stands for anything.
    pub fn is_answered_by(&self, output: &str) -> bool {
        let output = output.lines().map(squeezed);
        let mut lines = output.into_iter();
        let shown = self.answer.iter().map(|line| squeezed(line));
        shown
            .filter(|line| line != "...")
            .all(|line| lines.any(|found| matches(&line, &found)))
    }
}

fn matches(line: &str, found: &str) -> bool {
    let parts: Vec<&str> = line.split("...").collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let in_order = || {
        parts.iter().try_fold(found, |rest, part| {
            rest.split_once(part.trim()).map(|(_, rest)| rest)
        })
    };
    match parts.as_slice() {
        [whole] => *whole == found,
        _ => {
            found.starts_with(first.trim()) && found.ends_with(last.trim()) && in_order().is_some()
        }
    }
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fence(information: &str) -> Fence {
    let mut words = information.split(' ');
    let language = words.next().unwrap_or_default().to_owned();
    let no_run = words.find_map(|word| word.strip_prefix("no-run="));
    Fence {
        language,
        no_run: no_run.map(str::to_owned),
        text: String::new(),
    }
}

/// The text of a file, with those that it includes as mdBook does.
fn included(path: &Path) -> String {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let folder = path.parent().unwrap();
    let lines = text.lines().map(|line| {
        let file = line.trim().strip_prefix("{{#include ");
        match file.and_then(|rest| rest.strip_suffix("}}")) {
            Some(file) => included(&folder.join(file)),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn what_is_said_to_be_answered_is_compared_line_by_line() {
    let fence = Fence {
        language: "console".to_owned(),
        no_run: None,
        text: "$ one \\\n  two\nNAME   READY\na ... True\n...\n$ three\n".to_owned(),
    };
    let commands = fence.commands();
    assert_eq!(commands.len(), 2);
    let command = &commands[0];
    assert_eq!(command.script, "one \\\n  two");
    assert!(command.is_answered_by("NAME READY\nb   1 True\na  2   True\n"));
    assert!(!command.is_answered_by("NAME READY\na  2   False\n"));
    assert!(!command.is_answered_by("a 2 True\nNAME READY\n"));
    assert!(commands[1].is_answered_by("whatever"));
}
