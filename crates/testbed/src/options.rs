//! What can be chosen about the programs of a control plane.

use std::ffi::OsString;
use std::time::Duration;

/// What can be chosen about the programs.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) etcd_arguments: Vec<OsString>,
    pub(crate) api_server_arguments: Vec<OsString>,
    pub(crate) audit: bool,
    pub(crate) start_timeout: Duration,
}
