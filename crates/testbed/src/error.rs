//! What can go wrong with a control plane, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::ProgramName;

/// Why a control plane could not be built, started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the control plane could not be read or written.
    #[error("failed to {operation} {}", path.display())]
    File {
        /// The verb, such as "write".
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A program could not be built.
    #[error(transparent)]
    Build(#[from] industrydata_programs::Error),

    /// The directory named by `KUBEBUILDER_ASSETS` lacks a program.
    #[error(
        "failed to find {program} in {}; KUBEBUILDER_ASSETS has to name a directory with \
         etcd, kube-apiserver and kubectl, or be unset to build them",
        directory.display()
    )]
    AssetMissing {
        /// The program that is missing.
        program: ProgramName,
        /// Where it was looked for.
        directory: PathBuf,
    },

    /// A certificate or key could not be made.
    #[error("failed to make the certificate of {subject}")]
    Certificate {
        /// Whose certificate it would have been.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },

    /// The key that signs the tokens of service accounts could not be made.
    #[error("failed to make the key of the service account tokens")]
    TokenKey {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The system has no free port on the loopback interface.
    #[error("failed to find a free port on 127.0.0.1")]
    NoPort {
        /// Why.
        source: io::Error,
    },

    /// A program that does not run here was to be used.
    #[error("failed to find {program}: it was not started by this control plane")]
    NotOurs {
        /// The program.
        program: ProgramName,
    },

    /// etcd did not do what it was asked for.
    #[error("failed to ask etcd for {path}: {answer}")]
    Etcd {
        /// The path in etcd's JSON API.
        path: String,
        /// What it answered, or why it did not.
        answer: String,
    },

    /// A proxy cannot forward to this.
    #[error("failed to use {url} as the server behind a proxy")]
    Upstream {
        /// The server.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A program of the control plane could not be started at all.
    #[error("failed to start {program} from {}", path.display())]
    Spawn {
        /// What was started.
        program: &'static str,
        /// The executable.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A program of the control plane ended unexpectedly.
    #[error("{program} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The program that ended.
        program: ProgramName,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },

    /// The API server did not become ready in time.
    #[error(
        "kube-apiserver was not ready within {timeout:?} (last answer: {answer}); give it more with \
         Builder::start_timeout if the machine is slow; the end of its log:\n{log}"
    )]
    NotReady {
        /// How long it was given.
        timeout: Duration,
        /// What the last request for `/readyz` gave.
        answer: String,
        /// The end of its log.
        log: String,
    },

    /// A kubeconfig could not be read, or does not hold what is needed.
    #[error("failed to use the kubeconfig {}; check the file and the name of its context", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },

    /// A kubeconfig has no current context, or one that names no cluster.
    #[error(
        "failed to find a cluster for the current context of {}; name a context with TESTBED_CONTEXT",
        path.display()
    )]
    NoCluster {
        /// The file.
        path: PathBuf,
    },

    /// A client could not be made or a request was refused.
    #[error("failed to {operation} {object}")]
    Request {
        /// The verb, such as "create".
        operation: &'static str,
        /// Kind and name of the object.
        object: String,
        /// Why.
        source: Box<kube::Error>,
    },

    /// A binding was made, but the API server does not act on it.
    #[error(
        "{user} was still refused {permission} {timeout:?} after it was granted; \
         check the role and its binding"
    )]
    NotEffective {
        /// The user that was given the role.
        user: String,
        /// The verb and resource that were asked for.
        permission: String,
        /// How long it was waited for.
        timeout: Duration,
    },

    /// A command such as kubectl could not be run.
    #[error("failed to run `{command}`; check that its program is installed")]
    CommandMissing {
        /// The command with its arguments.
        command: String,
        /// Why.
        source: io::Error,
    },

    /// A command such as kubectl ran and failed.
    #[error("`{command}` ended with {status}: {stderr}")]
    CommandFailed {
        /// The command with its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },

    /// A line of the audit log is not an audit event.
    #[error("failed to parse an event of the audit log {}: {line}", path.display())]
    AuditEvent {
        /// The log.
        path: PathBuf,
        /// The line.
        line: String,
        /// Why.
        source: serde_json::Error,
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

    /// Wraps an error of a request to the cluster, for `map_err`.
    pub(crate) fn request(
        operation: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Request {
            operation,
            object,
            source: Box::new(source),
        }
    }
}
