//! Builds programs from published Go modules, once for all packages, profiles and processes: the control plane for tests
//! and the demo, and the tools of the testbed.

mod error;
mod go;
mod log;
mod source;

pub use error::Error;
pub use go::{Build, Module, Progress, output};
pub use log::Tail;
pub use source::Source;

/// etcd, the programs of Kubernetes, kubectl and Helm in one.
pub const CONTROL_PLANE: Module = Module {
    version_of: Some("k8s.io/kubernetes"),
    ..Module::new(
        "controlplane",
        &[
            ("go.mod", include_str!("../controlplane/go.mod")),
            ("go.sum", include_str!("../controlplane/go.sum")),
            ("main.go", include_str!("../controlplane/main.go")),
            (
                "controllers.go",
                include_str!("../controlplane/controllers.go"),
            ),
        ],
    )
};
