//! Logs: where they go, how they look and how much of them there is.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
};

use clap::ValueEnum;
use thiserror::Error;
use tracing::{
    Dispatch,
    dispatcher::{self, SetGlobalDefaultError},
};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{self, MakeWriter},
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The directives cannot be understood.
    #[error(
        "`{directives}` does not say what to log; right would be a level such as `info`, or \
         directives such as `info,kube=warn`"
    )]
    Directives {
        /// What was given.
        directives: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The process has a subscriber already.
    #[error("failed to set up logging a second time")]
    Installed(#[source] SetGlobalDefaultError),
}

/// Sends the logs of the whole process to standard error, from now on.
///
/// `directives` are those of [`EnvFilter`], such as `info,kube=warn`. Text is coloured on a
/// terminal, unless `NO_COLOR` is set. Times are UTC.
///
/// # Errors
///
/// [`TelemetryError`] if the directives are wrong, or if the process has a subscriber already.
pub fn init(format: LogFormat, directives: &str) -> Result<(), TelemetryError> {
    let dispatch = dispatch(format, filter(directives)?, io::stderr, has_colours());
    dispatcher::set_global_default(dispatch).map_err(TelemetryError::Installed)
}

/// An error with its causes, as one text for a log: in JSON, the subscriber leaves the causes of an error out.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = anyhow::Chain::new(error).map(ToString::to_string).collect();
    texts.join(": ")
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

fn dispatch<W>(format: LogFormat, filter: EnvFilter, writer: W, colours: bool) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        LogFormat::Text => builder.with_ansi(colours).finish().into(),
        // The list of spans ends with the current one.
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span};

    use super::*;

    fn logged(format: LogFormat, directives: &str, log: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Shared(lines.clone());
        let make = move || writer.clone();
        dispatcher::with_default(
            &dispatch(format, filter(directives).unwrap(), make, false),
            log,
        );
        String::from_utf8(lines.lock().unwrap().clone()).unwrap()
    }

    #[derive(Clone)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn text_is_a_plain_line_with_fields() {
        let text = logged(LogFormat::Text, "info", || {
            info!(flow = "north", "flow created");
        });

        assert!(
            text.ends_with("flow created flow=\"north\"\n"),
            "got {text:?}"
        );
        assert!(!text.contains('\u{1b}'), "got {text:?}");
    }

    #[test]
    fn json_is_an_object_a_line_with_fields_and_spans() {
        let text = logged(LogFormat::Json, "info", || {
            let _span = info_span!("reconcile", kind = "ProvisioningFlow").entered();
            info!(attempt = 2, "flow created");
        });

        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "flow created");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["spans"][0]["kind"], "ProvisioningFlow");
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let cause = io::Error::other("the disk is full");
        let error = anyhow::Error::new(cause).context("failed to write");
        let logged = with_causes(error.as_ref());
        assert_eq!(logged, "failed to write: the disk is full");
    }

    #[test]
    fn directives_choose_what_is_logged() {
        let text = logged(LogFormat::Text, "info,noisy=off", || {
            info!(target: "noisy", "left out");
            info!("kept");
        });

        assert!(
            text.contains("kept") && !text.contains("left out"),
            "got {text:?}"
        );
    }

    #[test]
    fn wrong_directives_are_shown_with_right_ones() {
        let error = filter("industrydata=loud").unwrap_err();

        assert_eq!(
            error.to_string(),
            "`industrydata=loud` does not say what to log; right would be a level such as `info`, \
             or directives such as `info,kube=warn`"
        );
    }
}
