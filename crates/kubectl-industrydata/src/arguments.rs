//! The command line, each flag with an environment variable.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

/// Manages what industrydata-operator needs from outside of the cluster.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-industrydata",
    bin_name = "kubectl industrydata",
    version,
    about
)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the plugin does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in to Microsoft Entra with a device code, and store the refresh token in a Secret.
    ///
    /// The command displays a code and an address. Open the address in any browser, on any machine, enter the code,
    /// and sign in as a user who may manage School Data Sync. Everything that can fail without you is checked first.
    ///
    /// To sign in again, for instance after the refresh token was revoked, run the same command again.
    Login(Box<LoginArguments>),
}

/// The flags of `kubectl industrydata login`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// Tenant: its id (a GUID) or one of its domains. Defaults to that of the `GraphConnection`
    #[arg(long, value_name = "TENANT", env = "KUBECTL_INDUSTRYDATA_TENANT")]
    pub(crate) tenant: Option<String>,

    /// Application (client) id of the app registration. Defaults to that of the `GraphConnection`
    #[arg(long, value_name = "GUID", env = "KUBECTL_INDUSTRYDATA_CLIENT_ID")]
    pub(crate) client_id: Option<String>,

    /// `GraphConnection` that uses the refresh token
    #[arg(long, value_name = "NAME", env = "KUBECTL_INDUSTRYDATA_CONNECTION")]
    pub(crate) connection: Option<String>,

    /// Secret for the refresh token. Defaults to the one in the `GraphConnection`, or else to the name of the
    /// `GraphConnection` (or `industrydata`) with `-refresh-token`
    #[arg(long, value_name = "NAME", env = "KUBECTL_INDUSTRYDATA_SECRET")]
    pub(crate) secret: Option<String>,

    /// Key of the refresh token in the Secret. Defaults to the one in the `GraphConnection`, or else to `refreshToken`
    #[arg(long, value_name = "KEY", env = "KUBECTL_INDUSTRYDATA_KEY")]
    pub(crate) key: Option<String>,

    /// File with the client secret, if the app is not a public client. It is stored in the same Secret
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "client_secret_stdin",
        env = "KUBECTL_INDUSTRYDATA_CLIENT_SECRET_FILE"
    )]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// Read the client secret from standard input
    #[arg(long, env = "KUBECTL_INDUSTRYDATA_CLIENT_SECRET_STDIN")]
    pub(crate) client_secret_stdin: bool,

    /// Request the permission to read only, for connections whose resources have `managementPolicy: Observe`
    #[arg(long, env = "KUBECTL_INDUSTRYDATA_READ_ONLY")]
    pub(crate) read_only: bool,

    /// Create the `GraphConnection` if it does not exist
    #[arg(
        long,
        requires = "connection",
        env = "KUBECTL_INDUSTRYDATA_CREATE_CONNECTION"
    )]
    pub(crate) create_connection: bool,

    /// Create a Role and a `RoleBinding` that allow the operator to get and patch this Secret, and no other: the
    /// operator stores the refresh tokens with which Microsoft Entra replaces this one
    #[arg(
        long,
        requires_all = ["operator_namespace", "operator_service_account"],
        env = "KUBECTL_INDUSTRYDATA_CREATE_ROLE"
    )]
    pub(crate) create_role: bool,

    /// Namespace of the operator's service account
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "KUBECTL_INDUSTRYDATA_OPERATOR_NAMESPACE"
    )]
    pub(crate) operator_namespace: Option<String>,

    /// Name of the operator's service account
    #[arg(
        long,
        value_name = "NAME",
        env = "KUBECTL_INDUSTRYDATA_OPERATOR_SERVICE_ACCOUNT"
    )]
    pub(crate) operator_service_account: Option<String>,

    /// Replace a value in a Secret that was not stored by this command
    #[arg(long, env = "KUBECTL_INDUSTRYDATA_FORCE")]
    pub(crate) force: bool,

    /// Whether to write the objects to the cluster, or to print them with the credential, for encryption with SOPS or
    /// Sealed Secrets
    #[arg(
        long,
        short = 'o',
        value_enum,
        default_value_t,
        env = "KUBECTL_INDUSTRYDATA_OUTPUT"
    )]
    pub(crate) output: Output,

    /// URL of the authority that issues tokens. Must use https, or http on a loopback address, and have no path
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://login.microsoftonline.com",
        env = "KUBECTL_INDUSTRYDATA_AUTHORITY_ENDPOINT",
        help_heading = "Microsoft Entra"
    )]
    pub(crate) authority_endpoint: Url,

    /// Resource of the permissions, which is part of each scope
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://graph.microsoft.com",
        env = "KUBECTL_INDUSTRYDATA_GRAPH_RESOURCE",
        help_heading = "Microsoft Entra"
    )]
    pub(crate) graph_resource: Url,

    /// Scope to request instead of the permission, such as `https://graph.microsoft.com/.default`. Repeat the flag for
    /// several. `openid` and `offline_access` are always added
    #[arg(
        long,
        value_name = "SCOPE",
        value_delimiter = ' ',
        env = "KUBECTL_INDUSTRYDATA_SCOPE",
        help_heading = "Microsoft Entra"
    )]
    pub(crate) scope: Vec<String>,

    /// File with certificates (PEM) of authorities to trust in addition to those of the system, for requests to
    /// Microsoft Entra
    #[arg(
        long,
        value_name = "PATH",
        env = "KUBECTL_INDUSTRYDATA_CA_FILE",
        help_heading = "Microsoft Entra"
    )]
    pub(crate) ca_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

