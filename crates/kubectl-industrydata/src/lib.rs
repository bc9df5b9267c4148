//! `kubectl industrydata`: the kubectl plugin of industrydata-operator.
//!
//! Tokens and client secrets are in [`secrecy`] types from the moment they are read. They are sent to the authority,
//! written to the Secret, and printed with `--output yaml`, and are nowhere else: the program has no log, errors
//! contain no text of a response, and core dumps are disabled.

mod arguments;
mod authority;
mod cluster;
mod device_code;
mod error;
mod identity;
mod login;
mod objects;
mod refusal;
mod report;
mod request;
mod stored;
mod terminal;
mod writes;
mod yaml;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Command, LoginArguments, Program};
use crate::error::Error;
use crate::request::Request;
use crate::terminal::Terminal;

/// As a shell reports a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// How the command ended.
enum End {
    Done,
    Interrupted,
}

/// Runs the plugin with the arguments of this process, and returns its exit code: 0 if everything was done, 1 after a
/// failure, 130 after SIGINT or SIGTERM. Wrong arguments end the process with 2.
#[must_use]
pub fn run() -> ExitCode {
    let Command::Login(arguments) = Program::parse().command;
    match sign_in(*arguments) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            let code = ExitCode::from(error.exit_code());
            // A reader that has gone away is no reason for another error.
            let _ = writeln!(io::stderr(), "error: {}", with_causes(&error));
            code
        }
    }
}

fn sign_in(arguments: LoginArguments) -> Result<End, Error> {
    disable_core_dumps()?;
    let request = Request::from_arguments(arguments)?;
    // Fails only if there is a provider, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    runtime.block_on(login(&request))
}

async fn login(request: &Request) -> Result<End, Error> {
    let mut terminal = Terminal::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("listen for SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("listen for SIGTERM"))?;
    let signed_in = tokio::select! {
        signed_in = request.sign_in(&mut terminal) => Some(signed_in?),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    let Some(login) = signed_in else {
        terminal.line("Cancelled; nothing was stored.");
        return Ok(End::Interrupted);
    };
    // Not interrupted, so that either nothing or everything is written.
    login.finish(request, &mut terminal).await?;
    Ok(End::Done)
}

/// A dump of the memory would contain tokens.
fn disable_core_dumps() -> Result<(), Error> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let disabled = setrlimit(Resource::Core, none);
    disabled.map_err(|error| system("disable core dumps")(error.into()))
}

fn system(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { operation, source }
}

/// Returns the message with its causes, without those that repeat the one before.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let line = one.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = one.source();
    }
    text
}
