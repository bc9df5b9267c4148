//! Errors of starting and controlling a simulator.

use std::{io, net::SocketAddr};

use thiserror::Error;

/// Error of starting or controlling a simulator. Errors of its clients are responses, not errors.
#[derive(Debug, Error)]
pub enum Error {
    /// A port is taken or not allowed.
    #[error("failed to listen on {address}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it can't.
        source: io::Error,
    },
    /// The certificate or the key for https cannot be used.
    #[error("failed to set up https: {message}")]
    Tls {
        /// What is wrong.
        message: String,
    },
    /// The machine has no random numbers.
    #[error("failed to create a signing key")]
    SigningKey,
    /// An edit through the control API or its methods is refused.
    #[error("failed to edit: {message} ({status})")]
    Edit {
        /// HTTP status that says what kind of refusal it is; 404 if the object does not exist.
        status: u16,
        /// What is wrong.
        message: String,
    },
}
