//! What the user sees while signing in, on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::device_code::DeviceCode;
use crate::refusal::SignIn;

/// Standard error.
pub(crate) struct Terminal {
    /// Whether a line can be written over.
    is_live: bool,
    has_line: bool,
}

impl Terminal {
    /// Returns standard error.
    pub(crate) fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_live: io::stderr().is_terminal() && !is_dumb,
            has_line: false,
        }
    }

    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self {
            is_live: false,
            has_line: false,
        }
    }

    /// Returns whether the wait is shown.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        self.clear();
        write(&format!("{line}\n"));
    }

    /// Writes where to sign in.
    pub(crate) fn show_code(&mut self, code: &DeviceCode, sign_in: &SignIn) {
        self.line(prompt(code, sign_in));
        if !self.is_live {
            self.line("Waiting for you to sign in.");
        }
    }

    /// Shows that the command waits, on a terminal.
    pub(crate) fn show_wait(&mut self, left: Duration) {
        if self.is_live {
            self.has_line = true;
            let seconds = left.as_secs();
            write(&format!(
                "\r\x1b[KWaiting for you to sign in ({}:{:02} left, Ctrl-C to cancel)",
                seconds / 60,
                seconds % 60
            ));
        }
    }

    /// Removes the line about the wait.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.has_line) {
            write("\r\x1b[K");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

fn prompt(code: &DeviceCode, sign_in: &SignIn) -> String {
    let SignIn {
        tenant, permission, ..
    } = sign_in;
    format!(
        "To sign in, open  {}\nand enter the code  {}  (valid for {} minutes)\nTenant: {tenant}\nPermission: {}",
        code.address,
        code.user_code,
        code.pace.minutes(),
        permission.name(),
    )
}

/// A reader that has gone away is no reason to stop.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
