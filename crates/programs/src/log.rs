//! The ends of logs, for error messages.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Enough to see a Go program's fatal message, little enough to read in a test's output.
const LINES: usize = 20;

/// The last lines of a text.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    /// Reads a log to its end. A log that cannot be read is told in place of its text,
    /// as this is only ever part of another error.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let mut tail = Self::default();
        match File::open(path) {
            Ok(file) => BufReader::new(file)
                .split(b'\n')
                .map_while(Result::ok)
                .for_each(|line| {
                    tail.push(&String::from_utf8_lossy(&line));
                }),
            Err(error) => tail.push(&format!("({}: {error})", path.display())),
        }
        tail
    }

    /// Adds a line and drops the oldest beyond the limit.
    pub fn push(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut tail = Tail::default();
        (0..100).for_each(|number| tail.push(&number.to_string()));
        let text = tail.to_string();
        assert_eq!(text.lines().count(), LINES);
        assert!(text.starts_with("80\n") && text.ends_with("\n99"), "{text}");
    }

    #[test]
    fn a_missing_log_is_told() {
        assert!(
            Tail::of_file(Path::new("no/such/log"))
                .to_string()
                .contains("no/such/log")
        );
    }
}
