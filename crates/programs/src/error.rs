//! What can go wrong with a build, and what to do about it.

use std::error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a program could not be built.
///
/// Written out, as `thiserror` takes longer to compile than all the rest of this package.
#[derive(Debug)]
pub enum Error {
    /// A file or directory could not be read or written.
    File {
        /// The verb, such as "write".
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program `go` cannot be run, so nothing can be built.
    GoMissing {
        /// The oldest Go that can build the programs.
        version: &'static str,
        /// Why it could not be run.
        source: io::Error,
    },
    /// It was stopped by [`Build::stop`](crate::Build::stop).
    Stopped,
    /// `go` ran, but did not build the program.
    GoFailed {
        /// The command that failed.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        output: String,
    },
}

impl Error {
    /// Wraps an error of file IO, for `map_err`.
    pub(crate) fn file(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                operation, path, ..
            } => write!(formatter, "failed to {operation} {}", path.display()),
            Self::GoMissing { version, .. } => write!(
                formatter,
                "failed to run `go`, which builds etcd, kube-apiserver and kube-controller-manager; \
                 install Go {version} or later from https://go.dev/dl, \
                 or set KUBEBUILDER_ASSETS to a directory that has the programs, \
                 or set TESTBED_KUBECONFIG to the kubeconfig of a cluster for tests"
            ),
            Self::Stopped => write!(formatter, "the build was stopped"),
            Self::GoFailed {
                command,
                status,
                output,
            } => write!(
                formatter,
                "failed to build a program: `{command}` ended with {status}; its last words:\n{output}"
            ),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::GoMissing { source, .. } => Some(source),
            Self::GoFailed { .. } | Self::Stopped => None,
        }
    }
}
