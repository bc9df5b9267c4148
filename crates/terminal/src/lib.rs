//! Runs a program in a pseudo-terminal, types as a person does, and reads the screen.
//!
//! ```no_run
//! # fn example() -> std::io::Result<()> {
//! use std::time::Duration;
//!
//! use industrydata_terminal::{Terminal, command};
//!
//! let mut terminal = Terminal::run(command("cat"))?;
//! terminal.type_keys("hello\r")?;
//! terminal.wait_for("hello", Duration::from_secs(10))?;
//! terminal.type_keys("\u{4}")?;
//! assert_eq!(terminal.end(Duration::from_secs(10))?, 0);
//! # Ok(())
//! # }
//! ```

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

pub use portable_pty::CommandBuilder;

/// Size of the screen: as wide as the lines of a manual, and long enough for what the programs here write.
const ROWS: NonZeroU16 = NonZeroU16::MIN.saturating_add(59);
const COLUMNS: NonZeroU16 = NonZeroU16::MIN.saturating_add(119);

/// How often the screen is looked at.
const TICK: Duration = Duration::from_millis(50);

/// A program in a terminal of its own. It is killed when this is dropped.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    shown: Arc<Mutex<Shown>>,
    // Open for as long as the program may use it.
    _master: Box<dyn MasterPty + Send>,
}

struct Shown {
    screen: Parser,
    output: Vec<u8>,
    has_ended: bool,
}

/// A command with the environment of this process, and the type of this terminal.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env("TERM", "xterm-256color");
    command
}

impl Terminal {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// If there is no terminal or no such program.
    pub fn run(command: CommandBuilder) -> io::Result<Self> {
        let size = PtySize {
            rows: ROWS.get(),
            cols: COLUMNS.get(),
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .map_err(io::Error::other)?;
        let child = pair
            .slave
            .spawn_command(command)
            .map_err(io::Error::other)?;
        // Otherwise the end of the program would not be the end of its output.
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().map_err(io::Error::other)?;
        let keys = pair.master.take_writer().map_err(io::Error::other)?;
        let shown = Arc::new(Mutex::new(Shown {
            screen: Parser::new(ROWS, COLUMNS, 0),
            output: Vec::new(),
            has_ended: false,
        }));
        let reading = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux reports the end as an error.
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                let mut shown = lock(&reading);
                shown.screen.process(&bytes[..read]);
                shown.output.extend_from_slice(&bytes[..read]);
            }
            lock(&reading).has_ended = true;
        });
        Ok(Self {
            child,
            keys,
            shown,
            _master: pair.master,
        })
    }

    /// Types something. Ctrl-C is `\u{3}`.
    ///
    /// # Errors
    ///
    /// If the terminal is closed.
    pub fn type_keys(&mut self, keys: &str) -> io::Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()
    }

    /// The screen as text, without blanks at the ends of lines and without empty lines at its end.
    #[must_use]
    pub fn screen(&self) -> String {
        let shown = lock(&self.shown);
        let rows = shown.screen.screen().rows(0, COLUMNS.get());
        let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned() + "\n"
    }

    /// Everything that the program has written, also what is no longer on the screen.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&lock(&self.shown).output).into_owned()
    }

    /// Waits until the screen contains a text, and returns the screen.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] with the screen, also as soon as the program has ended without it.
    pub fn wait_for(&self, text: &str, limit: Duration) -> io::Result<String> {
        let start = Instant::now();
        loop {
            // Before the screen is read, so that nothing is missed.
            let has_ended = lock(&self.shown).has_ended;
            let screen = self.screen();
            if screen.contains(text) {
                return Ok(screen);
            }
            if has_ended || start.elapsed() > limit {
                let message = format!("`{text}` is not on the screen:\n{screen}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::sleep(TICK);
        }
    }

    /// Waits for the end of the program and of its output, and returns its exit code.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] with the screen if it does not end.
    pub fn end(&mut self, limit: Duration) -> io::Result<u32> {
        let start = Instant::now();
        let mut status: Option<ExitStatus> = None;
        loop {
            if status.is_none() {
                status = self.child.try_wait()?;
            }
            if let Some(status) = &status
                && lock(&self.shown).has_ended
            {
                return Ok(status.exit_code());
            }
            if start.elapsed() > limit {
                let message = format!("the program does not end:\n{}", self.screen());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::sleep(TICK);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only for a program that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Terminal {
        let mut command = command("sh");
        command.args(["-c", script]);
        Terminal::run(command).unwrap()
    }

    #[test]
    fn the_screen_is_what_a_person_sees() {
        let mut terminal = shell("printf 'one\\rtwo\\033[K\\nthree'; test -t 2; exit $?");
        assert_eq!(terminal.end(LIMIT).unwrap(), 0);
        assert_eq!(terminal.screen(), "two\nthree\n");
        assert!(terminal.output().contains("one"));
    }

    #[test]
    fn a_program_reads_what_is_typed() {
        let mut terminal = shell("read -r line; echo \"got $line\"; exit 3");
        terminal.type_keys("hello\r").unwrap();
        terminal.wait_for("got hello", LIMIT).unwrap();
        assert_eq!(terminal.end(LIMIT).unwrap(), 3);
    }

    #[test]
    fn control_c_interrupts() {
        let mut terminal =
            shell("trap 'echo trapped; exit 9' INT; echo ready; while :; do sleep 0.1; done");
        terminal.wait_for("ready", LIMIT).unwrap();
        terminal.type_keys("\u{3}").unwrap();
        assert_eq!(terminal.end(LIMIT).unwrap(), 9);
        assert!(terminal.screen().contains("trapped"));
    }

    #[test]
    fn what_does_not_come_is_not_waited_for() {
        let terminal = shell("echo other");
        let error = terminal.wait_for("text", LIMIT).unwrap_err();
        assert!(error.to_string().contains("other"), "{error}");
    }
}
