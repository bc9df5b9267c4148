//! What the demo can be told.

use clap::Parser;

/// Shows the operator at work on the manifests of `deploy/samples/`.
///
/// Brings up a Kubernetes control plane of its own, a stand-in for Microsoft Graph and the operator, and stays until
/// Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "industrydata-demo")]
pub struct Arguments {
    /// End after the story: delete the samples, look whether nothing is left, and stop
    #[arg(long)]
    pub once: bool,

    /// Sign in as a user, with a device code and the kubectl plugin, instead of with a client secret. Without a terminal,
    /// `--once` approves the sign-in itself
    #[arg(long)]
    pub delegated: bool,

    /// Use the cluster of this context of the kubeconfig, in the namespace `industrydata-demo`. What is installed
    /// there is removed at the end
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}
