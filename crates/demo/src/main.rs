//! Builds what the demo needs, once and all at the same time, and starts it.
//!
//! ```console
//! $ cargo run --release -p industrydata-demo -- --once
//! ```
//!
//! Whatever profile this is compiled with, the demo itself has that of development: it waits for others nearly all the
//! time, and compiling it for speed takes longer than it lasts.

mod rust;
mod screen;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use std::{env, process};

use industrydata_programs::{Build, CONTROL_PLANE, Progress, Source};

use crate::screen::Screen;

/// How often the time on the screen is told anew.
const TICK: Duration = Duration::from_secs(1);

/// What the builds tell.
enum Event {
    Rust(rust::Progress),
    RustEnded(Result<(), String>),
    Go(Progress),
    GoEnded(Result<(), String>),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let failure = match build(needs_control_plane(&arguments, &Source::from_env())) {
        // Returns only if it cannot be done.
        Ok(()) => rust::run(&arguments).exec().to_string(),
        Err(failure) => failure,
    };
    // That nobody reads any more is nothing to fail with.
    let _ = writeln!(io::stderr(), "Error: {failure}");
    ExitCode::FAILURE
}

/// Whether the demo is going to start a control plane, and not to use a cluster, other programs, or none at all.
fn needs_control_plane(arguments: &[OsString], source: &Source) -> bool {
    let is_about_another = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        let name = argument.split('=').next().unwrap_or_default();
        ["--context", "--help", "-h"].contains(&name)
    };
    *source == Source::Built && !arguments.iter().any(is_about_another)
}

/// Builds the demo, and the control plane if it is needed, and says how it goes.
///
/// If a build fails, the other is ended before this returns. If this process is killed, both end with the next line that
/// they write, as nobody reads it.
fn build(needs_control_plane: bool) -> Result<(), String> {
    let (events, received) = mpsc::channel();
    let go = Build::default();
    thread::scope(|scope| {
        scope.spawn(|| build_rust(&events.clone()));
        if needs_control_plane {
            scope.spawn(|| build_go(&go, &events.clone()));
        }
        let mut screen = Screen::new();
        let mut under_way = 1 + u8::from(needs_control_plane);
        let mut outcome = Ok(());
        while under_way > 0 {
            match received.recv_timeout(TICK) {
                Ok(Event::Rust(progress)) => screen.rust(progress),
                Ok(Event::Go(progress)) => screen.go(&progress),
                Ok(Event::RustEnded(ended)) => {
                    under_way -= 1;
                    screen.rust_ended(ended.is_ok());
                    if let Err(failure) = ended {
                        outcome = outcome.and(Err(failure.clone()));
                        if under_way > 0 && !go.stop() {
                            // It waits for the build of another process, perhaps for long.
                            screen.end();
                            let _ = writeln!(io::stderr(), "Error: {failure}");
                            process::exit(1);
                        }
                    }
                }
                Ok(Event::GoEnded(ended)) => {
                    under_way -= 1;
                    screen.go_ended(ended.is_ok());
                    if let Err(failure) = ended {
                        if under_way > 0 {
                            screen.say(&failure);
                            screen.say(
                                "Waiting for cargo, which is still compiling; Ctrl-C ends it.",
                            );
                        }
                        outcome = outcome.and(Err(failure));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            screen.show();
        }
        screen.end();
        outcome
    })
}

// The other end is there until both builds have ended.
fn build_rust(events: &Sender<Event>) {
    let built = rust::build(&mut |progress| drop(events.send(Event::Rust(progress))));
    let _ = events.send(Event::RustEnded(built));
}

fn build_go(go: &Build, events: &Sender<Event>) {
    let built = go.ensure(&CONTROL_PLANE, &mut |progress| {
        drop(events.send(Event::Go(progress)));
    });
    let built = built.map(drop).map_err(|error| error.to_string());
    let _ = events.send(Event::GoEnded(built));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(arguments: &[&str]) -> bool {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        needs_control_plane(&arguments, &Source::Built)
    }

    #[test]
    fn a_control_plane_is_built_for_a_demo_that_starts_one() {
        assert!(needs(&[]) && needs(&["--once"]));
        assert!(!needs(&["--help"]) && !needs(&["--once", "--context", "kind"]));
        assert!(!needs(&["--context=kind"]));
        let assets = Source::Assets {
            directory: "assets".into(),
        };
        assert!(!needs_control_plane(&[], &assets));
    }

    #[test]
    fn nothing_of_others_is_compiled_before_the_first_line() {
        for manifest in [
            include_str!("../Cargo.toml"),
            include_str!("../../programs/Cargo.toml"),
        ] {
            let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or_default();
            let mut lines = dependencies.lines().filter(|line| line.contains('='));
            assert!(
                lines.all(|line| line.starts_with("industrydata-programs = ")),
                "{manifest}"
            );
        }
    }
}
