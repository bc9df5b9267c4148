//! What is said while the demo is built: one line that is written anew on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use industrydata_programs::Progress;

use crate::rust;

/// Without a terminal, how often it is said how far the builds are.
const PAUSE: Duration = Duration::from_secs(15);

const INTRODUCTION: &str = "\
What the demo needs is built once, all at the same time:

  Rust  the operator, the simulator of Microsoft Graph, and the demo itself
  Go    a Kubernetes control plane: etcd, kube-apiserver, controllers, kubectl, Helm

On two cores that takes some minutes; on more, less. From the second time on the demo starts at once.
";

/// Standard output.
pub struct Screen {
    started: Instant,
    is_terminal: bool,
    is_introduced: bool,
    rust: String,
    go: String,
    said: Option<Instant>,
}

impl Screen {
    /// The screen, with nothing on it.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            is_terminal: io::stdout().is_terminal(),
            is_introduced: false,
            rust: String::new(),
            go: String::new(),
            said: None,
        }
    }

    /// Takes note of how far cargo is.
    pub fn rust(&mut self, progress: rust::Progress) {
        match progress {
            rust::Progress::Compiling { done, total } => {
                self.introduce();
                self.rust = format!("{done} of {total} crates");
            }
            rust::Progress::Other(what) if self.rust.is_empty() => self.rust = what,
            rust::Progress::Other(_) => {}
        }
    }

    /// Takes note of how far Go is.
    pub fn go(&mut self, progress: &Progress) {
        self.introduce();
        self.go = match progress {
            Progress::Waiting => "waiting".to_owned(),
            Progress::Resolving => "looking up modules".to_owned(),
            Progress::Building { done, total } if done == total => "linking".to_owned(),
            Progress::Building { done, total } => format!("{done} of {total} packages"),
            Progress::Done => "done".to_owned(),
        };
    }

    /// Takes note of the end of the Rust part.
    pub fn rust_ended(&mut self, well: bool) {
        how(well).clone_into(&mut self.rust);
    }

    /// Takes note of the end of the Go part.
    pub fn go_ended(&mut self, well: bool) {
        how(well).clone_into(&mut self.go);
    }

    /// Writes lines of its own.
    pub fn say(&mut self, text: &str) {
        self.clear();
        write(&format!("{text}\n"));
    }

    /// Shows how far all is, unless nothing has to be built or it was said a moment ago.
    pub fn show(&mut self) {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= PAUSE);
        if !self.is_introduced || !self.is_terminal && !is_due {
            return;
        }
        self.clear();
        let end = if self.is_terminal { "" } else { "\n" };
        write(&format!("{}{end}", self.line()));
        self.said = Some(Instant::now());
    }

    /// Leaves the screen to the demo.
    pub fn end(&mut self) {
        if !self.is_introduced {
            return;
        }
        self.clear();
        write(&format!("{}\n\n", self.line()));
    }

    fn introduce(&mut self) {
        if !self.is_introduced {
            self.is_introduced = true;
            self.say(INTRODUCTION);
        }
    }

    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        let time = format!("{:3}m{:02}s", seconds / 60, seconds % 60);
        let states = [("Rust", &self.rust), ("Go", &self.go)];
        let known = states.iter().filter(|(_, state)| !state.is_empty());
        let line: Vec<_> = known
            .map(|(name, state)| format!("   {name}: {state}"))
            .collect();
        let line = time + &line.concat();
        // What is longer than the terminal is wide would stay on it.
        line.chars().take(79).collect()
    }

    fn clear(&self) {
        if self.is_terminal {
            write("\r\u{1b}[2K");
        }
    }
}

fn how(well: bool) -> &'static str {
    if well { "done" } else { "failed" }
}

fn write(text: &str) {
    // That nobody reads is no reason not to build.
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