/// Which cluster and namespace, as kubectl has it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArguments {
    /// Namespace. Defaults to that of the context
    #[arg(
        long,
        short = 'n',
        value_name = "NAMESPACE",
        env = "KUBECTL_INDUSTRYDATA_NAMESPACE"
    )]
    pub(crate) namespace: Option<String>,

    /// Context of the kubeconfig. Defaults to the current one
    #[arg(long, value_name = "NAME", env = "KUBECTL_INDUSTRYDATA_CONTEXT")]
    pub(crate) context: Option<String>,

    /// Path of the kubeconfig. Defaults to the files in `KUBECONFIG`, or else to `~/.kube/config`
    #[arg(long, value_name = "PATH", env = "KUBECTL_INDUSTRYDATA_KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What is done with the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Write them to the cluster
    #[default]
    Apply,
    /// Print them as YAML, with the credential
    Yaml,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn refusal(flags: &[&str]) -> ErrorKind {
        let words = ["kubectl-industrydata", "login"].iter().chain(flags);
        Program::try_parse_from(words).unwrap_err().kind()
    }

    #[test]
    fn every_flag_has_a_variable_of_its_name() {
        let program = Program::command();
        program.clone().debug_assert();
        let login = program.find_subcommand("login").unwrap();
        let flags: Vec<_> = login
            .get_arguments()
            .filter(|flag| flag.get_id() != "help")
            .collect();
        assert_eq!(flags.len(), 21);
        for flag in flags {
            let name = flag.get_long().unwrap().replace('-', "_").to_uppercase();
            let variable = flag.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("KUBECTL_INDUSTRYDATA_{name}"));
            assert!(flag.get_help().is_some(), "{name}");
        }
    }

    #[test]
    fn flags_that_need_others_are_refused_without_them() {
        let missing = ErrorKind::MissingRequiredArgument;
        assert_eq!(refusal(&["--create-connection"]), missing);
        assert_eq!(refusal(&["--create-role"]), missing);
        let half = ["--create-role", "--operator-namespace", "system"];
        assert_eq!(refusal(&half), missing);
        let both = ["--client-secret-file", "a", "--client-secret-stdin"];
        assert_eq!(refusal(&both), ErrorKind::ArgumentConflict);
    }
}
