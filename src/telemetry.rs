//! Logging: destination, format and filter.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clap::ValueEnum;
use thiserror::Error;
use tracing::{
    Dispatch, Level, Metadata, Subscriber,
    dispatcher::{self, SetGlobalDefaultError},
};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterExt, ParseError, filter_fn},
    fmt::{self, MakeWriter},
    layer::{Layer, SubscriberExt},
    registry::{LookupSpan, Registry},
    reload,
};

use crate::traces::{Traces, is_own};

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// Error of [`init`].
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The directives cannot be parsed.
    #[error(
        "`{directives}` is not a log filter: expected a level such as `info`, or \
         directives such as `info,kube_client=warn`"
    )]
    Directives {
        /// Directives as given.
        directives: String,
        /// Error of the parser.
        #[source]
        source: ParseError,
    },
    /// The process already has a subscriber.
    #[error("failed to set up logging a second time")]
    Installed(#[source] SetGlobalDefaultError),
    /// The log whose filter should change is not in use any more.
    #[error("failed to change the filter of a log that has ended")]
    Ended(#[source] reload::Error),
}

/// The filter of the log, which can be changed while the program runs. Cheap to clone; clones share the filter.
#[derive(Clone, Debug)]
pub struct LogFilter {
    directives: Arc<Mutex<String>>,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogFilter {
    /// Returns the directives in force.
    #[must_use]
    pub fn directives(&self) -> String {
        self.current().clone()
    }

    /// Replaces the directives, which have the form of those of [`init`]. What is unsafe to log stays out, whatever they
    /// are.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] if the directives are invalid: those in force then stay.
    pub fn change(&self, directives: &str) -> Result<(), TelemetryError> {
        let filter = filter(directives)?;
        // With the old filter, as the new one may leave it out.
        tracing::info!(directives, "changing the log filter");
        let mut current = self.current();
        self.handle.reload(filter).map_err(TelemetryError::Ended)?;
        directives.clone_into(&mut current);
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, String> {
        self.directives
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the logs of the whole process to standard error, and returns their filter. Spans are also sent to the collector
/// of `traces`, whatever the filter is.
///
/// `directives` are those of [`EnvFilter`], such as `info,kube_client=warn`. Text is coloured on a
/// terminal, unless `NO_COLOR` is set. Times are UTC.
///
/// # Errors
///
/// [`TelemetryError`] if the directives are invalid, or if the process already has a subscriber.
pub fn init(
    format: LogFormat,
    directives: &str,
    traces: Option<&Traces>,
) -> Result<LogFilter, TelemetryError> {
    let (dispatch, filter) = dispatch(format, directives, traces, io::stderr, has_colours())?;
    dispatcher::set_global_default(dispatch).map_err(TelemetryError::Installed)?;
    log_panics();
    Ok(filter)
}

/// Returns an error with its causes as one text for logs, because the JSON format of the subscriber omits causes.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = anyhow::Chain::new(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// Returns whether an event may be logged at all, regardless of the directives. Contents of Secrets pass through the
/// libraries, so events that may contain what these send and receive are dropped:
///
/// * `kube_client::client` logs the whole text of a response that it cannot parse as a warning, and others at debug.
/// * At trace, libraries may log anything, and their next versions may log more.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    is_own(metadata)
        || metadata.target() != "kube_client::client" && *metadata.level() <= Level::DEBUG
}

/// Logs panics in the configured format, without formatted messages, which may contain values of Secrets.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let message = panic.payload().downcast_ref::<&'static str>();
        tracing::error!(
            location,
            message,
            "a part of the program panicked; this is a bug"
        );
    }));
}

fn filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(directives).map_err(|source| TelemetryError::Directives {
        directives: directives.to_owned(),
        source,
    })
}

fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn dispatch<W>(
    format: LogFormat,
    directives: &str,
    traces: Option<&Traces>,
    writer: W,
    colours: bool,
) -> Result<(Dispatch, LogFilter), TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let (chosen, handle) = reload::Layer::new(filter(directives)?);
    let log_filter = LogFilter {
        directives: Arc::new(Mutex::new(directives.to_owned())),
        handle,
    };
    let layer = fmt::layer().with_writer(writer);
    let filter = chosen.and(filter_fn(is_safe));
    let registry = Registry::default();
    let dispatch = match format {
        LogFormat::Text => {
            let layer = layer.with_ansi(colours);
            beside(traces, registry.with(layer.with_filter(filter)))
        }
        // The list of spans ends with the current one.
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false);
            beside(traces, registry.with(layer.with_filter(filter)))
        }
    };
    Ok((dispatch, log_filter))
}

/// Adds the traces to a log. No layer takes their place without traces: it would have an interest in all spans.
fn beside<S>(traces: Option<&Traces>, log: S) -> Dispatch
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static,
{
    match traces {
        None => log.into(),
        Some(traces) => log.with(traces.layer()).into(),
    }
}

/// Returns a filter whose log goes nowhere, and the log, which has to be kept for as long as the filter is used.
#[cfg(test)]
pub(crate) fn unread(directives: &str) -> (Dispatch, LogFilter) {
    dispatch(LogFormat::Text, directives, None, io::sink, false).unwrap()
}

#[cfg(test)]
mod tests;
