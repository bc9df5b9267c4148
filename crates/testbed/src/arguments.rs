//! The arguments with which each program runs on loopback without nodes.

use std::ffi::OsString;

use crate::account::Account;
use crate::options::Options;
use crate::paths::Paths;

/// The arguments of etcd, as one member without peers.
pub(crate) fn etcd(paths: &Paths, options: &Options) -> Vec<OsString> {
    let url = paths.etcd_url();
    let mut arguments = Arguments::default();
    arguments
        .add("data-dir", paths.file("etcd"))
        .add("listen-client-urls", &url)
        .add("advertise-client-urls", &url)
        // A member of one has no peer; port 0 lets the system choose.
        .add("listen-peer-urls", "http://127.0.0.1:0")
        // What is written dies with the process anyway.
        .add("unsafe-no-fsync", "true");
    arguments.and(&options.etcd_arguments)
}

/// The arguments of kube-apiserver. It serves on loopback only, to clients with a certificate or token.
pub(crate) fn api_server(paths: &Paths, port: u16, options: &Options) -> Vec<OsString> {
    let mut arguments = Arguments::default();
    arguments
        .add("etcd-servers", paths.etcd_url())
        .add("bind-address", "127.0.0.1")
        .add("secure-port", port.to_string())
        // By default an address that others can reach is looked for, which fails on a machine
        // without a network.
        .add("advertise-address", "127.0.0.1")
        .add("endpoint-reconciler-type", "none")
        .add("cert-dir", paths.file("certificates"))
        .add("tls-cert-file", paths.server_certificate())
        .add("tls-private-key-file", paths.server_key())
        .add("client-ca-file", paths.authority())
        .add("authorization-mode", "RBAC")
        .add("service-account-issuer", "https://kubernetes.default.svc")
        .add("service-account-signing-key-file", paths.token_key())
        .add("service-account-key-file", paths.token_public_key())
        .add("service-cluster-ip-range", "10.0.0.0/24")
        // It would hold pods back until their service account has been made by a controller that
        // does not run here.
        .add("disable-admission-plugins", "ServiceAccount");
    if options.audit {
        arguments
            .add("audit-policy-file", paths.audit_policy())
            .add("audit-log-path", paths.audit_log())
            // An answer that is not logged fails, so the log misses nothing.
            .add("audit-log-mode", "blocking-strict")
            // In megabytes: never, as a rotated log would invalidate all positions.
            .add("audit-log-maxsize", "1000000");
    }
    arguments.and(&options.api_server_arguments)
}

/// The arguments of kube-controller-manager: only the controllers that a cluster without nodes needs.
pub(crate) fn controller_manager(paths: &Paths, account: &Account) -> Vec<OsString> {
    let mut arguments = Arguments::default();
    arguments
        .add("kubeconfig", account.kubeconfig_path())
        .add(
            "controllers",
            "clusterrole-aggregation-controller,garbage-collector-controller,namespace-controller",
        )
        // Each controller under its own user and roles, as in a real cluster.
        .add("use-service-account-credentials", "true")
        .add("service-account-private-key-file", paths.token_key())
        .add("leader-elect", "false")
        // Serves nothing: one port less to lose.
        .add("secure-port", "0");
    arguments.and(&[])
}

/// Command line flags in the form `--name=value`.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value.into());
        self.0.push(argument);
        self
    }

    /// The flags, then others, which win where a flag is given twice.
    fn and(self, others: &[OsString]) -> Vec<OsString> {
        [self.0.as_slice(), others].concat()
    }
}
